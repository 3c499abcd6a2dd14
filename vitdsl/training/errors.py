"""What goes wrong in a training that is right: a loss that is not finite, a folder of another training."""

from vitdsl.errors import InputError


class TrainingError(InputError):
    """A training cannot begin, or go on; `problems` says why, and what would help."""


class DivergedError(TrainingError):
    """The loss or the weights are not finite; the weights of the last whole epoch are kept."""
