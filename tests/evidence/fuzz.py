"""Reads, checks and shows texts that mean harm, each within 5 s of CPU and 1 GiB; builds some of those that are right.

`python -m tests.evidence.fuzz FIRST COUNT [--jobs N] [--built N] [--searches]` judges the texts of the numbers from
FIRST on, `PER_PROCESS` in a process, `--jobs` of these at a time, and prints what came out and each fault by number.
`--built` also builds the first N of each process that are right, runs them, and compares parameters, shapes,
multiply-adds and gradients with their analysis. `--searches` judges searches in place of specs: their pages, and what
they print while they run. The exit code is 1 where there was a fault.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import vitdsl
from tests.hybrids.hostile import text
from vitdsl.cli.check import diagnose
from vitdsl.errors import InputError
from vitdsl.memo import forget
from vitdsl.spec import Spec

SECONDS, MEMORY = 5, 1 << 30
PER_PROCESS = 1000
LARGEST = 2**24
"""What has more parameters, more bytes of activations for one image, or more values in an image, is not built."""


class TookTooLongError(BaseException):
    """A text took more CPU time than it may."""


def _stop(*_: Any) -> None:
    raise TookTooLongError


def read(number: int) -> Spec | None:
    """The spec of a text, after all that `check` and `show` look at; None where it is refused, at a place."""
    source = text(number)
    try:
        spec = vitdsl.load(source)
        graph = spec.graph()
    except InputError as error:
        problems, refused = error.problems, str(error)
    else:
        problems, refused = (), ""
    assert all(problem.mark or problem.message.startswith("…") for problem in problems), f"no place: {refused}"
    assert refused.replace("\n", "").isprintable(), "a terminal would obey this error"
    if problems:
        return None
    analysis = spec.analyze()
    assert analysis.unreached is not None
    assert str(graph).replace("\n", "").isprintable(), "a terminal would obey this graph"
    again = vitdsl.load(spec.dump())
    assert (again.hash, again.analyze().cost) == (spec.hash, analysis.cost), "the dump says something else"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file, redirect_stderr(io.StringIO()):
        file.write(source)
        file.flush()
        with redirect_stdout(io.StringIO()) as printed:
            assert diagnose([file.name], None, False), "check finds another thing"
    assert printed.getvalue().replace("\n", "").isprintable(), "a terminal would obey what check prints"
    return spec


def judge(number: int, judged: Callable[[int], Spec | None]) -> tuple[str, Spec | None]:
    """What came of a text: `refused`, `right`, or the last lines of a traceback."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        spec = judged(number)
    except TookTooLongError as error:
        where = traceback.extract_tb(error.__traceback__)[-2]
        return f"more than {SECONDS} s, in {where.filename.rpartition('/')[2]}:{where.lineno}", None
    except MemoryError:
        return f"more than {MEMORY >> 20} MiB", None
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {where.filename.rpartition('/')[2]}:{where.lineno}: {error}"[:200], None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ("refused" if spec is None else "right"), spec


def judge_many(first: int, count: int, built: int, searches: bool) -> dict[str, Any]:
    """Counts of what came out, and each fault by its number."""
    from tests.search import hostile
    from tests.search.studies import PLUGIN

    if searches:
        import torch as torch  # the limit is for what searches take, not for the library that evaluates candidates

        sys.path.insert(0, str(PLUGIN))

    judged = hostile.judge if searches else read
    signal.signal(signal.SIGPROF, _stop)
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    if not built:
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    counts: Counter[str] = Counter()
    faults: dict[int, str] = {}
    slowest = 0.0
    for number in range(first, first + count):
        before = time.process_time()
        outcome, spec = judge(number, judged)
        slowest = max(slowest, time.process_time() - before)
        if spec is not None and counts["built"] < built and _is_small(spec):
            outcome = _build(spec) or outcome
            counts["built"] += 1
        counts[outcome if outcome in ("refused", "right") else "faults"] += 1
        if outcome not in ("refused", "right"):
            faults[number] = outcome
        if number % 50 == 0:
            forget()
    return {"counts": counts, "faults": faults, "slowest": slowest}


def _is_small(spec: Spec) -> bool:
    """Whether a module of it, and an image for it, fit anywhere."""
    found, image = spec.analyze(), spec.model.input
    return max(found.activation_bytes, found.params, image.channels * math.prod(image.size)) <= LARGEST


def _build(spec: Spec) -> str:
    """What is wrong with the module of a spec; empty where nothing is."""
    import torch

    from tests.hybrids.checks import check_built, check_text

    torch.set_num_threads(1)
    try:
        check_built(spec, *check_text(spec))
    except Exception as error:
        return f"built: {type(error).__name__}: {error}"[:200]
    return ""


def many(first: int, count: int, built: int = 0, jobs: int = 1, searches: bool = False) -> dict[str, str]:
    """Judges a range of numbers in processes, prints what came out, and gives the faults by number."""
    began, slowest = time.perf_counter(), 0.0
    counts: Counter[str] = Counter()
    faults: dict[str, str] = {}

    def part(begin: int) -> dict[str, Any]:
        size = min(PER_PROCESS, first + count - begin)
        call = [sys.executable, "-m", "tests.evidence.fuzz", str(begin), str(size), "--built", str(built), "--here"]
        done = subprocess.run([*call, *["--searches"] * searches], capture_output=True, text=True)
        with suppress(ValueError, IndexError):
            return json.loads(done.stdout.splitlines()[-1])
        ended = f"exit code {done.returncode}: {done.stderr[-300:]}"
        return {"counts": {}, "faults": {f"{begin} to {begin + size - 1}": ended}, "slowest": 0.0}

    begins = range(first, first + count, PER_PROCESS)
    with ThreadPoolExecutor(jobs) as pool:
        for begin, found in zip(begins, pool.map(part, begins), strict=True):
            counts.update(found["counts"])
            faults |= found["faults"]
            slowest = max(slowest, found["slowest"])
            print(f"from {begin}: {dict(counts)}, slowest {slowest:.2f} s", flush=True)
    for number, fault in faults.items():
        print(f"{number}: {fault}")
    seconds = time.perf_counter() - began
    print(f"{count:,} texts in {seconds:,.0f} s: {dict(counts)}, slowest {slowest:.2f} s of CPU")
    return faults


def main() -> int:
    """Judges a range of numbers and prints what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--built", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--searches", action="store_true", help="searches in place of specs")
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(judge_many(given.first, given.count, given.built, given.searches)))
        return 0
    return bool(many(given.first, given.count, given.built, given.jobs, given.searches))


if __name__ == "__main__":
    sys.exit(main())
