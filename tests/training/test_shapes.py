"""A shape that does not fit is said with the one that does."""

import re

import pytest
import torch

from vitdsl.training.shapes import check_numbers, check_shape, check_share


def test_what_fits_passes():
    check_shape("x", torch.zeros(2, 3), "B N")
    check_shape("x", torch.zeros(2, 3), "B N", 2, 3)
    check_shape("x", torch.zeros(2, 3), "B 3", None, None)
    check_shape("x", torch.zeros(()), "")
    check_numbers("x", torch.tensor([0, 2]), 3)
    check_numbers("x", torch.zeros(0, dtype=torch.long), 3)
    check_share("x", 0)
    check_share("x", 1.0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: check_shape("x", torch.zeros(2), "B N"), "`x` must be of shape (B, N), but is (2,)"),
    (lambda: check_shape("x", torch.zeros(2, 3), "B N", None, 4), "`x` must be of shape (B, N=4), but is (2, 3)"),
    (lambda: check_shape("x", torch.zeros(2, 3), "B 4"), "`x` must be of shape (B, 4), but is (2, 3)"),
    (lambda: check_numbers("x", torch.tensor([-1, 1]), 3),
     "`x` must be class numbers from 0 to 2, but are from -1 to 1"),
    (lambda: check_numbers("x", torch.tensor([True]), 3), "`x` must be class numbers, but are of type torch.bool"),
    (lambda: check_share("x", 1.1), "`x` must be from 0 to 1, but is 1.1"),
    (lambda: check_share("x", float("nan")), "`x` must be from 0 to 1, but is nan"),
])  # fmt: skip
def test_what_does_not_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
