"""A recipe that reads what a spec does not have is refused at its line, with the spec's line beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vitdsl
from tests.training.specs import FORMS, recipe_of, spec_of
from vitdsl.errors import SpecError
from vitdsl.resolve.files import shipped
from vitdsl.spec import Spec, load
from vitdsl.training.needs import check_needs, classifiers, head_outputs, points_read, training_outputs
from vitdsl.training.recipe import Recipe, load_recipe

LOSSES_OF: dict[str, list[Any]] = {
    "single": ["cross_entropy", "binary_cross_entropy", "attention_cosine"],
    "distilled": ["cross_entropy", {"type": "distillation", "teacher": "t"}],
    "tokens": ["cross_entropy", "token_labels", {"type": "cross_entropy", "output": "token_logits"}],
    "patches": ["patch_cosine", "patch_contrastive", {"type": "patch_contrastive", "kind": "official"}],
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_there_is_not_refused(form: str) -> None:
    check_needs(recipe_of({f"loss{number}": loss for number, loss in enumerate(LOSSES_OF[form])}), spec_of(form))


@pytest.mark.parametrize(("form", "loss", "mix"), [
    ("tokens", "token_labels", "mix_token"),
    ("patches", "patch_mixing", {"type": "regions", "point": "embedding"}),
    ("patches", "patch_mixing", "regions"),
    ("patches", "patch_mixing", {"type": "mixup_cutmix", "mixup": 0}),
    ("single", "cross_entropy", "mixup_cutmix"),
])  # fmt: skip
def test_ways_to_mix_that_fit(form: str, loss: Any, mix: Any) -> None:
    check_needs(recipe_of({"a": loss}, mix=mix), spec_of(form))


@pytest.mark.parametrize(("recipe", "spec"), [
    ("token_labeling", "lvvit_t"), ("patch_diversity", "patchvit_small"),
    ("patch_diversity_official", "patchvit_small"), ("deit_hard", "deit_tiny_distilled"), ("levit", "levit_128s"),
    ("deit", "crossvit_tiny"), ("swin", "swin_tiny"), ("digits_token_labels", "lvvit_t"),
    ("digits_patch_diversity", "patchvit_small"), ("deit_soft", "deit_tiny_distilled"), ("fine_tuning", "pit_ti"),
])  # fmt: skip
def test_shipped_recipes_fit_the_models_that_they_are_for(recipe: str, spec: str) -> None:
    check_needs(load_recipe(recipe), load(spec))


def test_every_shipped_recipe_with_labels_alone_fits_every_kind_of_head() -> None:
    for path in shipped("recipes").glob("*.yaml"):
        recipe = load_recipe(path)
        if {*recipe.file.losses} == {"labels"} and not recipe.file.losses["labels"].outputs_needed():
            for form in FORMS:
                check_needs(recipe, spec_of(form))


def test_what_models_give_in_training() -> None:
    given = {form: spec_of(form).graph() for form in FORMS}
    assert {form: [*training_outputs(graph)] for form, graph in given.items()} == {
        "single": ["logits"], "distilled": ["cls", "dist"], "tokens": ["cls", "token_logits"],
        "patches": ["cls", "patch"],
    }  # fmt: skip
    assert head_outputs(given["tokens"]) == ["cls"]
    assert head_outputs(given["distilled"]) == ["cls", "dist"]
    assert {name: each.width for name, each in classifiers(given["patches"], 5).items()} == {"cls": 12, "patch": 12}
    assert points_read(recipe_of({"a": "patch_contrastive", "b": "patch_cosine"}, mix="mix_token")) == [
        "embedding", "patches", "mix_token",
    ]  # fmt: skip


def test_torch_is_not_loaded() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from vitdsl.training.needs import check_needs; from vitdsl.training.recipe import load_recipe;"
        "from vitdsl.spec import load; check_needs(load_recipe('token_labeling'), load('lvvit_t'));"
        "check_needs(load_recipe('patch_diversity'), load('patchvit_small')); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# ---------------------------------------------------------------- refusals

RECIPE = "epochs: 2\nbatch: 4\noptimizer: {learning_rate: 1e-3}\n"
TOKENIZER = "{type: patch, size: 4, dim: 12}"
PLAIN = f"""name: plain
input: {{size: 16}}
classes: 5
stages:
  - tokenizer: {TOKENIZER}
    body: [{{point: patches}}, {{point: embedding}}, {{mlp: {{ratio: 2}}}}]
head:
  outputs:
    cls: [{{pool: mean}}, classifier]
    wide: [{{pool: mean}}]
    tokens: [{{write: token_logits}}, {{pool: mean}}]
  merge: {{cls: 1}}
  training: [cls, wide, token_logits]
"""
BLOCKS = f"""name: blocks
input: {{size: 16}}
classes: 5
stages:
  - tokenizer: {TOKENIZER}
    tokens: [cls]
    depth: 2
    block: [{{mixer: {{type: global, heads: 2, maps: {{after: [{{point: attention}}]}}}}}}, {{point: patches}}, norm]
