"""`vitdsl schema`."""

import json


def test_printed_and_written_alike(run, tmp_path):
    path = tmp_path / "vitdsl.json"
    printed, written = run("schema"), run("schema", "-o", path)
    assert printed.code == written.code == 0
    assert json.loads(printed.out) == json.loads(path.read_text())
    assert str(path) in written.out
