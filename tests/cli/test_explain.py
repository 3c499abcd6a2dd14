"""`vitdsl explain`."""

import json

from vitdsl.errors.catalogue import explanations


def test_a_code(run):
    found = run("explain", "e401")
    assert found.code == 0
    first, empty, *rest = found.out.splitlines()
    assert (first, empty) == ("E401: heads do not fit the width", "")
    assert "\n".join(rest) == explanations()["E401"].text


def test_all_codes_by_group(run):
    found = run("explain")
    assert found.code == 0
    lines = found.out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert listed == [*explanations()]
    assert lines[:2] == ["Reading files", "  E101  there is no such file, and no shipped one of this name"]
    assert lines[lines.index("Shapes and features") - 1] == ""


def test_a_code_that_there_is_not(run):
    found = run("explain", "X201")
    assert (found.code, found.out) == (1, "")
    assert found.err == "there is no code `X201` [E205]\n  hint: did you mean 'E201'?\n"


def test_as_json(run):
    (one,) = json.loads(run("explain", "W002", "--json").out)
    assert one == explanations()["W002"]._asdict()
    assert [each["code"] for each in json.loads(run("explain", "--json").out)] == [*explanations()]
