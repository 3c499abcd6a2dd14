"""The language server: answers of this package, in the words of the Language Server Protocol."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer

from vitdsl import __version__
from vitdsl.editor.completion import completions
from vitdsl.editor.definition import definition
from vitdsl.editor.diagnostics import Diagnostic, diagnostics
from vitdsl.editor.document import Document, Span, is_ours
from vitdsl.editor.fixes import fixes
from vitdsl.editor.hover import hover
from vitdsl.editor.markup import Block, markdown, plain_text
from vitdsl.editor.outline import Outline
from vitdsl.editor.shapes import hints
from vitdsl.parts.registry import all_parts
from vitdsl.resolve.files import hold

SOURCE = "vitdsl"
FILES = ("*.vit.yaml", "*.vit.yml")
"""Files that are ours whatever is in them, unless the editor's settings name others."""
TRIGGERS = [" ", ":", "{", "[", ",", "$", "(", "-", "/", "."]
UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
"""The encoding and the bytes of a unit, by what the editor counts columns in."""
KINDS = {
    "key": lsp.CompletionItemKind.Property, "word": lsp.CompletionItemKind.EnumMember,
    "name": lsp.CompletionItemKind.Variable, "file": lsp.CompletionItemKind.File,
}  # fmt: skip
SEVERITIES = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}
_log = logging.getLogger(__name__)


