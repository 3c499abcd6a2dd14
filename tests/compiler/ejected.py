"""Runs ejected files where vitdsl cannot be imported: `python ejected.py FOLDER`, with what `test_eject.py` put there.

A folder has `NAME.py` for each model, and beside it either `NAME.json`, the shapes of its state dict, or
`NAME.safetensors`: its weights as `weight:KEY`, `image`, and what came of it as `eval:0`, `train:0` and so on. Printed
is a JSON object: for each name, what is wrong.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


def module_of(text: str) -> dict[str, Any]:
    """The names of an ejected file."""
    names: dict[str, Any] = {"__name__": "ejected"}
    exec(compile(text, "ejected", "exec"), names)
    return names


def tensors(found: Any) -> list[torch.Tensor]:
    """What a model gives, in order; of a dict, by name."""
    if isinstance(found, dict):
        return [found[name] for name in sorted(found)]
    return list(found) if isinstance(found, (tuple, list)) else [found]


def both(model: torch.nn.Module, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a model makes of images in evaluation, and then in training with a fixed seed."""
    with torch.no_grad():
        evaluated = tensors(model.eval()(image))
        torch.manual_seed(7)
        trained = tensors(model.train()(image))
    found = {f"eval:{number}": each for number, each in enumerate(evaluated)}
    return {**found, **{f"train:{number}": each for number, each in enumerate(trained)}}


def fault(file: Path) -> str:
    """What is wrong with an ejected file; nothing is: an empty text."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shapes = file.with_suffix(".json")
    with torch.device("meta" if shapes.exists() else "cpu"):
        model = module.Model()
    state = model.state_dict()
    if shapes.exists():
        found = [[key, [*tensor.shape], str(tensor.dtype)] for key, tensor in state.items()]
        return "" if found == json.loads(shapes.read_text()) else "its state dict is another one"
    held = load_file(file.with_suffix(".safetensors"))
    weights = {key.removeprefix("weight:"): tensor for key, tensor in held.items() if key.startswith("weight:")}
    if set(state) != set(weights):
        return f"its keys are others: {sorted(set(state) ^ set(weights))[:4]}"
    model.load_state_dict(weights, strict=True)
    model.to(held["image"].dtype)
    expected = {key: tensor for key, tensor in held.items() if key.startswith(("eval:", "train:"))}
    found = both(model, held["image"])
    if set(found) != set(expected):
        return f"it gives {sorted(found)}, not {sorted(expected)}"
    wrong = [key for key in expected if not torch.equal(found[key], expected[key])]
    return f"other values: {wrong}" if wrong else ""


def main() -> None:
    """All files of a folder."""
    sys.modules["vitdsl"] = None  # type: ignore[assignment]
    torch.set_num_threads(1)
    faults = {}
    for file in sorted(Path(sys.argv[1]).glob("*.py")):
        try:
            faults[file.stem] = fault(file)
        except Exception as error:
            faults[file.stem] = f"{type(error).__name__}: {error}"
    ours = [name for name in sys.modules if name.partition(".")[0] == "vitdsl" and sys.modules[name] is not None]
    print(json.dumps({"faults": faults, "ours": ours}))


if __name__ == "__main__":
    main()
