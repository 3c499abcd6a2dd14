"""Forward passes of our modules beside timm's own models: the same weights, the same images, the same attention.

Run with `python -m tests.benchmarks.bench_forward`, and with `--train` for training steps: forward and backward, both
models in training mode. A ratio above 1 says that ours is faster. Both run in turn, so that what else the machine does
falls on both alike; `vitdsl bench` times models in the same way.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch

from tests.benchmarks.pairs import MODELS, pair_of, versions
from vitdsl.timing import geometric_mean, infer, keep_memory, ratio, step, time_in_turn

LEAST = {False: (1.10, 0.98), True: (1.00, 0.96)}
"""The geometric mean and the least ratio that are wanted, of inference and of training steps."""


def main() -> None:
    """Prints a line for each model, batch and number of threads, and fails where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--batches", type=int, nargs="+", help="1 and 8, or 8 for training steps")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=6, help="of each measurement")
    parser.add_argument("--train", action="store_true", help="training steps in place of inference")
    options = parser.parse_args()
    keep_memory()
    print(versions())
    found: list[float] = []
    for spec in options.specs:
        models = pair_of(spec)
        for model in models:
            model.train(options.train)
        for threads in options.threads:
            torch.set_num_threads(threads)
            for batch in options.batches or ([8] if options.train else [1, 8]):  # batch norm needs more than one image
                images = torch.randn(batch, 3, 224, 224)
                act = step if options.train else infer
                times = time_in_turn([partial(act, model, images) for model in models], options.seconds)
                result = ratio(zip(*times, strict=True))
                found.append(result.middle)
                print(f"{spec:<18} batch {batch}, {threads} threads: timm/ours {result}", flush=True)
    mean, least = geometric_mean(found), min(found)
    print(f"geometric mean {mean:.3f}, least {least:.3f}")
    if mean < LEAST[options.train][0] or least < LEAST[options.train][1]:
        raise SystemExit("wanted: a geometric mean of {} and none below {}".format(*LEAST[options.train]))


if __name__ == "__main__":
    main()
