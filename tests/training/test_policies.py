"""Policies are held to timm's words: what passes, timm makes; what timm overlooks is refused with a remedy."""

from itertools import product

import pytest

from tests.training.pictures import photo
from vitdsl.errors import SpecError
from vitdsl.spec import load
from vitdsl.training.augmentation import Augmentation
from vitdsl.training.policies import FIXED, policy_fault
from vitdsl.training.recipe import Augment, load_recipe

SPEC = {"stages": [{"tokenizer": {"type": "patch", "size": 16, "dim": 8}}], "head": {"pool": "mean"}}

RIGHT = [
    "rand", "rand-m9-mstd0.5-inc1", "rand-m10-n2-mstd0", "rand-m7-n3-p0.3-mmax12-inc0", "rand-mstd101", "rand-tweights",
    "rand-t3a-m5", "rand-t3aw-n14", "augmix", "augmix-m5-w4-d2", "augmix-m1-a0.5-b1-mstd1.5",
    *(f"{name}{noise}" for name, noise in product(FIXED, ("", "-mstd0.5"))),
]  # fmt: skip


@pytest.mark.parametrize("policy", RIGHT)
def test_what_passes_timm_makes(policy: str) -> None:
    assert policy_fault(policy) is None
    augmentation = Augmentation(load({"input": {"size": 32}, **SPEC}), Augment(policy=policy))
    assert augmentation(photo()).image.shape == (3, 32, 32)


@pytest.mark.parametrize(("policy", "message", "hint"), [
    ("rnd-m9", "there is no policy `rnd`", "did you mean 'rand'?"), ("", "there is no policy ``", ""),
    ("rand-m", "`m` says nothing to the policy `rand`", "`m`: magnitude"),
    ("rand-w3", "`w3` says nothing to the policy `rand`", "`n`: operations a photo"),
    ("rand-m9.5", "`m` of the policy `rand` must be a whole number of at least 0, but is 9.5", ""),
    ("rand-inc2", "`inc` of the policy `rand` must be 0 or 1", ""), ("rand-p1.5", "must be from 0 to 1", ""),
    ("rand-n0", "must be a whole number of at least 1", ""),
    ("rand-ttwo", "no set of operations `two`", "3aw, weights"),
    ("rand-n15-t3aw", "draws 15 different operations of 14", "`n14` at most"), ("augmix-a0", "must be more than 0", ""),
    ("original-m9", "`m9` says nothing to the policy `original`", "`mstd`"), ("three-mstd1e", "must be at least 0", ""),
])  # fmt: skip
def test_what_is_no_policy_is_refused_at_its_place(policy: str, message: str, hint: str) -> None:
    small = "epochs: 10\nbatch: 8\noptimizer: {learning_rate: 1e-3}\n"
    with pytest.raises(SpecError) as caught:
        load_recipe(small, set={"augment.policy": policy})
    (problem,) = caught.value.problems
    assert (problem.path, message in problem.message, hint in problem.hint) == ("augment.policy", True, True)
