"""Writes the goldens anew, to be read before they are committed."""

from tests.compiler.goldens import NAMES, code_of, file_of

for name in NAMES:
    file_of(name).write_text(code_of(name), encoding="utf-8")
