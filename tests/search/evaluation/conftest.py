"""Another package that is installed."""

from importlib.metadata import EntryPoint

import pytest

from tests.search.evaluation import small
from vitdsl.search.evaluation import evaluation_class, registry


@pytest.fixture
def _installed(monkeypatch):
    """Another package with an evaluation and three functions."""
    found = {
        name: EntryPoint(name, f"{small.__name__}:{target}", registry.ENTRY_POINTS)
        for name, target in (("doubled", "Doubled"), ("steps", "steps"), ("several", "several"), ("wordy", "wordy"))
    }
    monkeypatch.setattr(registry, "installed", lambda: found)
    evaluation_class.cache_clear()
    yield
    evaluation_class.cache_clear()
