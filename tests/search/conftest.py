"""Fixtures of searches."""

from tests.search.studies import plugin

__all__ = ["plugin"]
