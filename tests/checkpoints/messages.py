"""What a refusal says."""

from vitdsl.errors import InputError


def messages(error: InputError) -> tuple[str, ...]:
    """The problems of an error, without their places."""
    return tuple(problem.message for problem in error.problems)
