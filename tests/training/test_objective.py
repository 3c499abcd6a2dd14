"""Each term is the pure function of what the model gives; gradients reach what a loss reads, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import vitdsl
from tests.parity import fingerprint, zoo_isotropic
from tests.parity.models import RECORDS, filled, image
from tests.training.specs import CLASSES, GRID, batch_of, recipe_of, spec_of
from vitdsl.training import diversity, losses
from vitdsl.training.boxes import Box, box_mask, mix_labels, share_of, swap_box, swap_tokens
from vitdsl.training.kinds import Regions, TokenLabels
from vitdsl.training.mixing import Mixed, Mixer, smooth_targets
from vitdsl.training.objective import _COMPUTE, Objective
from vitdsl.training.token_labels import token_label_loss

BOX = Box(1, 2, 3, 5)
SMOOTHING = 0.1


def objective_of(form: str, loss: Any = None, mix: Any = None, **given: Any) -> Objective:
    """An objective in float64, and in training mode."""
    torch.manual_seed(0)
    recipe = recipe_of(loss, **({"mix": mix} if mix else {}), **given.pop("recipe", {}))
    made = Objective(spec_of(form, **given), recipe)
    made.model.double().train()
    return made


class Seen:
    """What a model gives and passes, found by a forward of its own, with hooks that the test sets."""

    def __init__(self, objective: Objective, images: Tensor, box: Box | None = None) -> None:
        self.values: dict[str, list[Tensor]] = {}
        model, handles = objective.model, []
        for path, module in model.named_modules():
            folder, _, name = path.rpartition(".")
            if folder.endswith("_points"):
                handles.append(module.register_forward_hook(self._noting(name)))
        mixer = next((m for p, m in model.named_modules() if p.endswith("_points.mix_token")), None)
        if box is not None and mixer is not None:
            handles.append(mixer.register_forward_hook(lambda m, i, x: swap_box(x, box)))
        self.outputs = model(images)
        for handle in handles:
            handle.remove()

    def _noting(self, name: str):
        return lambda module, given, value: self.values.setdefault(name, []).append(value)

    def patches(self, name: str) -> Tensor:
        (value,) = self.values[name]
        return value.flatten(2).mT if value.ndim == 4 else value


def one(objective: Objective, mixed: Mixed, batch: Any = None) -> Tensor:
    """The only term of a loss, which is the loss."""
    total, terms = objective(mixed, batch)
    (term,) = terms.values()
    assert torch.equal(total, term)
    return term


def close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape == ()
    difference = (found - expected).detach().abs()
    assert float(difference) < 1e-12 * max(1, float(expected.detach().abs()))


def plain(batch: Any = None) -> Mixed:
    batch = batch or batch_of()
    return Mixed(batch.images, batch.labels)


def soft(batch: Any = None) -> Mixed:
    """Images with labels that were mixed."""
    batch = batch or batch_of()
    targets = smooth_targets(batch.labels, CLASSES, SMOOTHING).double()
    return Mixed(batch.images, 0.7 * targets + 0.3 * targets.flip(0))


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("mixed", [plain(), soft()], ids=["numbers", "mixed"])
@pytest.mark.parametrize("form", ["single", "distilled", "patches"])
def test_cross_entropy_is_the_mean_over_the_outputs_of_the_head(form: str, mixed: Mixed) -> None:
    objective = objective_of(form)
    outputs = Seen(objective, mixed.images).outputs
    outputs = [*outputs.values()] if isinstance(outputs, dict) else [outputs]
    assert len(outputs) == (1 if form == "single" else 2)
    smoothing = SMOOTHING if mixed.targets.ndim == 1 else 0.0
    expected = [F.cross_entropy(each, mixed.targets, label_smoothing=smoothing) for each in outputs]
    close(one(objective, mixed), torch.stack(expected).mean())


def test_streams_beside_the_head_are_no_outputs_of_it() -> None:
    """`token_logits` is trained by its own loss alone."""
    objective = objective_of("tokens")
    outputs = Seen(objective, plain().images).outputs
    assert outputs.keys() == {"cls", "token_logits"}
    close(one(objective, plain()), F.cross_entropy(outputs["cls"], batch_of().labels, label_smoothing=SMOOTHING))


def test_outputs_that_a_head_merges_are_one() -> None:
    """CrossViT has a classifier for each stream, and gives their mean in training too."""
    spec = vitdsl.load("crossvit_tiny", {"input.size": 240, "classes": CLASSES})
    torch.manual_seed(0)
    objective = Objective(spec, recipe_of())
    images = torch.randn(2, 3, 240, 240)
    objective.model.eval()
    with torch.no_grad():
        logits = objective.model(images)
        found = one(objective, Mixed(images, torch.tensor([1, 3])))
    assert logits.shape == (2, CLASSES)
    expected = F.cross_entropy(logits, torch.tensor([1, 3]), label_smoothing=SMOOTHING)
    assert abs(float(found - expected)) < 1e-6


def test_an_output_of_tokens_has_the_label_of_its_image() -> None:
    objective = objective_of("tokens", {"labels": {"type": "cross_entropy", "output": "token_logits"}})
    logits = Seen(objective, plain().images).outputs["token_logits"]
    assert logits.shape == (4, CLASSES, *GRID)
    targets = batch_of().labels[:, None, None].expand(4, *GRID)
    close(one(objective, plain()), F.cross_entropy(logits, targets, label_smoothing=SMOOTHING))


@pytest.mark.parametrize("mixed", [plain(), soft()], ids=["numbers", "mixed"])
@pytest.mark.parametrize("whole", [False, True])
def test_binary_cross_entropy(mixed: Mixed, whole: bool) -> None:
    objective = objective_of("single", {"labels": {"type": "binary_cross_entropy", "whole": whole}})
    logits = Seen(objective, mixed.images).outputs
    targets = mixed.targets
    if targets.ndim == 1:
        targets = F.one_hot(targets, CLASSES).double() * (1 - SMOOTHING) + SMOOTHING / CLASSES
    if whole:
        targets = (targets > SMOOTHING / CLASSES + 1e-3).double()
        assert set(targets.sum(1).tolist()) <= {1.0, 2.0}
    close(one(objective, mixed), F.binary_cross_entropy_with_logits(logits, targets))


def test_labels_that_are_rounded_make_no_class_whole() -> None:
    """Mixed in float32, a smoothed label may be above s / K by a rounding."""
    batch = batch_of(16)
    objective = objective_of("single", {"labels": {"type": "binary_cross_entropy", "whole": True}})
    targets = smooth_targets(batch.labels, CLASSES, SMOOTHING)
    for share in torch.rand(50, generator=torch.Generator().manual_seed(0)).tolist():
        mixed = Mixed(batch.images, targets * share + targets.flip(0) * (1 - share))
        logits = Seen(objective, mixed.images).outputs
        there = F.one_hot(batch.labels, CLASSES).bool() | F.one_hot(batch.labels.flip(0), CLASSES).bool()
        close(one(objective, mixed), F.binary_cross_entropy_with_logits(logits, there.double()))


# ---------------------------------------------------------------- teachers


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_distillation(kind: str) -> None:
    loss = {"type": "distillation", "teacher": "t", "kind": kind, **({"temperature": 3} if kind == "soft" else {})}
    objective = objective_of("distilled", {"teacher": loss})
    said = torch.randn(4, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    asked = []
    objective.teachers = {"teacher": lambda images: asked.append(images) or said}
    student = Seen(objective, soft().images).outputs["dist"]
    found = one(objective, soft())
    assert torch.equal(asked[0], soft().images)
    if kind == "hard":
        return close(found, F.cross_entropy(student, said.argmax(1)))
    p, q = (said / 3).softmax(1), (student / 3).log_softmax(1)
    return close(found, 9 * (p * (p.log() - q)).sum() / (4 * CLASSES))


# ---------------------------------------------------------------- tokens

TOKENS = {"tokens": {"type": "token_labels", "token_weight": 0.5, "class_weight": 0.8, "smoothing": 0.2}}


def stored_labels(batch: Any) -> Tensor:
    source = torch.Generator().manual_seed(3)
    return torch.randn(len(batch.labels), CLASSES, 2 + 24, generator=source, dtype=torch.float64).softmax(1)


@pytest.mark.parametrize("box", [None, BOX, Box(2, 2, 2, 4)])
@pytest.mark.parametrize("ground_truth", [False, True])
def test_token_labels(box: Box | None, ground_truth: bool) -> None:
    given = {"tokens": {**TOKENS["tokens"], "ground_truth": ground_truth}}
    objective = objective_of("tokens", given, "mix_token")
    objective.token_labels_of = {"tokens": stored_labels}
    batch = batch_of()
    outputs = Seen(objective, batch.images, box).outputs
    tokens_bnk = outputs["token_logits"].flatten(2).mT
    tokens_bnk = tokens_bnk if box is None else swap_tokens(tokens_bnk, GRID, box)
    expected = token_label_loss(
        outputs["cls"], tokens_bnk, stored_labels(batch), box, class_weight=0.8, token_weight=0.5,
        ground_truth=ground_truth,
    )  # fmt: skip
    close(one(objective, Mixed(batch.images, batch.labels, box), batch), expected)


def test_without_a_file_the_label_of_the_image_is_that_of_its_tokens() -> None:
    objective, batch = objective_of("tokens", TOKENS, "mix_token"), batch_of()
    outputs = Seen(objective, batch.images, BOX).outputs
    own = F.one_hot(batch.labels, CLASSES).double() * 0.8 + 0.2 / CLASSES
    share = 1 - BOX.area / 24
    of_class = F.cross_entropy(outputs["cls"], share * own + (1 - share) * own.flip(0))
    tokens = swap_box(outputs["token_logits"], BOX)
    of_tokens = F.cross_entropy(tokens, own[:, :, None, None].expand(4, CLASSES, *GRID))
    found = one(objective, Mixed(batch.images, batch.labels, BOX))
    close(found, 0.8 * of_class + 0.5 * of_tokens)


def test_two_losses_have_their_own_labels() -> None:
    given = {"a": TOKENS["tokens"], "b": {**TOKENS["tokens"], "token_weight": 2}}
    objective, batch = objective_of("tokens", given), batch_of()
    objective.token_labels_of = {"b": stored_labels}
    outputs = Seen(objective, batch.images).outputs
    tokens_bnk = outputs["token_logits"].flatten(2).mT
    own = F.one_hot(batch.labels, CLASSES).double() * 0.8 + 0.2 / CLASSES
    _, terms = objective(plain(batch), batch)
    close(terms["a"], token_label_loss(outputs["cls"], tokens_bnk, own, class_weight=0.8, token_weight=0.5))
    labels = stored_labels(batch)
    close(terms["b"], token_label_loss(outputs["cls"], tokens_bnk, labels, class_weight=0.8, token_weight=2))


@pytest.mark.parametrize("output", ["cls", "token_logits"])
def test_labels_are_mixed_where_tokens_are(output: str) -> None:
    """What is put back to its image has the label of its image."""
    objective = objective_of("tokens", {"labels": {"type": "cross_entropy", "output": output}}, "mix_token")
    batch = batch_of()
    logits = Seen(objective, batch.images, BOX).outputs[output]
    own = smooth_targets(batch.labels, CLASSES, SMOOTHING).double()
    if output == "cls":
        expected = F.cross_entropy(logits, mix_labels(own, 1 - share_of(BOX, GRID)))
    else:
        expected = F.cross_entropy(swap_box(logits, BOX), own[:, :, None, None].expand(4, CLASSES, *GRID))
    found = one(objective, Mixed(batch.images, batch.labels, BOX))
    assert float((found - expected).detach().abs()) < 1e-6  # labels: float32


def test_mixed_tokens_are_those_of_the_authors() -> None:
    """LV-ViT's code, recorded: rows 3 to 10 and columns 2 to 9, with batch norms in evaluation mode."""
    record = fingerprint.load(RECORDS["lvvit_t"])
    objective = Objective(vitdsl.load("lvvit_t"), recipe_of(TOKENS, mix="mix_token"), device="meta")
    vitdsl.load_weights(objective.model.to_empty(device="cpu").double(), filled("lvvit_t"), "official")
    objective.model.eval().get_submodule("outputs").train()
    rows, columns = zoo_isotropic.BOX[-2:]
    box = Box(rows.start, columns.start, rows.stop, columns.stop)
    assert (box, objective.grid) == ((3, 2, 10, 9), (14, 14))
    images, labels, given = image(record), torch.tensor([3, 7]), []
    compute = _COMPUTE[TokenLabels]
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(_COMPUTE, TokenLabels, lambda *all: given.append(all[-1].outputs) or compute(*all))
        losses_found = [one(objective, Mixed(images, labels, each)) for each in (None, box)]
    own = F.one_hot(labels, 1000).double() * 0.8 + 0.2 / 1000
    for outputs, found, each, name in zip(given, losses_found, (None, box), ("", "mix_"), strict=True):
        tokens_bnk = outputs["token_logits"].flatten(2).mT
        fingerprint.assert_agrees(outputs["cls"], record["outputs"][f"{name}cls_logits"])
        fingerprint.assert_agrees(tokens_bnk, record["outputs"][f"{name}aux_logits"])
        close(found, token_label_loss(outputs["cls"], tokens_bnk, own, each, class_weight=0.8, token_weight=0.5))


