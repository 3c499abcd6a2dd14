"""What goes wrong in a training that is right: a loss that is not finite, a folder of another training."""

from vitdsl.errors import InputError


class TrainingError(InputError):
    """A training cannot begin, or go on; `problems` says why, and what would help."""
