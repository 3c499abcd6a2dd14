"""Reading YAML: values, positions, what is refused and in which words."""

import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vitdsl.errors import SpecError
from vitdsl.syntax import yaml_parser
from vitdsl.syntax.source import read, read_file
from vitdsl.syntax.tree import Map, Seq

PARSERS = [yaml_parser._PurePythonParser]
if yaml.__with_libyaml__:
    PARSERS.append(yaml_parser._Parser)


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__)
def parser(request, monkeypatch):
    monkeypatch.setattr(yaml_parser, "_Parser", request.param)


def refused(text, name="f.yaml"):
    with pytest.raises(SpecError) as caught:
        read(text, name)
    return caught.value


SCALARS = {
    "true": True, "True": True, "TRUE": True, "false": False, "FALSE": False,
    "null": None, "Null": None, "~": None, "": None,
    "0": 0, "-7": -7, "+7": 7, "0o17": 15, "0x1F": 31, "9223372036854775807": 2**63 - 1,
    "1e-6": 1e-6, "1.5": 1.5, "-.5": -0.5, "2.": 2.0, "1E3": 1000.0, "6.02e+23": 6.02e23, "1e5": 1e5,
    "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", "tRUE": "tRUE",
    "010": "010", "-010": "-010", "1:30": "1:30", "1_000": "1_000", "0b1": "0b1", "-0x1": "-0x1", "1e": "1e", ".": ".",
    "2024-01-01": "2024-01-01", "+": "+", "-": None, "1.2.3": "1.2.3", "e5": "e5", "<<": "<<", "=": "=", "٣": "٣",
    '"1"': "1", "'true'": "true", '""': "", '"a\\tb"': "a\tb", "a b": "a b", "$(min(dim, 64))": "$(min(dim, 64))",
    "$name": "$name", "20M": "20M", "|\n  a\n  b\n": "a\nb\n", ">\n  a\n  b\n": "a b\n",
}  # fmt: skip


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "expected"), [item for item in SCALARS.items() if item[0] != "-"])
def test_scalars(text, expected):
    value = read(f"key: {text}", "f")["key"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.usefixtures("parser")
def test_positions():
    tree = read("name: x\nstages:\n  - {depth: 2, block: [a, b]}\n  -\n    norm:\nüß: é\n", "f")
    assert isinstance(tree, Map)
    assert tree.pos is not None
    assert tree.pos[1:] == (1, 1)
    assert [mark[1:] for mark in tree.marks["name"]] == [(1, 1), (1, 7)]
    stages = tree["stages"]
    assert isinstance(stages, Seq)
    assert [mark[1:] for mark in stages.marks] == [(3, 5), (5, 5)]
    assert [mark[1:] for mark in stages[0].marks["block"]] == [(3, 16), (3, 23)]
    assert [mark[1:] for mark in stages[0]["block"].marks] == [(3, 24), (3, 27)]
    assert stages[1] == {"norm": None}
    assert [mark[1:] for mark in tree.marks["üß"]] == [(6, 1), (6, 5)]
    assert str(tree.marks["name"][1]) == "f:1:7"


@pytest.mark.usefixtures("parser")
def test_byte_order_mark_directive_and_document_start():
    assert read(b"\xef\xbb\xbfa: 1", "f") == {"a": 1}
    assert read("\ufeffa: 1", "f").marks["a"][1][1:] == (1, 4)
    assert read("%YAML 1.2\n---\na: 1\n...\n", "f") == {"a": 1}
    assert read("a: 1\r\nb: 2\r\n", "f").marks["b"][0][1:] == (2, 1)


def test_all_problems_at_once():
    text = "a: 1\na: 2\n0: x\nb: &x 1\nc: *x\nd: !!python/object:os.system 1\n"
    assert str(refused(text)) == (
        "f.yaml:2:1: a\n"
        "  the key 'a' is written twice [E107]\n"
        "  2 | a: 2\n"
        "    | ^\n"
        "  first written here: f.yaml:1:1\n"
        "  1 | a: 1\n"
        "    | ^\n"
        "f.yaml:3:1: a key must be a text, and 0 is a number [E108]\n"
        "  3 | 0: x\n"
        "    | ^\n"
        '  hint: quote it: "0":\n'
        "f.yaml:4:4: b\n"
        "  anchors are refused: &x [E106]\n"
        "  4 | b: &x 1\n"
        "    |    ^\n"
        "  hint: give the value a name under 'vars' and write $name, or a body under 'define' and write 'use'\n"
        "f.yaml:5:4: c\n"
        "  aliases are refused: *x [E106]\n"
        "  5 | c: *x\n"
        "    |    ^\n"
        "  hint: give the value a name under 'vars' and write $name, or a body under 'define' and write 'use'\n"
        "f.yaml:6:4: d\n"
        "  tags are refused: !!python/object:os.system [E106]\n"
        "  6 | d: !!python/object:os.system 1\n"
        "    |    ^\n"
        "  hint: a part is chosen by its 'type'; quote a text that begins with '!'\n"
        "5 problems"
    )


BAD = [
    ("", "1:1", "", "the file is empty", ""),
    ("# only a comment\n", "1:1", "", "the file is empty", ""),
    ("---\n", "1:1", "", "the file is empty", ""),
    ("a: 1\n---\nb: 2\n", "2:1", "", "a second document begins here", "a file holds one; delete the '---'"),
    ("true: 1", "1:1", "", "a key must be a text, and true is a truth", 'quote it: "true":'),
    ("a: [[1], {b: 2}, [3, {c: .nan}]]", "1:26", "a[2][1].c", ".nan is not a number that a spec can hold", None),
    ("{~: 1}", "1:2", "", "a key must be a text, and ~ is nothing", 'quote it: "~":'),
    ("? [a]\n: 1", "1:3", "", "a key must be a text, not a mapping or a list", None),
    ("a: {b: {c: 1, c: 2}}", "1:15", "a.b.c", "the key 'c' is written twice", ""),
    ("a: .nan", "1:4", "a", ".nan is not a number that a spec can hold", "quote it if it is a text"),
    ("a: [1, -.inf]", "1:8", "a[1]", "-.inf is not a number that a spec can hold", "quote it if it is a text"),
    ("a: 1e999", "1:4", "a", "1e999 is not a number that a spec can hold", "quote it if it is a text"),
    ("a: 9223372036854775808", "1:4", "a", "9223372036854775808 is not a number that a spec can hold", None),
    ("a: " + "9" * 9000, "1:4", "a", "9" * 40 + " is not a number that a spec can hold", None),
    ("a: ! x", "1:4", "a", "tags are refused: !", None),
    ("a: !foo!bar x", None, "a", "tags ('!…') are refused", None),
    ("&a b: 1", None, "", "anchors are refused: &a", None),
    ("a: {depth:12, x: 1}", "1:5", "a.depth:12", "without a space after ':', all of 'depth:12' is a key",
     "write 'depth: 12'"),
    ("{dim: $(min(dim, 64))}", "1:7", "dim", "YAML takes this expression apart: '$(min(dim' is all that is left of it",
     'quote it: "$(min(dim, 64))"'),
    ("x: [1, $(a, b)]", "1:8", "x[1]", "YAML takes this expression apart: '$(a' is all that is left of it",
     'quote it: "$(a, b)"'),
    ("x: {y: $(a[0])}", "1:8", "x.y", "YAML takes this expression apart: '$(a' is all that is left of it",
     'quote it: "$(a[0])"'),
    ("x: {y: $(a['k'], \"b\")}", "1:8", "x.y", None, "quote it: '$(a['k'], \"b\")'"),
    ("x: [$(a, b]", "1:5", "x[0]", "YAML takes this expression apart: '$(a' is all that is left of it",
     'quote it: "$(…)"'),
    ("a: b: c", "1:5", None, "a ':' is not expected here", None),
    ("a: [1\nb: 2", None, None, "the list […] is not closed, or a ',' is missing here", None),
    ("a: {write: history[]}", "1:19", "a", "the mapping {…} is not closed, or a ',' is missing here", None),
    ("a:\n\tb: 1", "2:1", "a", "a tab cannot indent", "indent with spaces"),
    ("a: @x", "1:4", "a", "a text cannot begin with this character", None),
    ('a: "x', None, "a", "a quoted text is not closed", "close it with the quote that opened it"),
    ('a: "\\q"', None, "a", "this escape is not known", "between single quotes a backslash is just a backslash"),
    ('a: "\\xzz"', None, "a", "this escape is not complete", None),
    ("a: 'it's'", "1:8", None, "the value has ended before this", None),
    ("a: [1]]", "1:7", None, "the value has ended before this", None),
    ("a:\n  - b\n - c", "3:2", None, "this line does not fit the mapping above it", None),
    ("a: 1\nb\nc: 2", "2:1", None, "a ':' is missing after a key", "write 'key: value', with a space after ':'"),
    ("a\x07: 1", "1:2", "", "the character U+0007 is not allowed", "delete it"),
    ("a: x\u2028y", "1:5", "", "the character U+2028 is not allowed", "delete it"),
    ("a: \ud800", "1:4", "", "the character U+D800 is not allowed", "delete it"),
    (b"a: 1\nb: \xff", "2:4", "", "the byte 0xff is not UTF-8", "save it as UTF-8"),
    (b"\x7fELF\0\0", "1:1", "", "this is a binary file, not YAML", ""),
    ("a: 1".encode("utf-16"), "1:1", "", "the file is UTF-16, not UTF-8", "save it as UTF-8"),
    ("[" * 65, "1:65", "[0]" * 64, "this is nested deeper than 64 levels", ""),
    ("#" * (1 << 20) + "#", "1:1", "", "the file is larger than 1 MiB", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "path", "message", "hint"), BAD, ids=[repr(row[0][:24]) for row in BAD])
def test_refused(text, place, path, message, hint):
    problem, *others = refused(text).problems
    assert not others
    for found, expected in (
        (f"{problem.line}:{problem.column}", place),
        (problem.path, path),
        (problem.message, message),
        (problem.hint, hint),
    ):
        assert expected is None or found == expected


def test_what_is_opened_is_shown():
    assert str(refused("a: {b: 1\n")) == (
        "f.yaml:1:9: a\n"
        "  the mapping {…} is not closed, or a ',' is missing here [E104]\n"
        "  1 | a: {b: 1\n"
        "    |         ^\n"
        "  hint: a text that contains one of , : [ ] { } # & * ! | > ' \" % @ ` must be quoted\n"
        "  begun here: f.yaml:1:4\n"
        "  1 | a: {b: 1\n"
        "    |    ^"
    )


@pytest.mark.usefixtures("parser")
def test_limits():
    nested = "[" * 64 + "]" * 64
    assert read(nested, "f") is not None
    assert len(read("[" + "a," * 99_999 + "]", "f")) == 99_999
    message = refused("[" + "a," * 100_000 + "]").problems[0].message
    assert message == "the file holds more than 100000 values"
    many = refused("\n".join("a: 1" for _ in range(5000)))
    assert len(many.problems) == 101
    assert many.problems[-1].message == "there are more than 100 problems; reading stopped here"


BOMBS = ["'[' * 500_000", "'{a: ' * 200_000", "'- ' * 500_000", "'? ' * 500_000", "'[\\n' * 500_000", "'a: ' * 300_000",
         "'[' + '[],' * 300_000", "'[' + '?' * 1_000_000", "'&a ' * 300_000", "'!' * 1_000_000", "' ' * 1_000_000",
         "'---\\n' * 250_000", "'[' + '$(' * 500_000", "'[' + '\"\",' * 300_000", "'{' + 'a\\n' * 500_000",
         "'%Y 1\\n' * 200_000", "'\"' + '\\\\x41' * 250_000", "'[' + '{$(a,: ' * 100_000"]  # fmt: skip


SLOWER = [pytest.param(parser.__name__, marks=pytest.mark.full) for parser in PARSERS[:-1]]
"""Where there is libyaml, the parser in Python is not the one that users have."""


@pytest.mark.parametrize("name", [*SLOWER, PARSERS[-1].__name__])
def test_bombs_are_refused_quickly(name):
    code = (
        "import sys, time\n"
        "from vitdsl.syntax import yaml_parser\n"
        "from vitdsl.errors import SpecError\n"
        "from vitdsl.syntax.source import read\n"
        f"yaml_parser._Parser = yaml_parser._PurePythonParser if 'Pure' in {name!r} else yaml_parser._Parser\n"
        f"for bomb in [{', '.join(BOMBS)}]:\n"
        "    begin = time.process_time()\n"
        "    try:\n"
        "        read(bomb, 'bomb')\n"
        "    except SpecError as error:\n"
        "        str(error)\n"
        "    else:\n"
        "        sys.exit('accepted: ' + bomb[:20])\n"
        "    if time.process_time() - begin > 20:\n"
        "        sys.exit('slow: ' + bomb[:20])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")


YAML_TEXT = st.text(alphabet="ab01: -[]{},\n'\"#&*!|>?%@$().~e\t\\é", max_size=60)


@given(st.one_of(YAML_TEXT, st.text(), st.binary()))
def test_any_text_is_a_value_or_a_spec_error(text):
    try:
        read(text, "f")
    except SpecError as error:
        assert str(error)  # noqa: PT017


def flat(tree):
    if isinstance(tree, Map):
        return [tree.pos, *((key, tree.marks[key], flat(tree[key])) for key in tree)]
    if isinstance(tree, Seq):
        return [tree.pos, tree.marks, [flat(element) for element in tree]]
    return (type(tree), tree)


@pytest.mark.skipif(len(PARSERS) < 2, reason="PyYAML without libyaml")
@given(YAML_TEXT)
def test_both_parsers_agree_on_what_both_read(text):
    chosen, results = yaml_parser._Parser, []
    try:
        for one in PARSERS:
            yaml_parser._Parser = one
            try:
                results.append(flat(read(text, "f")))
            except SpecError:
                return
    finally:
        yaml_parser._Parser = chosen
    assert results[0] == results[1]


def test_files(tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text("a: 1\n")
    tree = read_file(good)
    assert tree == {"a": 1}
    assert str(tree.pos) == f"{good}:1:1"
    assert read_file(str(good)) == tree
    for path, message, hint in (
        (tmp_path, "this is a directory, not a file", ""),
        (tmp_path / "god.yaml", "there is no such file", f"did you mean {str(good)!r}?"),
        (tmp_path / "zzz", "there is no such file", ""),
        (tmp_path / "no" / "x.yaml", "there is no such file", f"there is no folder {str(tmp_path / 'no')!r} either"),
        (good / "x", "this file cannot be read: Not a directory", ""),
        ("a\0b", "this file cannot be read: embedded null byte", ""),
        ("/dev/null", "this is not a regular file", ""),
    ):
        with pytest.raises(SpecError) as caught:
            read_file(path)
        (problem,) = caught.value.problems
        assert (problem.message, problem.hint) == (f"{path}: {message}", hint)