# ---------------------------------------------------------------- maps and patches


@pytest.mark.parametrize("count", [None, 1])
def test_attention_cosine(count: int | None) -> None:
    loss = {"type": "attention_cosine", "weight": 1, **({"count": count} if count else {})}
    objective = objective_of("single", {"maps": loss})
    first, second = Seen(objective, plain().images).values["attention"]
    assert first.shape == (4, 2, 24, 24)
    close(one(objective, plain()), F.cosine_similarity(first, second, dim=1).mean())


def test_maps_of_re_attention_are_those_that_it_made() -> None:
    """DeepViT's own block has a point at its maps, mixed, normed and scaled, as its authors compare them."""
    item = {"type": "reattention", "heads": 2, "factor": 0.5, "maps": {"after": [{"point": "attention"}]}}
    changes = {"stages[1].block[0].mixer": item}
    torch.manual_seed(0)
    recipe = recipe_of({"maps": {"type": "attention_cosine", "weight": 1}})
    objective = Objective(vitdsl.load(spec_of("single"), changes), recipe)
    objective.model.double().eval()
    gathered: list[Tensor] = []
    for number in (0, 1):
        gather = objective.model.get_submodule(f"stages.1.block.{number}.0.mixer.gather")
        gather.register_forward_pre_hook(lambda module, given: gathered.append(given[0]))
    found = one(objective, plain())
    first, second = gathered
    assert first.shape == (4, 2, 24, 24)
    close(found, F.cosine_similarity(first, second, dim=1).mean())


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("diagonal", [False, True])
def test_patch_cosine(absolute: bool, diagonal: bool) -> None:
    loss = {"type": "patch_cosine", "absolute": absolute, "diagonal": diagonal}
    objective = objective_of("patches", {"cosine": loss})
    patches = Seen(objective, plain().images).patches("patches")
    cosines = F.cosine_similarity(patches[:, :, None], patches[:, None], dim=3)
    cosines = cosines.abs() if absolute else cosines
    kept = torch.ones(24, 24, dtype=torch.bool) if diagonal else ~torch.eye(24, dtype=torch.bool)
    close(one(objective, plain()), cosines[:, kept].mean())


