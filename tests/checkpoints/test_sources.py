"""Where weights come from: what is stated, and downloads from a server on this machine."""

import hashlib
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm.models
import torch
import torchvision

import vitdsl
from vitdsl.checkpoints import sources as module
from vitdsl.checkpoints.files import write_weights
from vitdsl.checkpoints.sources import UNVERIFIED, WeightsSource, fetch, source_of, sources
from vitdsl.checkpoints.tables import tables_for
from vitdsl.cli import main

TINY = {"stages[0].depth": 1}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Broken(BaseHTTPRequestHandler):
    """Answers each path in a way in which no file comes whole."""

    def do_GET(self) -> None:
        getattr(self, self.path.split("/")[1])()

    def head(self, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def short(self) -> None:
        self.head(Content_Length="100")
        self.wfile.write(b"only this")

    def reset(self) -> None:
        self.head(Content_Length="100")
        self.wfile.write(b"only this")
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def chunks(self) -> None:
        self.head(Transfer_Encoding="chunked")
        self.wfile.write(b"10\r\nonly this")

    def silent(self) -> None:
        self.head(Content_Length="100")
        self.wfile.write(b"only this")
        self.wfile.flush()
        time.sleep(2)

    def nothing(self) -> None:
        self.connection.close()

    def no_http(self) -> None:
        self.wfile.write(b"220 welcome to another protocol\r\n" * 3)

    def long_line(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 " + b"x" * 100_000)

    def loop(self) -> None:
        self.head(302, Location=self.path)

    def elsewhere(self) -> None:
        self.head(302, Location="file:///etc/passwd")

    def nowhere(self) -> None:
        self.head(302, Location="http://[not-an-address/w.pth")

    def forbidden(self) -> None:
        self.send_error(403)

    def fault(self) -> None:
        self.send_error(500)

    def page(self) -> None:
        self.head(Content_Type="text/html; charset=utf-8")
        self.wfile.write(b"<html>Log in to this network</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


BROKEN = sorted(set(vars(Broken)) - {"do_GET", "head", "log_message", "protocol_version"} - set(dir(object)))


def serve(handler: object) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder that it shows."""
    folder = tmp_path / "published"
    folder.mkdir()
    for address in serve(partial(Quiet, directory=str(folder))):
        yield address, folder


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    yield from serve(Broken)


def source(url: str, sha256: str = UNVERIFIED) -> WeightsSource:
    return WeightsSource(
        spec="deit_tiny", layout="official", url=url, sha256=sha256, licence="none", stated="this test"
    )


def test_a_file_is_downloaded_once(published, tmp_path):
    address, folder = published
    (folder / "w.pth").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    for stated in (digest, digest[:8], UNVERIFIED):
        cache = tmp_path / stated
        done = fetch(source(f"{address}/w.pth", stated), cache)
        assert done.path == cache / "w.pth"
        assert done.path.read_bytes() == b"weights"
        assert done.said.startswith(f"downloaded {address}/w.pth")
        assert ("nobody states" in done.said) == (stated == UNVERIFIED)
    (folder / "w.pth").unlink()
    again = fetch(source(f"{address}/w.pth", digest[:8]), tmp_path / digest[:8])
    assert again.said.startswith("already here")
    assert [path.name for path in again.path.parent.iterdir()] == ["w.pth"]


def test_what_has_another_hash_is_refused_and_not_kept(published, tmp_path):
    address, folder = published
    (folder / "w.pth").write_bytes(b"weights")
    with pytest.raises(vitdsl.CheckpointError, match=r"is not what it should be: .* Nothing of it was kept"):
        fetch(source(f"{address}/w.pth", "0" * 64), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_was_in_the_cache_is_never_changed(published, tmp_path):
    address, folder = published
    (folder / "w.pth").write_bytes(b"weights")
    path = tmp_path / "w.pth"
    path.write_bytes(b"another")
    with pytest.raises(vitdsl.CheckpointError, match=r"w\.pth was there before and is left as it is; move it away"):
        fetch(source(f"{address}/w.pth", "0" * 64), tmp_path)
    assert path.read_bytes() == b"another"


@pytest.mark.parametrize("way", BROKEN)
@pytest.mark.parametrize("stated", [UNVERIFIED, "0" * 64])
def test_downloads_that_break_off_are_refused_and_leave_nothing(broken, tmp_path, monkeypatch, way, stated):
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    url = f"{broken}/{way}/w.pth"
    with pytest.raises(
        vitdsl.CheckpointError, match=rf"^{url} (cannot be had: .+|came in part: 9 of 100 bytes.*)\. \[E710\]$"
    ):
        fetch(source(url, stated), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written(published, tmp_path):
    (published[1] / "w.pth").write_bytes(b"weights")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            fetch(source(f"{published[0]}/w.pth"), folder)


def test_what_is_not_there(published, tmp_path):
    with pytest.raises(vitdsl.CheckpointError, match="the server says 404"):
        fetch(source(f"{published[0]}/none.pth"), tmp_path)
    with pytest.raises(vitdsl.CheckpointError, match="cannot be had"):
        fetch(source("http://127.0.0.1:9/w.pth"), tmp_path)


def test_the_hub_needs_its_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(vitdsl.CheckpointError, match=r"needs huggingface_hub: pip install 'vitdsl\[predict\]'"):
        fetch(source_of("deit_tiny", "timm"), tmp_path)


def test_build_downloads_what_is_named(published, tmp_path, monkeypatch, capsys):
    address, folder = published
    spec = vitdsl.load("deit_tiny", TINY)
    state = vitdsl.convert(vitdsl.build(spec).state_dict(), spec, to="official")
    write_weights(folder / "w.safetensors", state)
    monkeypatch.setattr(module, "sources", lambda: (source(f"{address}/w.safetensors"),))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    assert main(["build", "deit_tiny", "--set", "stages[0].depth=1", "--weights", "official"]) == 0
    out = capsys.readouterr().out
    assert f"downloaded {address}/w.safetensors" in out
    assert f"copied: {len(state)}" in out
    assert (tmp_path / "hub" / "checkpoints" / "w.safetensors").is_file()
    assert main(["build", "deit_tiny", "--weights", "torchvision"]) == 1
    assert "Weights are known as `official`." in capsys.readouterr().err
    assert main(["build", "deit_tiny", "--weights", "official", "--layout", "timm"]) == 2
    (tmp_path / "mine.yaml").write_text(vitdsl.load("deit_tiny", {**TINY, "name": "mine"}).dump())
    assert main(["build", str(tmp_path / "mine.yaml"), "--weights", "official"]) == 1
    assert (
        main(["build", str(tmp_path / "mine.yaml"), "--weights", "official", "--base", "deit_tiny", "--partial"]) == 0
    )
    assert f"copied: {len(state)}" in capsys.readouterr().out


def test_every_source_has_a_table_and_is_there_once():
    assert len({(each.spec, each.layout) for each in sources()}) == len(sources())
    for each in sources():
        assert each.layout in tables_for(each.spec)
        assert each.url is None or each.url.startswith("https://")
        assert each.sha256 == UNVERIFIED or f"-{each.sha256}." in str(each.url)


@pytest.mark.parametrize("each", sources(), ids=lambda each: f"{each.spec} {each.layout}")
def test_sources_are_as_stated(each):
    package, name = each.stated.split(" ")
    if package == "timm":
        config = timm.models.get_pretrained_cfg(name)
        assert (each.url or each.hub) in (config.url, config.hf_hub_id)
        assert each.licence == config.license
        assert config.num_classes == 1000
    else:
        entry = torchvision.models.get_weight(name)
        assert each.url == entry.url
        assert re.search(r"-([0-9a-f]+)\.pth$", entry.url)[1] == each.sha256


def test_wrong_sources_are_refused():
    with pytest.raises(ValueError, match="either `url` or `hub`"):
        WeightsSource(spec="x", layout="timm", licence="none", stated="this test")
    with pytest.raises(ValueError, match="sha256"):
        source("https://a.b/c", "123")
    with pytest.raises(vitdsl.CheckpointError, match="No weights are known for it"):
        source_of("cvt13", "official")


def test_errors_in_a_file_of_sources_have_a_place(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text("sources:\n  - {spec: a, layout: timm, url: 'https://a.b/c', licence: mit, stated: me, sha: x}\n")
    with pytest.raises(vitdsl.CheckpointError, match=r"yaml:2:\d+: sources\[0\]\.sha\n  there is no key `sha`"):
        sources(path)
    path.write_text("sources: []\nsources: []\n")
    with pytest.raises(vitdsl.CheckpointError, match=r"sources\.yaml:2:1"):
        sources(path)