class Server(LanguageServer):
    """A language server of the files that are open in one editor.

    Attributes:
        documents: the open files, by URI.
        ours: URIs of those that are vitdsl's; one that was so once stays so while it is open.
        files: patterns of names of files that are ours whatever is in them.
    """

    def __init__(self) -> None:
        super().__init__("vitdsl", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.documents: dict[str, Document] = {}
        self.ours: set[str] = set()
        self.files: Sequence[str] = FILES

    # ------------------------------------------------------------ files

    def update(self, uri: str, text: str) -> None:
        """Takes a text as that of a file, and says what is wrong with it, and with files that extend it."""
        document = Document(_path(uri), text)
        hold(document.path, text)
        self.documents[uri] = document
        if is_ours(document) or any(document.path.match(pattern) for pattern in self.files):
            self.ours.add(uri)
        self._publish(uri)
        self._follow(document.path, uri)

    def close(self, uri: str) -> None:
        """Reads a file from the disk again."""
        document = self.documents.pop(uri, None)
        if document is not None:
            hold(document.path, None)
            self.ours.discard(uri)
            self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
            self._follow(document.path, uri)

    def refresh(self, uri: str) -> None:
        """Looks at a file anew, which another program may have changed, and at those that extend it."""
        document = self.documents.get(uri)
        if document is not None:
            self.update(uri, document.text)

    def _follow(self, path: Path, uri: str) -> None:
        """Looks anew at the open files that extend a file."""
        changed = path.resolve()
        for other, document in [*self.documents.items()]:
            above = (file.resolve() for file, _ in document.names.files[1:]) if other != uri else ()
            if changed in above:
                self.documents[other] = Document(document.path, document.text)
                self._publish(other)

    def _publish(self, uri: str) -> None:
        document = self.documents[uri]
        found = [self.diagnostic(document, each) for each in diagnostics(document)] if uri in self.ours else []
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found))

    def document(self, uri: str) -> Document | None:
        """A file of ours that is open."""
        return self.documents.get(uri) if uri in self.ours else None

    # ------------------------------------------------------------ positions

    @property
    def _units(self) -> tuple[str, int]:
        encoding = self.workspace.position_encoding
        return UNITS.get(getattr(encoding, "value", "") or str(encoding), UNITS["utf-16"])

    def offset(self, outline: Outline, position: lsp.Position) -> int:
        """The offset of a position."""
        encoding, size = self._units
        start = outline.offset(position.line, 0)
        line = outline.text[start : outline.line_end(outline.position(start)[0])].encode(encoding, "surrogatepass")
        column = len(line[: position.character * size].decode(encoding, "ignore"))
        return outline.offset(position.line, column)

    def position(self, outline: Outline, offset: int) -> lsp.Position:
        """The position of an offset."""
        encoding, size = self._units
        line, column = outline.position(offset)
        before = outline.text[offset - column : offset]
        return lsp.Position(line, len(before.encode(encoding, "surrogatepass")) // size)

    def range(self, outline: Outline, span: Span) -> lsp.Range:
        """The range of a part of a text."""
        return lsp.Range(self.position(outline, span.start), self.position(outline, span.end))

    # ------------------------------------------------------------ values

    def diagnostic(self, document: Document, found: Diagnostic) -> lsp.Diagnostic:
        """A diagnostic, with the places that have to do with it."""
        related = [
            lsp.DiagnosticRelatedInformation(lsp.Location(_uri(each.path), _point(each.line, each.column)), each.text)
            for each in found.related
        ]
        return lsp.Diagnostic(
            self.range(document.outline, found.span),
            found.text,
            severity=SEVERITIES[found.severity],
            code=found.problem.code or None,
            source=SOURCE,
            related_information=related or None,
        )

    def markup(self, blocks: Sequence[Block]) -> lsp.MarkupContent:
        """Text for a hover: markdown, where the editor shows that."""
        hovers = self.client_capabilities.text_document and self.client_capabilities.text_document.hover
        if lsp.MarkupKind.Markdown in ((hovers and hovers.content_format) or ()):
            return lsp.MarkupContent(lsp.MarkupKind.Markdown, markdown(blocks))
        return lsp.MarkupContent(lsp.MarkupKind.PlainText, plain_text(blocks))


def _path(uri: str) -> Path:
    """The path of a URI; that of a text without a file is its name."""
    return Path((uri.startswith("file:") and uris.to_fs_path(uri)) or uri.rpartition(":")[2].lstrip("/") or "untitled")


def _uri(path: Path) -> str:
    return uris.from_fs_path(str(path.absolute())) or ""


def _point(line: int, column: int) -> lsp.Range:
    return lsp.Range(lsp.Position(line, column), lsp.Position(line, column))


server = Server()


def _feature(name: str, options: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Answers a request or a notification. A fault of ours is told to the editor's log, and ends nothing."""

    def register(answer: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(answer)
        def guarded(params: Any) -> Any:
            try:
                return answer(params)
            except Exception as error:
                _log.exception("vitdsl failed at %s", name)
                words = f"vitdsl {__version__} failed at {name}: {type(error).__name__}: {error}. This is our fault"
                server.window_log_message(lsp.LogMessageParams(lsp.MessageType.Error, words))
                return None

        server.feature(name, options)(guarded)
        return answer

    return register


@_feature(lsp.INITIALIZE)
def _initialize(params: lsp.InitializeParams) -> None:
    options = params.initialization_options
    files = options.get("files") if isinstance(options, dict) else None
    if isinstance(files, list) and all(isinstance(each, str) and each for each in files):
        server.files = [each.removeprefix("**/") for each in files]


@_feature(lsp.INITIALIZED)
def _prepare(params: lsp.InitializedParams) -> None:
    all_parts()  # hints of unknown names look through all of them, and the first would have to wait


@_feature(lsp.TEXT_DOCUMENT_DID_OPEN)
def _open(params: lsp.DidOpenTextDocumentParams) -> None:
    server.update(params.text_document.uri, params.text_document.text)


@_feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
def _change(params: lsp.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    server.update(uri, server.workspace.get_text_document(uri).source)


@_feature(lsp.TEXT_DOCUMENT_DID_SAVE)
def _save(params: lsp.DidSaveTextDocumentParams) -> None:
    server.refresh(params.text_document.uri)


@_feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
def _close(params: lsp.DidCloseTextDocumentParams) -> None:
    server.close(params.text_document.uri)


@_feature(lsp.TEXT_DOCUMENT_HOVER)
def _hover(params: lsp.HoverParams) -> lsp.Hover | None:
    document = server.document(params.text_document.uri)
    found = hover(document, server.offset(document.outline, params.position)) if document else None
    if document is None or found is None:
        return None
    return lsp.Hover(server.markup(found.blocks), server.range(document.outline, found.span))


@_feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=TRIGGERS))
def _complete(params: lsp.CompletionParams) -> lsp.CompletionList:
    document = server.document(params.text_document.uri)
    if document is None:
        return lsp.CompletionList(False, [])
    found = completions(document, server.offset(document.outline, params.position))
    return lsp.CompletionList(False, [
        lsp.CompletionItem(
            each.label,
            kind=KINDS[each.kind],
            detail=plain_text([Block(each.detail)]) or None,
            documentation=plain_text([Block(each.meaning)]) or None,
            text_edit=lsp.TextEdit(server.range(document.outline, each.span), each.text),
            sort_text=f"{rank:04}",
        )
        for rank, each in enumerate(found)
    ])  # fmt: skip


@_feature(lsp.TEXT_DOCUMENT_DEFINITION)
def _define(params: lsp.DefinitionParams) -> lsp.Location | None:
    document = server.document(params.text_document.uri)
    found = definition(document, server.offset(document.outline, params.position)) if document else None
    return None if found is None else lsp.Location(_uri(found.path), server.range(found.outline, found.span))


@_feature(lsp.TEXT_DOCUMENT_INLAY_HINT)
def _hint(params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
    document = server.document(params.text_document.uri)
    if document is None:
        return []
    outline, first, last = document.outline, params.range.start.line, params.range.end.line
    found = ((server.position(outline, offset), text) for offset, text in hints(document))
    return [lsp.InlayHint(at, text, padding_left=True) for at, text in found if first <= at.line <= last]


@_feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix]))
def _act(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    uri = params.text_document.uri
    document = server.document(uri)
    if document is None:
        return []
    start, end = (server.offset(document.outline, at) for at in (params.range.start, params.range.end))
    found = []
    for each in diagnostics(document):
        if each.span.start <= end and start <= each.span.end:
            for fix in fixes(document, each):
                edit = lsp.TextEdit(server.range(document.outline, fix.span), fix.text)
                found.append(
                    lsp.CodeAction(
                        fix.title,
                        kind=lsp.CodeActionKind.QuickFix,
                        diagnostics=[server.diagnostic(document, each)],
                        edit=lsp.WorkspaceEdit(changes={uri: [edit]}),
                        is_preferred=True,
                    )
                )
    return found


def serve() -> None:
    """Serves one editor over stdin and stdout, until it says goodbye."""
    server.start_io()