@pytest.mark.parametrize(("kind", "compute"), [
    ("paper", diversity.patch_contrast),
    ("official", lambda first, last: diversity.neighbour_contrast(first, last, GRID)),
    ("diverse", diversity.unit_contrast),
])  # fmt: skip
def test_patch_contrastive(kind: str, compute: Any) -> None:
    objective = objective_of("patches", {"contrast": {"type": "patch_contrastive", "kind": kind}})
    seen = Seen(objective, plain().images)
    first, last = seen.patches("embedding"), seen.patches("patches")
    assert first.shape == last.shape == (4, 24, 12)
    close(one(objective, plain()), compute(first, last))


def patch_layer(objective: Objective) -> Any:
    return objective.model.get_classifier()["patch"]


@pytest.mark.parametrize("kind", ["paper", "official"])
def test_patches_say_their_image_where_regions_are_mixed(kind: str) -> None:
    objective = objective_of(
        "patches", {"mixing": {"type": "patch_mixing", "kind": kind}}, {"type": "regions", "point": "embedding"}
    )
    batch = batch_of()
    mixer = Mixer(Regions(point="embedding"), CLASSES, SMOOTHING, grid=objective.grid)
    boxes = set()
    for step in range(4):
        mixed = mixer(batch, step)
        assert mixed.box is not None
        assert mixed.regions is not None
        inside, outside = mixed.regions
        patches = Seen(objective, mixed.images).patches("patches")
        mask = box_mask(mixed.box, GRID, patches)
        expected = by_patches(kind, patch_layer(objective), patches, inside, outside, mask)
        close(one(objective, mixed), expected)
        boxes.add(mixed.box)
    assert len(boxes) > 2


