"""Tests run in as many processes as there are cores, each with one thread of torch; drawn examples are the same."""

from __future__ import annotations

import os

from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

settings.register_profile("same", derandomize=True)
settings.load_profile("same")
