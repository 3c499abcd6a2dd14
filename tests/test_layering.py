"""Imports go upwards only, and nothing left of lowering loads torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vitdsl"
ORDER = (
    "errors", "features", "memo", "units", "table", "syntax", "resolve", "fields", "layers", "parts", "validate",
    "graph", "elaborate", "spec", "space", "preprocess", "compiler", "checkpoints", "pages", "pictures", "differences",
    "api", "timm", "timing", "training", "search", "exporting", "testing", "checking", "editor", "cli",
    "__main__",
)  # fmt: skip
"""Each may import itself and what stands before it, at module level and in functions."""
HEAVY = {"torch", "networkx", "rich", "torchvision", "timm"}
LIGHT = {"__init__", "data", "kinds", "photos", "policies", "recipe", "sources"}
"""Files of `training` that are read without torch: recipes, and where photos come from."""
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Every import of a file: the module, the line, and the names of the functions that it stands in."""
    package = ("vitdsl", *path.relative_to(PACKAGE).parts[:-1])
    for module, level, line, within in _imports(ast.parse(path.read_text(encoding="utf-8")), ()):
        yield ".".join((*package[: len(package) + 1 - level], module)) if level else module, line, within


def _imports(node: ast.AST, within: tuple[str, ...]) -> Iterator[tuple[str, int, int, tuple[str, ...]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, 0, child.lineno, within) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                name = f"{child.module}.{alias.name}" if child.module else alias.name
                yield name, child.level, child.lineno, within
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _imports(child, (*within, child.name))
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(child, (*within, "TYPE_CHECKING"))
        else:
            yield from _imports(child, within)


def own(module: str) -> str | None:
    """The layer that an import is of, or None where it is not ours (or the package's own names)."""
    first, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    return name if first == "vitdsl" and not name.startswith("__") else None


def may_load_torch(path: Path) -> bool:
    """Whether a file is of a layer that computes."""
    mine = layer(path)
    light = mine == "training" and path.stem in LIGHT
    return mine == "layers" or (mine in ORDER[ORDER.index("compiler") :] and not light)


def test_each_layer_has_its_place():
    assert {layer(path) for path in FILES} <= {*ORDER}


def test_imports_go_upwards_only():
    wrong = [
        f"{path}:{line}: {layer(path)} imports {module}"
        for path in FILES
        for module, line, _ in imports(path)
        if (found := own(module)) is not None and (found not in ORDER or ORDER.index(found) > ORDER.index(layer(path)))
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_left_of_lowering_loads_torch():
    wrong = [
        f"{path}:{line}: {module}" for path in FILES if not may_load_torch(path)
        for module, line, within in imports(path)
        if not within and (module.partition(".")[0] in HEAVY or own(module) in ("layers", "compiler"))
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_light_files_load_neither_torch_nor_numpy():
    code = f"import sys; [__import__('vitdsl.training.' + name) for name in {sorted(LIGHT - {'__init__'})}];"
    heavy = HEAVY | {"numpy", "PIL", "sklearn", "lightning", "datasets"}
    code += f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_parts_take_layers_only_where_they_make_one():
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}: {module} in {'.'.join(within) or 'the module'}"
        for path in FILES if layer(path) == "parts"
        for module, line, within in imports(path)
        if own(module) == "layers" and within[-1:] != ("layer",)
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


LOSSES = ("diversity.py", "losses.py", "boxes.py", "shapes.py", "token_labels.py")


@pytest.mark.parametrize("name", LOSSES)
def test_losses_know_tensors_alone(name):
    """They read no specs; torchvision is loaded by the function that needs it."""
    wrong = [
        f"line {line}: {module}" for module, line, within in imports(PACKAGE / "training" / name)
        if (own(module) not in (None, "training")) or (module.partition(".")[0] in HEAVY - {"torch"} and not within)
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


# ---------------------------------------------------------------- circles

MODULES = {".".join(("vitdsl", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in FILES}
"""The files of the package by what imports call them; a folder is its `__init__`."""


def uses(path: Path) -> set[Path]:
    """The files of the package that a file imports when it runs, also inside functions."""
    found = set()
    for module, _, within in imports(path):
        if "TYPE_CHECKING" in within:
            continue
        for name in (module, module.rpartition(".")[0]):
            target = MODULES.get(name) or MODULES.get(f"{name}.__init__")
            if target is not None:
                found.add(target)
                break
    return found - {path}


def circles(edges: dict[Path, set[Path]]) -> list[set[Path]]:
    """The largest sets of files each of which reaches every other."""
    reached: dict[Path, set[Path]] = {}
    for path in edges:
        found, waiting = set(), [path]
        while waiting:
            new = edges[waiting.pop()] - found
            found |= new
            waiting += new
        reached[path] = found
    sets = {frozenset(other for other in reached[path] if path in reached[other]) for path in edges}
    return [set(each) for each in sorted(sets, key=sorted) if each]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def test_no_two_files_import_one_another():
    wrong = [sorted(map(module_of, circle)) for circle in circles({path: uses(path) for path in FILES})]
    assert not wrong, "\n".join(", ".join(circle) for circle in wrong)


def test_circles_are_found():
    a, b, c, d = (Path(name) for name in "abcd")
    assert circles({a: {b}, b: {c}, c: {a}, d: {a}}) == [{a, b, c}]
    assert circles({a: {b, c}, b: {c}, c: set(), d: {a}}) == []