def by_patches(kind: str, layer: Any, patches: Tensor, inside: Tensor, outside: Tensor, mask: Tensor) -> Tensor:
    if kind == "paper":
        of = [F.cross_entropy(layer(patches[:, n]), inside) * mask[n]
              + F.cross_entropy(layer(patches[:, n]), outside) * (1 - mask[n]) for n in range(24)]  # fmt: skip
        return torch.stack(of).mean()
    parts = ((mask, inside), (1 - mask, outside))
    return torch.stack([
        diversity.region_mixing(layer(diversity.pool_region(patches, part)), labels, part) for part, labels in parts
    ]).sum()  # fmt: skip


def test_patches_say_their_image_where_cutmix_mixed() -> None:
    """A patch that is partly inside has both labels."""
    mix = {"type": "mixup_cutmix", "mixup": 0, "cutmix": 1}
    objective = objective_of("patches", {"mixing": "patch_mixing"}, mix)
    mixer, batch = Mixer(objective.recipe.file.mix, CLASSES, SMOOTHING), batch_of()
    partly = 0
    for step in range(8):
        mixed = mixer(batch, step)
        changed = (mixed.images[0] != batch.images[0]).any(0).double()
        mask = changed.unflatten(0, (4, 4)).unflatten(2, (6, 4)).mean((1, 3)).flatten()
        patches = Seen(objective, mixed.images).patches("patches")
        expected = by_patches("paper", patch_layer(objective), patches, batch.labels.flip(0), batch.labels, mask)
        close(one(objective, mixed), expected)
        partly += int(((mask > 0) & (mask < 1)).sum())
    assert partly > 5


