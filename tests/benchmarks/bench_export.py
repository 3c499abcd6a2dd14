"""Exported models: how long writing them takes, and how fast they are beside the model in torch.

`python -m tests.benchmarks.bench_export [SPEC …] [--batch 8] [--rounds 15] [--threads 2]`. Each file takes any batch.
The three run in turn on the same images; a ratio above 1 says that the file is faster than the model itself.
"""

from __future__ import annotations

import argparse
import tempfile
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnxruntime
import torch

import vitdsl
from tests.benchmarks.pairs import versions
from vitdsl.exporting.export import export
from vitdsl.timing import keep_memory, ratio

SPECS = ["vit_small16", "swin_tiny", "cvt13", "levit_256"]


def runners(folder: Path, model: torch.nn.Module, images: torch.Tensor, threads: int) -> dict[str, Callable[[], Any]]:
    """Calls of the model and of its files."""
    program = torch.export.load(folder / "model.pt2").module()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    fed = {session.get_inputs()[0].name: images.numpy()}
    return {"model": lambda: model(images), "pt2": lambda: program(images), "onnx": lambda: session.run(None, fed)}


def times_of(calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds of each call, one after another."""
    return {name: timeit.timeit(call, number=1) for name, call in calls.items()}


def main() -> None:
    """Prints a line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=SPECS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    keep_memory()
    torch.set_num_threads(arguments.threads)
    print(f"{versions()}, onnxruntime {onnxruntime.__version__}, batch {arguments.batch}, {arguments.threads} threads")
    for name in arguments.specs:
        spec = vitdsl.load(name)
        model = vitdsl.build(spec, training_outputs=False).eval()
        images = torch.randn(arguments.batch, spec.model.input.channels, *spec.model.input.size)
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            done = {kind: export(model, folder / f"model.{kind}", dynamic=("batch",)) for kind in ("pt2", "onnx")}
            calls = runners(folder, model, images, arguments.threads)
            with torch.inference_mode():
                turns = [times_of(calls) for _ in range(arguments.rounds + 2)][2:]
        found = {kind: ratio([(turn["model"], turn[kind]) for turn in turns]) for kind in done}
        print(f"{name:12} " + "  ".join(
            f"{kind}: written in {each.seconds:5.1f} s, {each.bytes / 1e6:6.1f} MB, model/file {found[kind]}"
            for kind, each in done.items()), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