head: {{pool: cls}}
"""


def written(folder: Path, spec: str, losses: str, mix: str = "") -> tuple[Recipe, Spec]:
    """Both as files, so that faults have places."""
    (folder / "s.yaml").write_text(spec)
    (folder / "r.yaml").write_text(RECIPE + losses + mix)
    return load_recipe(folder / "r.yaml"), load(folder / "s.yaml")


def refused(folder: Path, *given: str) -> list[tuple[str, str, str, str, str]]:
    """Of each problem: its line, path, message, hint, and what the note says with the spec's line."""
    with pytest.raises(SpecError) as caught:
        check_needs(*written(folder, *given))
    return [
        (f"{Path(str(each.file)).name}:{each.line}", each.path, each.message, each.hint,
         "; ".join(f"{text} {Path(mark.source.name).name}:{mark.line}" for text, mark in each.notes if mark))
        for each in caught.value.problems
    ]  # fmt: skip


HEAD, STAGES = "the spec's `head` s.yaml:8", "the spec's `stages` s.yaml:5"


@pytest.mark.parametrize(("spec", "losses", "mix", "message", "hint", "note"), [
    (PLAIN, "{type: cross_entropy, output: clz}", "",
     "this reads `clz` of what the model gives in training, but `plain` gives `cls`, `token_logits`, `wide`",
     "did you mean 'cls'?", HEAD),
    (PLAIN, "{type: cross_entropy, output: wide}", "",
     "this needs logits of 5 classes, but `wide` is 12 wide", "`classifier` in the head", HEAD),
    (PLAIN, "{type: distillation, teacher: t, output: wide}", "",
     "this needs logits of 5 classes, but `wide` is 12 wide", "`classifier` in the head", HEAD),
    (PLAIN, "patch_mixing", "mix: mix_token\n", None, None, None),
    (PLAIN, "{type: patch_cosine, point: patch}", "",
     "this reads the point `patch`, but `plain` has `embedding`, `patches`", "did you mean 'patches'?", STAGES),
    (BLOCKS, "{type: patch_cosine, point: patches}", "",
     "this needs one place, but the point `patches` is at 2", "the point outside of what is repeated", STAGES),
    (BLOCKS, "{type: attention_cosine, count: 2}", "",
     "this loss needs 3 attention maps, but the point `attention` is at 2", "the point in every block", STAGES),
    (BLOCKS, "{type: attention_cosine, point: patches}", "",
     "this loss needs attention maps of one shape, but the point `patches` is at cls+4x4·12",
     "`maps: {after: [{point: NAME}]}` of a mixer", STAGES),
    (PLAIN, "{type: patch_mixing, output: wide}", "mix: regions\n",
     "this loss shares the classifier of `wide`, which has none", "known: cls", HEAD),
    (PLAIN, "{type: patch_mixing, output: cls}", "mix: mixup_cutmix\n",
     "this loss says which image each patch came from, so images must be mixed by regions, or by CutMix",
     "`mix: regions`, or `mix: {type: mixup_cutmix, mixup: 0}`", ""),
])  # fmt: skip
def test_each_unmet_need(
    spec: str, losses: str, mix: str, message: str | None, hint: str, note: str, tmp_path: Path
) -> None:
    found = refused(tmp_path, spec, f"losses:\n  a: {losses}\n", mix)
    if message is None:
        assert len(found) > 1
        return
    # a mapping is at its first key, whose mark the file has
    expected = [
        ("r.yaml:5", "losses.a", message, hint, note.replace("s.yaml:8", f"s.yaml:{8 if spec is PLAIN else 10}"))
    ]
    assert found == expected


TOKEN_HEAD = """head:
  outputs:
    cls: [{pool: cls}, classifier]
    aux: [{from: grid}, classifier, {write: token_logits}, {pool: max}]
    other: [classifier, {write: all_logits}, {pool: max}]
  merge: {cls: 1}
  training: [cls, token_logits, all_logits]
"""
TOKENS = f"""name: tokens
input: {{size: 16}}
classes: 5
stages:
  - tokenizer: {TOKENIZER}
    body: [{{point: mix_token}}]
  - tokens: [cls]
    body: [{{point: later}}, {{mlp: {{ratio: 2}}}}]
{TOKEN_HEAD}"""