@pytest.mark.parametrize("kind", ["paper", "official"])
def test_patches_say_their_own_image_where_nothing_is_mixed(kind: str) -> None:
    """As it is behind the last of `mix_epochs`."""
    objective = objective_of(
        "patches", {"mixing": {"type": "patch_mixing", "kind": kind}}, {"type": "regions", "point": "embedding"}
    )
    batch = batch_of()
    patches = Seen(objective, batch.images).patches("patches")
    mask = torch.ones(24, dtype=torch.float64)
    expected = by_patches(kind, patch_layer(objective), patches, batch.labels, batch.labels, mask)
    close(one(objective, plain(batch)), expected)


# ---------------------------------------------------------------- together

ALL = {
    "labels": {"type": "cross_entropy", "output": "cls", "weight": 0.5},
    "cosine": {"type": "patch_cosine", "weight": 2},
    "contrast": {"type": "patch_contrastive", "kind": "diverse", "weight": -0.3},
    "attention": {"type": "attention_cosine", "weight": 0.1},
}


def test_weights_multiply_and_terms_add_up() -> None:
    total, terms = objective_of("patches", ALL)(plain())
    assert [*terms] == [*ALL]
    for name, loss in ALL.items():
        single = one(objective_of("patches", {name: {**loss, "weight": 1}}), plain())
        close(terms[name], loss["weight"] * single)
    close(total, sum(terms.values()))  # type: ignore[arg-type]


