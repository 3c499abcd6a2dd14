"""How long a spec is beside the code of other packages for the same paper: `python -m tests.evidence.lines`.

Counted are lines with code: none that are blank, or hold a comment or a docstring alone. A spec counts with the specs
that it extends and what it uses of the library. A file of a package counts whole, for all the sizes that it holds,
without what it imports.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import io
import re
import tokenize
from pathlib import Path

from vitdsl.resolve.files import shipped

FILES = {
    "cait_xxs24": ("vit_pytorch.cait", "timm.models.cait"),
    "cct_7_7x2_224": ("vit_pytorch.cct",),
    "crossvit_tiny": ("vit_pytorch.cross_vit", "timm.models.crossvit"),
    "cvt13": ("vit_pytorch.cvt", "transformers.models.cvt.modeling_cvt"),
    "levit_128s": ("vit_pytorch.levit", "timm.models.levit"),
    "pit_ti": ("vit_pytorch.pit", "timm.models.pit"),
    "swin_tiny": ("timm.models.swin_transformer", "transformers.models.swin.modeling_swin"),
    "tnt_small": ("timm.models.tnt",),
    "twins_svt_small": ("vit_pytorch.twins_svt", "timm.models.twins"),
}
BASE = re.compile(r"^extends: (\w+)$|library\.(\w+)", re.MULTILINE)
"""What a spec is made of beside its own lines."""
BLANK = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def main() -> None:
    """Prints the table, and how many models packages list."""
    for package in ("timm", "transformers", "vit-pytorch"):
        print(package, importlib.metadata.version(package))
    for spec, modules in FILES.items():
        print(
            f"{spec}: {spec_lines(f'{spec}.yaml')}",
            *(f"{name}: {code_lines(source(name))}" for name in modules),
            sep=", ",
        )
    import timm

    print(f"shipped specs: {len(list(shipped().glob('*.yaml')))}")
    print(f"timm: {len(timm.list_models()):,} models, {len(timm.list_pretrained()):,} sets of weights")


def source(module: str) -> str:
    """The text of a module, which is not imported; its packages are."""
    found = importlib.util.find_spec(module)
    assert found is not None, module
    assert found.origin is not None
    return Path(found.origin).read_text(encoding="utf-8")


def spec_lines(path: str) -> int:
    """Lines of a spec, and of all that it is made of."""
    pending, known = [path], set[str]()
    while pending:
        name = pending.pop()
        if name not in known:
            known.add(name)
            found = BASE.findall(_yaml(name))
            pending += [f"{base}.yaml" if base else f"library/{part}.yaml" for base, part in found]
    lines = [line.strip() for name in known for line in _yaml(name).splitlines()]
    return len([line for line in lines if line and not line.startswith("#")])


def _yaml(name: str) -> str:
    return (shipped() / name).read_text(encoding="utf-8")


def code_lines(text: str) -> int:
    """Lines of Python with code."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings |= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    filled = {line for each in tokens if each.type not in BLANK for line in range(each.start[0], each.end[0] + 1)}
    return len(filled - docstrings)


if __name__ == "__main__":
    main()
