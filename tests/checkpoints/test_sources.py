"""Where weights come from: what is stated, and downloads from a server on this machine."""

import hashlib
import re
import sys
import threading
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
from vitdsl.checkpoints.layouts import tables_for
from vitdsl.checkpoints.sources import UNVERIFIED, Source, fetch, source_of, sources
from vitdsl.cli import main

TINY = {"stages[0].depth": 1}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Short(BaseHTTPRequestHandler):
    """Promises more than it gives."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"only this")

    def log_message(self, format: str, *args: object) -> None:
        pass


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


@pytest.fixture
def cut_off() -> Iterator[str]:
    yield from serve(Short)


def source(url: str, sha256: str = UNVERIFIED) -> Source:
    return Source(spec="deit_tiny", layout="official", url=url, sha256=sha256, licence="none", stated="this test")


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


def test_a_wrong_hash_is_refused_and_nothing_is_left(published, tmp_path):
    address, folder = published
    (folder / "w.pth").write_bytes(b"weights")
    wrong = source(f"{address}/w.pth", "0" * 64)
    with pytest.raises(vitdsl.CheckpointError, match=r"is not what it should be: .* The file was removed"):
        fetch(wrong, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "cache" / "w.pth").write_bytes(b"another")
    with pytest.raises(vitdsl.CheckpointError, match="The file was removed"):
        fetch(wrong, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_half_a_file_is_none(cut_off, tmp_path):
    with pytest.raises(vitdsl.CheckpointError, match=r"came in part: 9 of 100 bytes"):
        fetch(source(f"{cut_off}/w.pth"), tmp_path)
    assert list(tmp_path.iterdir()) == []


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
        Source(spec="x", layout="timm", licence="none", stated="this test")
    with pytest.raises(ValueError, match="sha256"):
        source("https://a.b/c", "123")
    with pytest.raises(vitdsl.CheckpointError, match="No weights are known for it"):
        source_of("cvt13", "official")
