"""Reads any text as if it were YAML, for outlines: never fails, and loses as little as it can.

A bracket that nobody closed ends where the indentation says so, and a word without a colon is a key without a value.
What is YAML is read as `syntax.source` reads it, anchors and tags apart.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from vitdsl.editor.nodes import Entry, Node
from vitdsl.syntax.yaml_parser import MAX_LEVELS

_BLANK, _GAP = " \t", re.compile(r"(?:[ \t\r\n]+|(?:(?<=[ \t\r\n])|(?<![^\r\n]))#[^\r\n]*)*")
_KEY = re.compile(r"""(?:"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\r\n]|'')*'|(?![\[{])[^\r\n#]*?)[ \t]*:(?=[ \t\r\n]|$)""")
_DASH = re.compile(r"-(?=[ \t\r\n]|$)")
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""", re.DOTALL)
_PLAIN = re.compile(r"(?:[^\r\n#]|(?<![ \t])#)*")
_PLAIN_IN_FLOW = re.compile(r"(?:[^\r\n#,\[\]{}:]|(?<![ \t])#|:(?![ \t\r\n,\[\]{}]|$))*")
_CLOSERS = {"{": "}", "[": "]"}
_ESCAPED = re.compile(r"\\([\"\\/])")


class Reader:
    """Reads a text from its beginning to its end; every step forward is at least one character.

    Args:
        text: the text.
        lines: the offsets at which its lines begin.
    """

    def __init__(self, text: str, lines: list[int]) -> None:
        self.text, self.lines, self.pos, self.depth = text, lines, 0, 0

    # ------------------------------------------------------------ where

    def column(self) -> int:
        """The column of the next character, from 0."""
        return self.pos - self.lines[bisect_right(self.lines, self.pos) - 1]

    def ended(self) -> bool:
        """Whether there is no next character."""
        return self.pos >= len(self.text)

    def skip(self) -> None:
        """Goes on to the next character that is neither blank nor in a comment."""
        found = _GAP.match(self.text, self.pos)
        self.pos = found.end() if found else self.pos

    def blanks(self) -> None:
        """Goes on to the next character that is no blank."""
        while not self.ended() and self.text[self.pos] in _BLANK:
            self.pos += 1

    def rest_of_line(self) -> bool:
        """Whether something stands on this line yet, a comment apart."""
        self.blanks()
        return not self.ended() and self.text[self.pos] not in "\r\n#"

    def begins_line(self) -> bool:
        """Whether only blanks stand before the next character."""
        start = self.lines[bisect_right(self.lines, self.pos) - 1]
        return not self.text[start : self.pos].strip(_BLANK)

    # ------------------------------------------------------------ blocks

    def document(self) -> Node:
        """The value of the text; what follows it without belonging to it is added to its entries."""
        root = Node("nothing", 0, 0)
        self.skip()
        while not self.ended():
            before = self.pos
            if self.text.startswith(("---", "..."), before) and not self.column():
                self.pos += 3
            else:
                root = _joined(root, self.block(self.column()))
            self.pos = max(self.pos, before + 1)
            self.skip()
        return root

    def block(self, column: int) -> Node:
        """The value that begins here, in a column."""
        if self.depth >= MAX_LEVELS:
            self.pos, start = len(self.text), self.pos
            return Node("text", start, self.pos)
        self.depth += 1
        try:
            if _DASH.match(self.text, self.pos):
                return self.sequence(column)
            if _KEY.match(self.text, self.pos):
                return self.mapping(column)
            return self.inline(column - 1)
        finally:
            self.depth -= 1

    def mapping(self, column: int) -> Node:
        """The mapping whose first key begins here, in a column."""
        node = Node("mapping", self.pos, self.pos)
        while not self.ended() and self.column() >= column and not _DASH.match(self.text, self.pos):
            node.entries.append(self.pair(column))
            node.end = max(node.end, node.entries[-1].value.end, *(k.end for k in [node.entries[-1].key] if k))
            self.skip()
        return node

    def pair(self, column: int) -> Entry:
        """A key with its value, a key alone, or what is neither."""
        start, found = self.pos, _KEY.match(self.text, self.pos)
        if found is None:
            word = self.inline(column)
            self.pos = max(self.pos, start + 1)
            return _word(word)
        self.pos = found.end()
        written = found[0][:-1].rstrip(_BLANK)
        key = Node("text", start, start + len(written), _unquoted(written))
        return Entry(key, self.value(column), True)

    def value(self, column: int) -> Node:
        """The value behind the colon of a key in a column, or behind a dash."""
        here = self.pos
        if self.rest_of_line():
            return self.inline(column)
        self.skip()
        own = self.column()
        if not self.ended() and (own > column or (own == column and _DASH.match(self.text, self.pos))):
            return self.block(own)
        return Node("nothing", here, here)

    def sequence(self, column: int) -> Node:
        """The list whose first dash stands here, in a column."""
        node = Node("list", self.pos, self.pos)
        while not self.ended() and self.column() >= column:
            if _DASH.match(self.text, self.pos):
                dash = self.pos
                self.pos += 1
                value = self.block(self.column()) if self.rest_of_line() else self._below_dash(column, dash)
                node.entries.append(Entry(None, value))
                node.end = max(node.end, value.end, dash + 1)
            elif self.column() == column or not node.entries:
                break
            else:  # this line is indented as nothing above it
                last = node.entries[-1]
                last.value = _joined(last.value, self.block(self.column()))
                node.end = max(node.end, last.value.end)
            self.skip()
        return node

    def _below_dash(self, column: int, dash: int) -> Node:
        here = self.pos
        self.skip()
        if not self.ended() and self.column() > column:
            return self.block(self.column())
        self.pos = here if self.ended() else self.pos
        return Node("nothing", dash + 1, here)

    # ------------------------------------------------------------ values on a line

    def inline(self, column: int) -> Node:
        """A value in brackets, in quotes, or plain; lines that continue it are indented by more than a column."""
        sign = self.text[self.pos]
        if sign in "{[":
            node = self.flow(column)
            if not self.begins_line() and self.rest_of_line():
                self.pos = self.line_end()
            return node
        if sign in "|>" and re.match(r"[|>][-+0-9]*[ \t]*(?=[\r\n#]|$)", self.text[self.pos :]):
            return self.literal(column)
        quoted = self.quoted(column) if sign in "\"'" else None
        return quoted or self.plain(column)

    def line_end(self) -> int:
        """The offset behind the last character of the line."""
        found = re.compile(r"[\r\n]").search(self.text, self.pos)
        return found.start() if found else len(self.text)

    def literal(self, column: int) -> Node:
        """A text of several lines, all of which are indented by more than a column."""
        start = end = self.pos
        while not self.ended():
            end = self.pos = self.line_end()
            following = re.compile(r"[\s]*").match(self.text, self.pos)
            self.pos = following.end() if following else self.pos
            if self.ended() or self.column() <= column:
                break
        return Node("text", start, end, self.text[start:end])

    def quoted(self, column: int) -> Node | None:
        """A text in quotes; None where they are not closed."""
        found = _QUOTED.match(self.text, self.pos)
        if found is None or ("\n" in found[0] and not self._indented(found, column)):
            return None
        start, self.pos = self.pos, found.end()
        return Node("text", start, self.pos, _unquoted(found[0]), quoted=True)

    def _indented(self, found: re.Match[str], column: int) -> bool:
        lines = found[0].split("\n")[1:]
        return all(not line.strip() or len(line) - len(line.lstrip()) > column for line in lines)

    def plain(self, column: int) -> Node:
        """A text without quotes, with the lines that continue it."""
        start, end = self.pos, self.pos
        while True:
            found = _PLAIN.match(self.text, self.pos)
            words = found[0].rstrip(_BLANK) if found else ""
            end = self.pos + len(words)
            self.pos = max(found.end() if found else end, start + 1)
            if self.rest_of_line() or self.ended():
                break
            self.skip()
            fits = not self.ended() and self.column() > column
            if not fits or _KEY.match(self.text, self.pos) or _DASH.match(self.text, self.pos):
                break
            if self.text[self.pos] in "{[\"'":
                break
        return Node("text", start, max(end, start), self.text[start:end])

    # ------------------------------------------------------------ brackets

    def flow(self, column: int, outer: str = "") -> Node:
        """A mapping or list in brackets, below a key in a column; `outer` are the signs that close those around it."""
        opener = self.text[self.pos]
        node = Node("mapping" if opener == "{" else "list", self.pos, self.pos + 1, flow=True)
        closer = _CLOSERS[opener]
        self.pos += 1
        while True:
            node.end = self.pos
            self.skip()
            if self.ended() or self._left(column):
                return node
            sign = self.text[self.pos]
            if sign in "}]" and sign != closer and sign in outer:
                return node
            if sign in ",}]":
                self.pos += 1
                if sign == closer:
                    node.end = self.pos
                    return node
                continue
            before = self.pos
            node.entries.append(self.flow_entry(node.kind == "mapping", column, outer + closer))
            self.pos = max(self.pos, before + 1)

    def _left(self, column: int) -> bool:
        """Whether a line of the block around the brackets begins here, so that they were never closed."""
        if not self.begins_line() or self.column() > column or self.text[self.pos] in "}]":
            return False
        return bool(_KEY.match(self.text, self.pos) or _DASH.match(self.text, self.pos))

    def flow_entry(self, in_mapping: bool, column: int, outer: str) -> Entry:
        """An entry of what is written in brackets."""
        first = self.flow_value(column, outer)
        self.blanks()
        colon = not self.ended() and self.text[self.pos] == ":"
        if not colon:
            return _word(first) if in_mapping else Entry(None, first)
        self.pos += 1
        behind = self.pos
        self.skip()
        missing = self.ended() or self.text[self.pos] in ",}]" or self._left(column)
        value = Node("nothing", behind, behind) if missing else self.flow_value(column, outer)
        pair = Entry(first, value, True)
        if in_mapping:
            return pair
        return Entry(None, Node("mapping", first.start, value.end, flow=True, entries=[pair]))

    def flow_value(self, column: int, outer: str) -> Node:
        """A key or a value inside of brackets."""
        start, sign = self.pos, self.text[self.pos]
        if sign in "{[":
            if self.depth >= MAX_LEVELS:
                self.pos = len(self.text)
                return Node("text", start, self.pos)
            self.depth += 1
            node = self.flow(column, outer)
            self.depth -= 1
            return node
        quoted = _QUOTED.match(self.text, start) if sign in "\"'" else None
        if quoted is not None and "\n" not in quoted[0]:
            self.pos = quoted.end()
            return Node("text", start, self.pos, _unquoted(quoted[0]), quoted=True)
        found = _PLAIN_IN_FLOW.match(self.text, start)
        words = found[0].rstrip(_BLANK) if found else ""
        self.pos = start + len(words)
        return Node("text", start, self.pos, words)


def _joined(first: Node, second: Node) -> Node:
    """One value out of two that stand where one is expected."""
    if first.kind == "nothing":
        return second
    if first.kind == second.kind and first.kind in ("mapping", "list"):
        return Node(first.kind, first.start, second.end, flow=first.flow, entries=[*first.entries, *second.entries])
    if {first.kind, second.kind} == {"mapping", "text"}:
        pairs = [each.entries if each.kind == "mapping" else [_word(each)] for each in (first, second)]
        return Node("mapping", first.start, second.end, flow=first.flow, entries=[*pairs[0], *pairs[1]])
    return second if first.kind == "text" else first


def _word(node: Node) -> Entry:
    """A key without a value."""
    return Entry(node, Node("nothing", node.end, node.end))


def _unquoted(text: str) -> str:
    """A text without its quotes; escapes of what does not print stay as they are written, since names have none."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace("''", "'") if text[0] == "'" else _ESCAPED.sub(r"\1", text[1:-1])
    return text
