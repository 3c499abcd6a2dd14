"""`vitdsl show --attention`: the picture, what is said of it, and wrong calls."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image

import vitdsl
from vitdsl.checkpoints.files import write_weights

SVG = "{http://www.w3.org/2000/svg}"
SPEC = """
name: {name}
input: {{size: [32, 48]}}
classes: 3
stages:
  - tokenizer: {{type: patch, size: 8, dim: 16}}
    tokens: [cls]
    depth: 2
    block: [{{mixer: {{type: global, heads: 2}}}}, {{mlp: {{ratio: 2}}}}]
    {more}
head: {{norm: layer, pool: cls}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "photo.png")
    (tmp_path / "model.yaml").write_text(SPEC.format(name="model", more=""))
    return tmp_path


def texts(path: Path) -> str:
    found = ElementTree.fromstring(path.read_text(encoding="utf-8")).iter()
    return "\n".join("".join(each.itertext()) for each in found if each.tag == f"{SVG}text")


def test_random_weights_are_said(run, files):
    done = run("show", files / "model.yaml", "--attention", files / "photo.png", "-o", files / "maps.svg")
    assert done == (
        0,
        f"attention maps of 2 mixers written to {files / 'maps.svg'}\n",
        "warning: the weights are random, as there are no --weights: these maps show nothing that was learned\n",
    )
    said = texts(files / "maps.svg")
    for words in (
        "model: attention maps",
        "The weights are random",
        "stages.0.block.1.0.mixer",
        "head 1:",
        "token cls",
    ):
        assert words in said


def test_the_maps_are_those_of_the_weights(run, files):
    torch.manual_seed(3)
    model = vitdsl.build(files / "model.yaml").eval()
    write_weights(files / "w.safetensors", model.state_dict())
    call = ("show", files / "model.yaml", "--attention", files / "photo.png", "--weights", files / "w.safetensors")
    done = run(
        *call, "--layout", "ours", "--blocks", "-1,stages.0.block.0", "--query", "31,0", "--json", "-o", files / "a.svg"
    )
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    notes = ["keys cls not drawn"]
    assert found["maps"] == [
        {"module": f"stages.0.block.{number}.0.mixer", "query": "position 3,0 of 4x6", "drawn": True, "notes": notes}
        for number in (1, 0)
    ]
    assert (found["random"], found["left_out"], found["no_rollout"]) == (False, {}, None)
    assert "random" not in texts(files / "a.svg")
    again = run(*call, "--blocks", "1,0", "--query", "31,0", "-o", files / "b.svg")
    assert again.code == 0
    assert (files / "a.svg").read_bytes() == (files / "b.svg").read_bytes()


def test_a_png(run, files):
    call = ("show", files / "model.yaml", "--attention", files / "photo.png", "--size", "64", "-o", files / "maps.png")
    assert run(*call).code == 0
    with Image.open(files / "maps.png") as picture:
        assert picture.format == "PNG"


def test_what_is_not_drawn_is_said(run, files):
    (files / "mixed.yaml").write_text(SPEC.format(name="mixed", more="").replace(
        "head:", "  - body:\n    - {at: grid, mixer: {type: performer, heads: 2}}\n"
        "    - {mixer: {type: lowrank, heads: 2, rank: 3}}\nhead:"))  # fmt: skip
    done = run("show", files / "mixed.yaml", "--attention", files / "photo.png", "-o", files / "maps.svg")
    assert done.code == 0, done.err
    for words in ("`stages.1.body.0.mixer` has no attention map: it is a performer", "there is no rollout of this",
                  "`stages.1.body.1.mixer` is not drawn: its 3 keys are on no grid"):  # fmt: skip
        assert words in done.err
    said = " ".join(texts(files / "maps.svg").split())
    for words in ("has no attention map: it is a performer", "there is no rollout", "its 3 keys are on no grid"):
        assert words in said


