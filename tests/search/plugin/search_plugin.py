"""Evaluations of an installed package, as searches find them: they note in a file when they begin and end."""

import os
import signal
import time
from pathlib import Path


def value_of(decisions):
    """Between 0 and 5, the more the larger each decision is; patches the smaller."""
    patch, dim = decisions["stages[0].tokenizer.size"], decisions["vars.dim"]
    depth, heads = decisions["stages[0].depth"], decisions["stages[0].block[0].mixer.heads"]
    ratio = decisions["stages[0].block[1].mlp.ratio"]
    return (8 - patch) / 6 + dim / 32 + depth / 6 + heads / 4 + ratio / 4


def score(candidate, log=None, seconds=0.0, share=1.0):
    """The value of a candidate, after some time of sleep; a share of it is what an earlier rung may give."""
    _note(log, "begin", candidate, share)
    time.sleep(seconds)
    value = share * value_of(candidate.spec.decisions)
    _note(log, "end", candidate, share)
    return value


def busy(candidate, seconds=0.05):
    """As `score`, after so many seconds of this processor's work."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))
    return value_of(candidate.spec.decisions)


def broken(candidate, kind="ValueError", depth=0):
    """Fails for candidates that are so deep, or deeper."""
    if candidate.spec.decisions["stages[0].depth"] >= depth:
        raise {"ValueError": ValueError, "TypeError": TypeError}[kind]("this one is broken")
    return value_of(candidate.spec.decisions)


def nothing(candidate):
    """Has no value for any."""
    return float("nan")


def deadly(candidate, log):
    """Kills its worker: always for the deepest candidates, once for those of half their depth."""
    depth = candidate.spec.decisions["stages[0].depth"]
    _note(log, "begin", candidate, 1.0)
    begun = Path(log).read_text(encoding="utf-8").count(f"begin {candidate.spec.hash} ")
    if depth == 6 or (depth == 3 and begun == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    _note(log, "end", candidate, 1.0)
    return value_of(candidate.spec.decisions)


def _note(log, what, candidate, share):
    """One line, written at once: many processes append to the file."""
    if log is not None:
        line = f"{what} {candidate.spec.hash} {share}\n"
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
