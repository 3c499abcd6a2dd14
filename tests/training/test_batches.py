"""Orders: permutations, counted and repeated as timm does, and divided among ranks without a gap or a double."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timm.data.distributed_sampler import RepeatAugSampler

from vitdsl.errors import InputError
from vitdsl.training.batches import PADDING, EvaluationBatches, TrainingBatches, epoch_order

RANKS = st.sampled_from([1, 2, 4])


@given(st.integers(1, 400), st.integers(1, 12), st.integers(0, 5), st.integers(0, 9))
def test_an_epoch_sees_every_photo_once_but_for_the_rest(count: int, batch: int, seed: int, epoch: int) -> None:
    if batch > count:
        return
    batches = TrainingBatches(count, batch, seed)
    batches.set_epoch(epoch)
    made = list(batches)
    assert len(made) == len(batches) == count // batch
    assert {len(each) for each in made} == {batch}
    indices = [key.index for each in made for key in each]
    assert indices == epoch_order(count, seed, epoch)[: len(indices)].tolist()
    assert len(set(indices)) == len(indices)
    assert {(key.epoch, key.repeat) for each in made for key in each} == {(epoch, 0)}


def test_orders_are_permutations_of_their_own() -> None:
    orders = {tuple(epoch_order(50, seed, epoch)) for seed, epoch in product(range(4), range(5))}
    assert len(orders) == 20
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert epoch_order(10, 0, 0).tolist() == [1, 6, 4, 8, 3, 7, 5, 0, 2, 9]


@given(
    st.integers(1, 900),
    st.integers(1, 10),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 4),
    st.booleans(),
    st.integers(0, 3),
)
def test_ranks_together_are_one_process(
    count: int, share: int, ranks: int, repeats: int, evaluates: bool, epoch: int
) -> None:
    batch = share * ranks
    if not evaluates and batch > (count if repeats == 1 or count < 256 else count // 256 * 256):
        return
    if evaluates:
        whole, *parts = (EvaluationBatches(count, batch, *of) for of in [(0, 1), *((r, ranks) for r in range(ranks))])
    else:
        every = [(0, 1), *((r, ranks) for r in range(ranks))]
        whole, *parts = (TrainingBatches(count, batch, 7, repeats, *of) for of in every)
    for each in (whole, *parts):
        each.set_epoch(epoch)
    assert {len(each) for each in parts} == {len(whole)}
    for one, *rows in zip(whole, *parts, strict=True):
        together = [None] * (len(rows[0]) * ranks)
        assert len({len(row) for row in rows}) == 1
        for rank, row in enumerate(rows):
            together[rank::ranks] = row
        assert together[: len(one)] == one
        assert together[len(one) :] == [PADDING] * (len(together) - len(one))
        assert evaluates or len(together) == batch


@pytest.mark.parametrize(("count", "repeats", "ranks"), [*product((256, 300, 1000), (2, 3, 5), (1, 2, 4))])
def test_repeats_are_timms_of_the_same_order(count: int, repeats: int, ranks: int) -> None:
    share, order = 16, epoch_order(count, 3, 2)
    for rank in range(ranks):
        timms = RepeatAugSampler(range(count), ranks, rank, shuffle=False, num_repeats=repeats)
        wanted = order[list(timms)].tolist()
        mine = TrainingBatches(count, share * ranks, 3, repeats, rank, ranks)
        mine.set_epoch(2)
        assert len(mine) == len(timms) // share
        assert [key.index for batch in mine for key in batch] == wanted[: len(mine) * share]


def test_the_repeats_of_a_photo_are_numbered_and_go_to_different_ranks() -> None:
    batches = [list(TrainingBatches(512, 12, 0, 3, rank, 3)) for rank in range(3)]
    for rows in zip(*batches, strict=True):
        for one, two, three in zip(*rows, strict=True):
            assert one.index == two.index == three.index
            assert (one.repeat, two.repeat, three.repeat) == (0, 1, 2)


def test_an_epoch_is_resumed_at_a_batch() -> None:
    batches = TrainingBatches(100, 8, 1)
    batches.set_epoch(4)
    whole = list(batches)
    batches.set_epoch(4, first=5)
    assert (list(batches), len(batches)) == (whole[5:], 7)
    batches.set_epoch(5)
    assert len(list(batches)) == 12


@given(st.integers(0, 200), st.integers(1, 9), RANKS)
def test_evaluation_sees_every_photo_once(count: int, share: int, ranks: int) -> None:
    rows = [
        row for rank in range(ranks) for batch in EvaluationBatches(count, share * ranks, rank, ranks) for row in batch
    ]
    assert sorted(row for row in rows if row != PADDING) == list(range(count))
    assert rows.count(PADDING) < ranks


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"of 10 images cannot be divided equally among 4 processes \[E807\]\n.*`batch: 8`"
    ):
        TrainingBatches(100, 10, 0, ranks=4)
    with pytest.raises(InputError, match="cannot be divided"):
        EvaluationBatches(100, 10, 0, 4)
    with pytest.raises(
        InputError, match=r"a batch has 300 images, but an epoch has only 256 \[E807\]\n.*`batch: 256` at most"
    ):
        TrainingBatches(299, 300, 0, repeats=2)


def test_large_data_sets_are_ordered_at_once() -> None:
    first = next(iter(TrainingBatches(1_281_167, 4096, 0, 3)))
    assert len({key.index for key in first}) == 1366
    assert np.all([type(number) is int for number in first[0]])