HOSTILE = ("</text><script>alert(1)</script>", "a]]>&lt;<b>", "\\x1b[31mred", "\\u202eevil", "'\\\"")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_a_spec_are_no_markup(run, files, name):
    (files / "hostile.yaml").write_text(SPEC.format(name=f'"{name}"', more=""))
    done = run("show", files / "hostile.yaml", "--attention", files / "photo.png", "-o", files / "maps.svg")
    if done.code:
        assert done.code == 1
        assert "name" in done.err
        return
    text = (files / "maps.svg").read_text(encoding="utf-8")
    tags = {each.tag.removeprefix(SVG) for each in ElementTree.fromstring(text).iter()}
    assert tags == {"svg", "title", "defs", "image", "rect", "text", "use"}
    assert text.replace("\n", "").isprintable()
    assert (done.out + done.err).replace("\n", "").isprintable()


@pytest.mark.parametrize(("options", "code", "message"), [
    (["--attention", "photo.png"], 2, "it needs a file to write"),
    (["--attention", "photo.png", "-o", "maps.jpg"], 2, "does not end in .svg or .png"),
    (["--attention", "photo.png", "-o", "none/maps.svg"], 2, "there is no folder"),
    (["--attention", "photo.png", "-o", "a.svg", "--axes"], 2, "it is a view of its own"),
    (["--attention", "photo.png", "-o", "a.svg", "--layout", "timm"], 2, "there is no --weights"),
    (["--query", "1,1"], 2, "it goes with --attention PHOTO"),
    (["--weights", "a.pth"], 2, "it goes with --attention PHOTO"),
    (["-o", "a.svg"], 2, "it goes with --attention PHOTO"),
    (["--attention", "photo.png", "-o", "a.svg", "--query", "32,0"], 2, "'32,0' is no pixel y,x of the image"),
    (["--attention", "photo.png", "-o", "a.svg", "--query", "1"], 2, "which has 32 rows and 48 columns, from 0"),
    (["--attention", "photo.png", "-o", "a.svg", "--blocks", "7"], 1, "there is no attention map 7"),
    (["--attention", "photo.png", "-o", "a.svg", "--blocks", "stages.1"], 1, "`stages.1` is no mixer, and holds none"),
    (["--attention", "model.yaml", "-o", "a.svg"], 1, "not a photo that Pillow can read"),
    (["--attention", "missing.png", "-o", "a.svg"], 1, "missing.png"),
    (["--attention", "photo.png", "-o", "a.svg", "--set", "input.channels=5"], 2, "a photo has 1, 3 or 4 channels"),
])  # fmt: skip
def test_wrong_calls(run, files, monkeypatch, options, code, message):
    monkeypatch.chdir(files)
    done = run("show", "model.yaml", *options)
    assert done.code == code, done.err
    assert message in " ".join(done.err.split())
    assert not (files / "a.svg").exists()


def test_models_without_maps_are_refused(run, files):
    done = run("show", "resnet18", "--attention", files / "photo.png", "-o", files / "a.svg")
    assert (done.code, done.err) == (1, "this model has no mixer, and so no attention map [E607]\n")


def test_without_pillow(run, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    done = run("show", files / "model.yaml", "--attention", files / "photo.png", "-o", files / "a.svg")
    assert done.code == 2
    assert "pip install 'vitdsl[predict]'" in done.err


def test_weights_that_are_no_numbers_are_refused(run, files):
    state = vitdsl.build(files / "model.yaml").state_dict()
    state["stages.0.block.0.0.mixer.qkv.weight"].fill_(1e30)
    write_weights(files / "w.safetensors", state)
    call = ("show", files / "model.yaml", "--attention", files / "photo.png", "--weights", files / "w.safetensors")
    done = run(*call, "-o", files / "a.svg")
    assert done.code == 1
    assert "the attention map of `stages.0.block.0.0.mixer` is not finite" in done.err
    assert not (files / "a.svg").exists()
