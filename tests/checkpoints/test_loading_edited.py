"""Weights across edits: what a spec that was edited takes of the weights of the one it came from."""

import pickle

import pytest
import torch
from torch import Tensor

import vitdsl
from tests.checkpoints.messages import messages
from tests.parity import fingerprint
from vitdsl.checkpoints.fitting import CHANNELS, fit_channels
from vitdsl.checkpoints.loading import Report
from vitdsl.compiler.model import VisionModel
from vitdsl.layers.positions import LearnedPosition
from vitdsl.spec import Spec

ONE = {"stages[0].depth": 1}
BLOCK = "stages.0.block"
PEG = {"name": "peg", "peg": {}}


def edited(**more: object) -> Spec:
    return vitdsl.load("deit_tiny", {**ONE, **more})


def loaded(spec: Spec, source: dict[str, Tensor], **how: object) -> tuple[VisionModel, Report]:
    model = vitdsl.build(spec)
    return model, vitdsl.load_weights(model, source, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def theirs() -> dict[str, Tensor]:
    """The whole DeiT-Ti with the authors' names, single precision."""
    state = fingerprint.filled_state_dict(fingerprint.load("deit_tiny")["state"])
    return {key: value.float() for key, value in state.items()}


@pytest.fixture(scope="module")
def ours(theirs) -> dict[str, Tensor]:
    return vitdsl.convert(theirs, "deit_tiny", "official")


def taken(model: VisionModel, names: tuple[str, ...], ours: dict[str, Tensor]) -> bool:
    state = model.state_dict()
    return all(torch.equal(state[name], ours[name]) for name in names)


@pytest.mark.parametrize("layout", ["official", None])
def test_fewer_blocks(theirs, ours, layout):
    with pytest.raises(vitdsl.CheckpointError) as refused:
        loaded(edited(), theirs, layout=layout)
    assert refused.value.headline.startswith("The weights are those of `deit_tiny`, and the model is another.")
    assert "`--partial`" in refused.value.headline
    assert f"`{BLOCK}.1.0.pre.weight` of shape [192] has no place in the model." in messages(refused.value)
    assert messages(refused.value)[-1] == "… and 32 more problems"
    model, report = loaded(edited(), theirs, layout=layout, partial=True)
    assert report.copied == tuple(model.state_dict())
    assert taken(model, report.copied, ours)
    assert report.new == report.resized == report.adapted == ()
    assert set(report.unused) == {key for key in theirs if key[:9] != "blocks.0." and key.startswith("blocks.")}


def test_more_blocks(theirs, ours):
    spec = vitdsl.load("deit_tiny", {"stages[0].depth": 13})
    with pytest.raises(vitdsl.CheckpointError, match=rf"Our `{BLOCK}\.12\.0\.pre\.weight` is not among the weights"):
        loaded(spec, theirs)
    model = vitdsl.build(spec)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    report = vitdsl.load_weights(model, theirs, partial=True)
    assert report.unused == ()
    assert {key for key in before if key.startswith(f"{BLOCK}.12.")} == set(report.new)
    assert taken(model, report.copied, ours)
    assert taken(model, report.new, before)


@pytest.mark.parametrize("layout", ["official", "ours"])
def test_an_inserted_peg_that_has_a_name_moves_nothing(theirs, ours, layout):
    items = vitdsl.load("deit_tiny").tree["stages"][0]["block"]
    spec = edited(**{"stages[0].block": [*items, PEG]})
    source = theirs if layout == "official" else ours
    model, report = loaded(spec, source, layout=layout, partial=True)
    assert report.new
    assert all(name.startswith(f"{BLOCK}.0.peg.") for name in report.new)
    assert len(report.copied) + len(report.new) == len(model.state_dict())
    assert taken(model, report.copied, ours)


def test_a_replaced_mixer_takes_the_rest(theirs, ours):
    spec = edited(**{"stages[0].block[0].mixer": {"type": "performer", "heads": 1, "features": 8}})
    model, report = loaded(spec, theirs, partial=True)
    assert any(name.startswith(f"{BLOCK}.0.0.mixer.") for name in report.new)
    assert not any("pre." in name or "mlp" in name for name in report.new)
    assert taken(model, report.copied, ours)
    assert f"{BLOCK}.0.0.mixer.qkv.weight" in report.copied


def test_another_size_and_other_classes(theirs, ours):
    spec = edited(**{"input.size": 64, "classes": 7})
    model, report = loaded(spec, theirs, layout="official", partial=True)
    assert report.resized == ("stages.0.position.weight",)
    table = LearnedPosition.resize(theirs["pos_embed"], 1, (14, 14), (4, 4))
    assert torch.equal(model.state_dict()["stages.0.position.weight"], table)
    assert torch.equal(table[:, :1], theirs["pos_embed"][:, :1])
    assert report.new == ("head.classifier.weight", "head.classifier.bias")
    assert {"head.weight", "head.bias"} <= set(report.unused)
    assert taken(model, report.copied, ours)
    with pytest.raises(vitdsl.CheckpointError, match=r"Our `head.classifier.bias` has shape \[7\], found \[1000\]"):
        loaded(spec, theirs)


def test_windows_of_another_size():
    tiny = {"stages[0].depth": 2, "stages[1].depth": 0, "stages[2].depth": 0, "stages[3].depth": 1}
    source = vitdsl.build(vitdsl.load("swin_tiny", tiny)).state_dict()
    edit = {"input.size": 128, "define.block.body[0].windows": {"size": 4}}
    other = vitdsl.build(vitdsl.load("swin_tiny", {**tiny, **edit}))
    report = vitdsl.load_weights(other, source)
    assert len(report.resized) == 3
    assert all(name.endswith("position.weight") for name in report.resized)


def test_formulas_are_computed_anew():
    small = {"stages[2].depth": 1}
    source = vitdsl.build(vitdsl.load("t2t_vit_7", small)).state_dict()
    spec = vitdsl.load("t2t_vit_7", {**small, "input.size": 64})
    model = vitdsl.build(spec, device="meta")
    report = vitdsl.load_weights(model, source)
    assert report.resized == ("stages.2.position.weight",)
    assert taken(model, report.resized, vitdsl.build(spec).state_dict())


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_is_new_is_as_initialized(theirs, device):
    spec = vitdsl.load("deit_tiny", {"classes": 7, "init.linear": {"type": "trunc_normal", "std": 0.5}})
    model = vitdsl.build(spec, device=device)
    report = vitdsl.load_weights(model, theirs, partial=True)
    assert report.new == ("head.classifier.weight", "head.classifier.bias")
    assert model.state_dict()["head.classifier.weight"].std() > 0.3


@pytest.mark.parametrize("how", CHANNELS)
@pytest.mark.parametrize("channels", [1, 4, 6])
def test_channels(theirs, how, channels):
    spec = vitdsl.load("deit_tiny", {"input.channels": channels, "input.mean": "half", "input.std": "half"})
    with pytest.raises(vitdsl.CheckpointError, match=r"has shape \[192, [146], 16, 16\], found"):
        loaded(spec, theirs)
    model, report = loaded(spec, theirs, channels=how)
    assert report.adapted == ("stages.0.tokenizer.0.conv.weight",)
    assert report.new == report.unused == ()
    wanted = fit_channels(theirs["patch_embed.proj.weight"], channels, how)
    assert torch.equal(model.state_dict()[report.adapted[0]], wanted)


def test_channels_are_no_guess(theirs):
    with pytest.raises(vitdsl.CheckpointError, match="`channels` must be one of repeat, mean, first, found `sum`"):
        loaded(edited(), theirs, channels="sum")
    spec = edited(**{"input.channels": 4, "input.mean": "half", "input.std": "half"})
    _, report = loaded(spec, theirs, partial=True)
    assert report.new == ("stages.0.tokenizer.0.conv.weight",)


def test_nothing_changes_where_weights_are_refused(theirs):
    model = vitdsl.build(edited(classes=7))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(vitdsl.CheckpointError):
        vitdsl.load_weights(model, theirs)
    wrong = {**theirs, "norm.bias": torch.zeros(192, dtype=torch.long)}
    with pytest.raises(vitdsl.CheckpointError, match=r"holds torch.float32, found torch.int64"):
        vitdsl.load_weights(model, wrong, partial=True)
    assert taken(model, tuple(before), before)


def test_files_that_lack_something(theirs, ours):
    rest = {key: value for key, value in theirs.items() if not key.startswith("head.")}
    model, report = loaded(vitdsl.load("deit_tiny"), rest, layout="official", partial=True)
    assert report.new == ("head.classifier.weight", "head.classifier.bias")
    assert taken(model, report.copied, ours)
    with pytest.raises(vitdsl.CheckpointError, match="fit none of the layouts"):
        loaded(vitdsl.load("deit_tiny"), rest, partial=True)


def test_the_report_is_readable(theirs):
    _, report = loaded(edited(classes=7), theirs, partial=True)
    first, *rest = str(report).splitlines()
    assert first == f"copied: {len(report.copied)}"
    assert rest[0] == "new: 2 (head.classifier.weight, head.classifier.bias)"
    assert rest[1].startswith("unused: 134 (")
    assert rest[1].endswith("and 126 more)")


def test_a_dumped_spec_of_another_name_says_what_it_was(theirs, ours):
    spec = vitdsl.load(edited(name="mine", **{"input.size": 64}).dump())
    assert spec.names == ("mine",)
    for layout in (None, "official"):
        with pytest.raises(
            vitdsl.CheckpointError, match=r"`base`, or `--base`, names the one that the weights are for"
        ):
            loaded(spec, theirs, layout=layout, partial=True)
    model, report = loaded(spec, theirs, partial=True, base="deit_tiny")
    assert report.resized == ("stages.0.position.weight",)
    assert len(report.copied) + 1 == len(model.state_dict())
    assert taken(model, report.copied, ours)
    with pytest.raises(vitdsl.CheckpointError, match="The weights are those of `deit_tiny`"):
        loaded(spec, theirs, base="deit_tiny")
    with pytest.raises(vitdsl.SpecError, match="there is no spec `deit_tinny`"):
        loaded(spec, theirs, base="deit_tinny")
    whole = vitdsl.load(vitdsl.load("deit_tiny", {"name": "mine"}).dump())
    _, report = loaded(whole, theirs, base="deit_tiny")
    assert len(report.copied) == len(ours)


def test_a_pickled_spec_knows_what_it_extends(theirs):
    spec = pickle.loads(pickle.dumps(edited(name="mine")))
    assert spec.names == ("mine", "deit_tiny")
    assert loaded(spec, theirs, partial=True)[1].new == ()
