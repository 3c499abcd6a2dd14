from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exporting.models import model_of, spec_of
from vitdsl.exporting.export import Exported, export
from vitdsl.exporting.program import read_program

DYNAMIC = ("batch", "height", "width")


@pytest.fixture(scope="session")
def model():
    """A small model; no test changes it."""
    return model_of(spec_of())


@pytest.fixture(scope="session")
def onnx(model, tmp_path_factory) -> Exported:
    """It, as an ONNX file of all sizes."""
    return export(model, tmp_path_factory.mktemp("onnx") / "small.onnx", dynamic=DYNAMIC, fold=True)


@pytest.fixture(scope="session")
def pt2(model, tmp_path_factory) -> Exported:
    """It, as a program of all sizes."""
    return export(model, tmp_path_factory.mktemp("pt2") / "small.pt2", dynamic=DYNAMIC)


@pytest.fixture(scope="session")
def program(pt2):
    """What runs this program."""
    return read_program(pt2.path)


@pytest.fixture
def untraced(monkeypatch) -> Iterator[list[str]]:
    """Nothing is traced: what comes before and after alone is tested. Gives what would have been written."""
    written: list[str] = []

    def write(program, draft, texts):
        written.append(str(draft))
        draft.write_bytes(b"program")

    monkeypatch.setattr("vitdsl.exporting.program.trace", lambda model, sizes: None)
    monkeypatch.setattr("vitdsl.exporting.program.write_program", write)
    monkeypatch.setattr("vitdsl.exporting.program.read_program", lambda path: None)
    monkeypatch.setattr("vitdsl.exporting.export.compare", lambda *call: [])
    return written