@pytest.mark.parametrize(("losses", "mix", "at", "message"), [
    ("{type: token_labels, output: cls}", "", "losses.a",
     "this loss needs logits on a grid alone, but `cls` is cls·5"),
    ("{type: token_labels, output: all_logits}", "", "losses.a",
     "this loss needs logits on a grid alone, but `all_logits` is cls+4x4·5"),
    ("{type: token_labels, class_output: token_logits}", "", "losses.a",
     "this needs one answer for an image, but `token_logits` is 4x4·5"),
    ("{type: distillation, teacher: t, output: token_logits}", "", "losses.a",
     "this needs one answer for an image, but `token_logits` is 4x4·5"),
    ("{type: distillation, teacher: t, output: cls}", "mix_token", "losses.a",
     "a teacher sees whole images, so it cannot say what tokens are that were mixed"),
    ("token_labels", "mixup_cutmix", "mix", "labels of tokens cannot follow images that are mixed in this way"),
    ("token_labels", "rolled_mixup", "mix", "labels of tokens cannot follow images that are mixed in this way"),
    ("token_labels", "{type: mix_token, outputs: []}", "losses.a",
     "tokens are mixed, but `mix` does not put `token_logits` back, so no label fits its tokens"),
    ("token_labels", "{type: mix_token, point: mix_tokens}", "mix",
     "this reads the point `mix_tokens`, but `tokens` has `later`, `mix_token`"),
    ("token_labels", "{type: mix_token, outputs: [token_logits, logitz]}", "mix.outputs",
     "this reads `logitz` of what the model gives in training, but `tokens` gives `all_logits`, `cls`, `token_logits`"),
    ("token_labels", "{type: mix_token, outputs: [token_logits, cls]}", "mix.outputs",
     "tokens of 4x4 are mixed, but `cls` is cls·5"),
    ("token_labels", "{type: mix_token, point: later}", "mix",
     "images are mixed on a grid alone, but the point `later` is at cls+4x4·12"),
    ("cross_entropy", "{type: regions, point: none_such}", "mix",
     "this reads the point `none_such`, but `tokens` has `later`, `mix_token`"),
    ("{type: patch_contrastive, first: mix_token, last: later, kind: paper}", "", None, ""),
])  # fmt: skip
def test_needs_of_tokens_and_of_mixing(losses: str, mix: str, at: str | None, message: str, tmp_path: Path) -> None:
    given = (TOKENS, f"losses:\n  a: {losses}\n", f"mix: {mix}\n" if mix else "")
    if at is None:
        check_needs(*written(tmp_path, *given))
        return
    (found,) = refused(tmp_path, *given)
    assert found[1:3] == (at, message)
    assert found[0] == ("r.yaml:5" if at.startswith("losses") else "r.yaml:6")


def test_patches_that_are_compared_are_alike(tmp_path: Path) -> None:
    spec = TOKENS.replace(
        "- tokens: [cls]\n", "- tokenizer: {conv: {dim: 24, kernel: 2, stride: 2}}\n    tokens: [cls]\n"
    )
    (found,) = refused(tmp_path, spec, "losses:\n  a: {type: patch_contrastive, first: mix_token, last: later}\n")
    assert found[2] == ("this loss compares patches one by one, but `mix_token` is 4x4·12, and `later` is cls+2x2·24")


def test_regions_lie_on_whole_pixels(tmp_path: Path) -> None:
    spec = "name: odd\ninput: {size: 18}\nclasses: 5\nstages:\n  - tokenizer: {conv: {dim: 8, kernel: 4, stride: 4}}\n"
    spec += "    body: [{point: patches}, {mlp: {ratio: 1}}]\nhead: {pool: mean}\n"
    (found,) = refused(tmp_path, spec, "mix: regions\n")
    assert found[1:3] == ("mix", "regions on 4x4 patches do not lie on whole pixels of 18x18")
    assert found[4] == "the spec's `input` s.yaml:2"


def test_a_spec_without_points_says_so(tmp_path: Path) -> None:
    spec = f"name: a\ninput: {{size: 16}}\nclasses: 5\nstages:\n  - tokenizer: {TOKENIZER}\nhead: {{pool: mean}}\n"
    (found,) = refused(tmp_path, spec, "losses:\n  a: attention_cosine\n")
    assert found[2:4] == (
        "this reads the point `attention`, but `a` has no points",
        "write `point: attention` where the value flows that is meant",
    )


def test_no_classes() -> None:
    spec = vitdsl.load({**spec_of("single").tree, "classes": 0})
    with pytest.raises(SpecError, match="`classes: 0`, so there is nothing to train on") as caught:
        check_needs(recipe_of(), spec)
    assert [each.path for each in caught.value.problems] == ["classes"]


def test_a_head_of_streams_alone_has_no_labels(tmp_path: Path) -> None:
    spec = PLAIN.replace("training: [cls, wide, token_logits]", "training: [token_logits]")
    (found,) = refused(tmp_path, spec, "losses:\n  a: cross_entropy\n")
    assert found[1:3] == ("losses.a", "this loss reads the head's outputs, but training gives none of them")


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    losses = (
        "losses:\n  a: {type: cross_entropy, output: x}\n  b: {type: attention_cosine, point: maps}\n"
        "  c: {type: patch_contrastive, first: f, last: l}\n"
    )
    found = refused(tmp_path, BLOCKS, losses, "mix: {type: mix_token, point: m, outputs: [o]}\n")
    assert [(line, path) for line, path, *_ in found] == [
        ("r.yaml:5", "losses.a"), ("r.yaml:6", "losses.b"), ("r.yaml:7", "losses.c"), ("r.yaml:7", "losses.c"),
        ("r.yaml:8", "mix"), ("r.yaml:8", "mix.outputs"),
    ]  # fmt: skip
    assert all(note.startswith("the spec's `") for *_, note in found)