def reached(form: str, loss: Any, mix: Any = None, mixed: Mixed | None = None) -> set[str]:
    """The parameters that a loss's gradient reaches, by the beginnings of their names."""
    objective = objective_of(form, loss, mix)
    objective(mixed or plain())[0].backward()
    return {name for name, each in objective.model.named_parameters() if each.grad is not None and each.grad.any()}


EMBEDDING, HEAD = "stages.0.tokenizer", "head"


@pytest.mark.parametrize(("form", "loss", "without"), [
    ("distilled", {"type": "cross_entropy", "output": "cls"}, ("head.outputs.dist", "head.classifier.dist")),
    ("patches", {"type": "patch_cosine"}, (HEAD,)),
    ("patches", {"type": "patch_contrastive"}, (HEAD,)),
    ("single", {"type": "attention_cosine"}, (HEAD, "stages.1.norm", "stages.1.block.1.mlp")),
    ("tokens", {"type": "cross_entropy"}, ("head.outputs.aux",)),
])  # fmt: skip
def test_gradients_reach_what_a_loss_reads_alone(form: str, loss: Any, without: tuple[str, ...]) -> None:
    names = {name for name, _ in objective_of(form).model.named_parameters()}
    found = reached(form, {"term": loss})
    assert not [name for name in found if name.startswith(without)]
    left = {name for name in names - found if not name.startswith(without)}
    # the last block's values and output do not change its own maps; keys' biases change no softmax
    free = ("stages.1.block.1.", "stages.1.tokens", "stages.1.block.0.mixer.qkv", "head")
    assert not [name for name in left if not name.startswith(free)]
    assert any(name.startswith(EMBEDDING) for name in found)


def test_the_first_patches_get_no_gradient_of_their_own() -> None:
    """In the paper's contrast, the embedding learns through the last block alone."""
    objective = objective_of("patches", {"contrast": "patch_contrastive"})
    seen = Seen(objective, plain().images)
    first, last = seen.patches("embedding"), seen.patches("patches")
    weight = objective.model.get_submodule("stages.0.tokenizer").get_parameter(
        next(name for name, _ in objective.model.get_submodule("stages.0.tokenizer").named_parameters())
    )
    (expected,) = torch.autograd.grad(diversity.patch_contrast(first.detach(), last), weight)
    (found,) = torch.autograd.grad(one(objective, plain()), weight)
    assert (found - expected).abs().max() < 1e-12


# ---------------------------------------------------------------- between batches


def test_nothing_is_kept_behind_a_batch_or_in_evaluation() -> None:
    objective = objective_of("patches", ALL)
    objective(plain())
    assert objective._values is None
    objective.model.eval()(plain().images)
    assert objective._values is None


def test_a_box_is_that_of_one_batch() -> None:
    objective, batch = objective_of("tokens", TOKENS, "mix_token"), batch_of()
    before = one(objective, plain(batch))
    mixed = one(objective, Mixed(batch.images, batch.labels, BOX))
    assert not torch.equal(before, mixed)
    assert torch.equal(before, one(objective, plain(batch)))


def test_a_model_has_the_keys_of_its_spec() -> None:
    for form, loss, mix in (("tokens", TOKENS, "mix_token"), ("patches", ALL, None)):
        objective = objective_of(form, loss, mix)
        assert [*objective.model.state_dict()] == [*vitdsl.build(spec_of(form)).state_dict()]


def test_half_types_are_computed_in_float32() -> None:
    objective = objective_of("tokens", TOKENS, "mix_token")
    objective.model.to(torch.bfloat16)
    batch = batch_of(dtype=torch.bfloat16)
    found = one(objective, Mixed(batch.images, batch.labels, BOX))
    assert found.dtype == torch.float32
    assert losses.in_float32(found).isfinite()
