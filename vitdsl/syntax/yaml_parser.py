"""Reads the events of a YAML parser into values that know where they stand; `source` is what others import.

Events are judged one at a time and nothing recurses, so a million brackets cost as little as sixty-five. libyaml and
PyYAML's own parser give the same events at the same positions (a test compares them); libyaml is seven times as fast.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from vitdsl.errors import MAX_PROBLEMS, Mark, Problem, Source, SpecError
from vitdsl.syntax.paths import Segment, format_path
from vitdsl.syntax.tree import Map, Seq


class _PurePythonParser(Reader, Scanner, Parser):
    """PyYAML's own parser, for where there is no libyaml."""

    def __init__(self, stream: str) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)


try:
    from yaml._yaml import CParser as _Parser
except ImportError:  # PyYAML was built without libyaml
    _Parser = _PurePythonParser

TOO_LARGE: Any = object()
"""In place of the value of a number that is too large, or not finite."""
MAX_LEVELS = 64
MAX_VALUES = 100_000
_MAX_INT = 1 << 63
_CONSTANTS = dict.fromkeys(("", "~", "null", "Null", "NULL")) | {
    text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_QUOTE = "a text that contains one of , : [ ] { } # & * ! | > ' \" % @ ` must be quoted"
_INSTEAD = "give the value a name under 'vars' and write $name, or a body under 'define' and write 'use'"
_UNTAGGED = "a part is chosen by its 'type'; quote a text that begins with '!'"
_ALIKE = "indent the keys of one mapping, and the elements of one list, alike"
# part of libyaml's or PyYAML's wording -> our message, our hint
_WORDINGS = (
    ("maximum nesting depth", f"this is nested deeper than {MAX_LEVELS} levels", ""),  # libyaml's own bound is 1,000
    ("mapping values are not allowed", "a ':' is not expected here", f"{_ALIKE}; quote a text that contains ': '"),
    ("expected ':'", "a ':' is missing after a key", "write 'key: value', with a space after ':'"),
    ("unexpected ':'", "a value is missing after ':'", "write 'key: value', with a space after ':'"),
    ("',' or '}'", "the mapping {…} is not closed, or a ',' is missing here", _QUOTE),
    ("',' or ']'", "the list […] is not closed, or a ',' is missing here", _QUOTE),
    ("node content", "a value is missing here", _QUOTE),
    ("expected '-' indicator", "this line does not fit the list above it", _ALIKE),
    ("expected key", "this line does not fit the mapping above it", _ALIKE),
    ("expected <block end>", "this line does not fit the lines above it", _ALIKE),
    ("not allowed", "a '-' or a key is not expected here", _ALIKE),
    ("end of stream", "a quoted text is not closed", "close it with the quote that opened it"),
    ("unexpected document", "a quoted text is not closed", "close it with the quote that opened it"),
    ("escape", "this escape is not known", "between single quotes a backslash is just a backslash"),
    ("hexdecimal", "this escape is not complete", "between single quotes a backslash is just a backslash"),
    ("tag", "tags ('!…') are refused", _UNTAGGED),
    ("cannot start any token", "a text cannot begin with this character", _QUOTE),
    ("document start", "the file goes on after its value has ended", _ALIKE),
)


class _Frame:
    """A mapping or list that is being read."""

    __slots__ = ("flow", "key", "key_mark", "plain_key", "value")

    def __init__(self, value: Map | Seq, flow: bool) -> None:
        self.value = value
        self.flow = flow
        self.key = ""
        self.key_mark: Mark | None = None  # None: what comes next is a key
        self.plain_key = False


class EventReader:
    """Builds the values of one source from its events, and collects what is wrong."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.stack: list[_Frame] = []
        self.root: Any = None
        self.documents = 0
        self.values = 0
        self.torn_until = (0, 0.0)  # line and column where the last expression that YAML tore apart ends

    def read(self) -> Any:
        """Return the value of the document, or raise all problems."""
        handlers = {
            yaml.ScalarEvent: self.scalar,
            yaml.SequenceStartEvent: self.begin,
            yaml.MappingStartEvent: self.begin,
            yaml.SequenceEndEvent: self.end,
            yaml.MappingEndEvent: self.end,
            yaml.AliasEvent: self.alias,
            yaml.DocumentStartEvent: self.document,
        }
        for event in self.events():
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)
        if self.documents == 0 and not self.problems:
            self.refuse("the file is empty", Mark(self.source, 1, 1), code="E105")
        if self.problems:
            raise SpecError(self.problems)
        return self.root

    def events(self) -> Iterator[Any]:
        """Yield the parser's events; what the parser cannot read becomes a problem."""
        try:
            parser = _Parser(self.source.text)
            while (event := parser.get_event()) is not None:
                yield event
        except yaml.MarkedYAMLError as error:
            self.not_yaml(error)
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML's own parser at an escape of no character
            self.refuse(f"this is not YAML: {error}", None, code="E104")

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            hint = "a file holds one; delete the '---'"
            self.refuse("a second document begins here", self.mark(event), hint=hint, code="E105")
            raise SpecError(self.problems)

    def scalar(self, event: Any) -> None:
        text, mark, plain = event.value, self.mark(event), not event.style
        if event.anchor is not None or event.tag is not None:
            self.decorated(event, mark)
        frame = self.stack[-1] if self.stack else None
        value = text
        if plain:
            if frame is not None and frame.flow and text.startswith("$(") and text.count("(") != text.count(")"):
                self.torn(text, mark)
            value = plain_value(text)
            if value is TOO_LARGE:
                value = None
                hint = "quote it if it is a text"
                self.refuse(f"{text[:40]} is not a number that a spec can hold", mark, hint=hint, code="E110")
        elif not text.isascii() and not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
            self.refuse("a surrogate is not a character", mark, code="E103")
        if frame is not None and frame.key_mark is None and isinstance(frame.value, Map):
            self.begin_value(frame, value, text, mark, plain)
        else:
            self.put(value, mark)
            if plain and not text and frame is None:
                self.refuse("the file is empty", Mark(self.source, 1, 1), code="E105")

    def begin(self, event: Any) -> None:
        mark, frame = self.mark(event), self.stack[-1] if self.stack else None
        if event.anchor is not None or event.tag is not None:
            self.decorated(event, mark)
        if frame is not None and frame.key_mark is None and isinstance(frame.value, Map):
            self.refuse("a key must be a text, not a mapping or a list", mark, hint=_QUOTE, code="E108")
            raise SpecError(self.problems)
        if len(self.stack) >= MAX_LEVELS:
            self.refuse(f"this is nested deeper than {MAX_LEVELS} levels", mark, code="E502")
            raise SpecError(self.problems)
        value = Map().copy() if type(event) is yaml.MappingStartEvent else Seq().copy()  # with marks of its own
        value.pos = mark
        self.put(value, mark)
        self.stack.append(_Frame(value, bool(event.flow_style)))

    def end(self, event: Any) -> None:
        self.stack.pop()
        if self.stack:
            self.stack[-1].key_mark = None

    def begin_value(self, frame: _Frame, key: Any, text: str, mark: Mark, plain: bool) -> None:
        """Take a scalar as the key of the value that comes next."""
        if not isinstance(key, str):
            kind = "nothing" if key is None else "a truth" if isinstance(key, bool) else "a number"
            message = f"a key must be a text, and {text or 'this'} is {kind}"
            self.refuse(message, mark, hint=f'quote it: "{text}":', code="E108")
        elif isinstance(frame.value, Map) and key in frame.value:
            first = frame.value.marks[key][0]
            notes = (("first written here", first),)
            self.refuse(f"the key {key!r} is written twice", mark, segment=key, notes=notes, code="E107")
        frame.key, frame.key_mark, frame.plain_key = text, mark, plain

    def put(self, value: Any, mark: Mark) -> None:
        """Store a value where it belongs."""
        self.values += 1
        if self.values > MAX_VALUES:
            self.refuse(f"the file holds more than {MAX_VALUES} values", mark, code="E502")
            raise SpecError(self.problems)
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        if isinstance(frame.value, Seq):
            frame.value.append(value)
            frame.value.marks.append(mark)
            return
        key, key_mark = frame.key, frame.key_mark or mark
        if value is None and frame.flow and frame.plain_key and ":" in key and self.text_at(mark) in ",}":
            hint = f"write {key.replace(':', ': ', 1)!r}"
            self.refuse(f"without a space after ':', all of {key!r} is a key", key_mark, hint=hint, code="E108")
        frame.value[key] = value
        frame.value.marks[key] = (key_mark, mark)
        if not isinstance(value, Map | Seq):
            frame.key_mark = None

    def alias(self, event: Any) -> None:
        mark = self.mark(event)
        self.refuse(f"aliases are refused: *{event.anchor}", mark, hint=_INSTEAD, code="E106")
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key_mark is None and isinstance(frame.value, Map):
            frame.key, frame.key_mark, frame.plain_key = f"*{event.anchor}", mark, False
        else:
            self.put(None, mark)

    def decorated(self, event: Any, mark: Mark) -> None:
        """Refuse an anchor or a tag."""
        if event.anchor is not None:
            self.refuse(f"anchors are refused: &{event.anchor}", mark, hint=_INSTEAD, code="E106")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            self.refuse(f"tags are refused: {tag}", mark, hint=_UNTAGGED, code="E106")

    def torn(self, text: str, mark: Mark) -> None:
        """Refuse the first piece of an expression whose commas and brackets YAML took for its own."""
        line = self.source.lines[mark.line - 1][mark.column - 1 :]
        whole = _balanced(line)
        quote = "'" if '"' in (whole or "") else '"'
        hint = f"quote it: {quote}{whole or '$(…)'}{quote}"
        message = f"YAML takes this expression apart: {text!r} is all that is left of it"
        self.refuse(message, mark, hint=hint, code="E109")
        self.torn_until = (mark.line, mark.column + len(whole) if whole else math.inf)

    def not_yaml(self, error: yaml.MarkedYAMLError) -> None:
        """Say in our words what the parser found."""
        wording = f"{error.context or ''} {error.problem or ''}"
        unknown = ("", f"this is not YAML: {wording.strip()}", "")
        _, message, hint = next((row for row in _WORDINGS if row[0] in wording), unknown)
        mark = self.clip(error.problem_mark)
        if "cannot start any token" in wording and self.text_at(mark) == "\t":
            message, hint = "a tab cannot indent", "indent with spaces"
        if "does not fit" in message and self.source.lines[mark.line - 1][: mark.column - 1].strip(" -"):
            message, hint = "the value has ended before this", f"{_QUOTE}; between single quotes ' is written ''"
        begun = None if error.context_mark is None else self.clip(error.context_mark)
        if begun is not None and "is missing after a key" in message:
            mark = begun  # the parser notices a key without ':' at the line below
        notes = () if begun is None or begun == mark else (("begun here", begun),)
        code = "E502" if "nested deeper" in message else "E106" if "tags" in message else "E104"
        self.refuse(message, mark, hint=hint, notes=notes, code=code)

    def clip(self, mark: Any) -> Mark:
        """Our mark for the parser's, which stands behind the last line where the text ends too early."""
        if mark is None:
            return Mark(self.source, 1, 1)
        lines = self.source.lines
        if mark.line < len(lines):
            return Mark(self.source, mark.line + 1, mark.column + 1)
        return Mark(self.source, len(lines), len(lines[-1]) + 1)

    def mark(self, event: Any) -> Mark:
        return self.clip(event.start_mark)

    def text_at(self, mark: Mark) -> str:
        """The character at a mark; empty at the end of a line."""
        return self.source.lines[mark.line - 1][mark.column - 1 : mark.column]

    def refuse(
        self,
        message: str,
        mark: Mark | None,
        hint: str = "",
        segment: str | None = None,
        notes: tuple[tuple[str, Mark | None], ...] = (),
        code: str = "",
    ) -> None:
        """Note a problem at the place that is being read; raise when there are too many."""
        if mark is not None and (mark.line, mark.column) <= self.torn_until:
            return
        # a list inside which another value is being read holds that value already
        segments: list[Segment] = [
            len(frame.value) - (frame is not self.stack[-1]) if isinstance(frame.value, Seq) else frame.key
            for frame in self.stack
            if isinstance(frame.value, Seq) or frame.key_mark is not None
        ]
        segments += [] if segment is None else [segment]
        self.problems.append(Problem(message, format_path(segments), mark, hint, notes, code))
        if len(self.problems) >= MAX_PROBLEMS:
            message = f"there are more than {MAX_PROBLEMS} problems; reading stopped here"
            self.problems.append(Problem(message, code="E503"))
            raise SpecError(self.problems)


def plain_value(text: str) -> Any:
    """The value of a text without quotes: a text, a number, a truth, nothing, or `TOO_LARGE`."""
    value = _CONSTANTS.get(text, text)
    if value is not text or text[0] not in "+-.0123456789":
        return value
    number = _number(text)
    return TOO_LARGE if number is None else number


def _number(text: str) -> int | float | str | None:
    """The number that a plain scalar is, the text itself where it is none, None where it is too large or not finite."""
    if _INT.fullmatch(text):
        if len(text) > 24:
            return None
        value = int(text, 0)
        return value if -_MAX_INT <= value < _MAX_INT else None
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else None
    return None if _NOT_FINITE.fullmatch(text) else text


def _balanced(line: str) -> str | None:
    """The beginning of a line up to the parenthesis that closes its first."""
    level = 0
    for position, character in enumerate(line):
        level += (character == "(") - (character == ")")
        if level == 0 and character == ")":
            return line[: position + 1]
    return None
