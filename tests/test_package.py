"""What the package exports."""

import vitdsl


def test_a_prompt_completes_what_is_exported():
    exported = {*vitdsl.__all__, "Spec", "CheckpointError"}
    assert exported <= {*dir(vitdsl)}
    assert all(getattr(vitdsl, name).__doc__ for name in exported)
