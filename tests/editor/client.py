"""A client of the language server: it starts `vitdsl lsp`, and speaks to it over its stdin and stdout."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SECONDS = 300
"""An answer that takes longer, also on a machine that others use, is none."""


class Client:
    """An editor with files that are open in it.

    Attributes:
        said: diagnostics that the server published last, by URI.
        logged: what the server wrote into the editor's log.
    """

    def __init__(self, options: dict[str, Any] | None = None, hover: tuple[str, ...] = ("markdown",)) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vitdsl", "lsp", "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.said: dict[str, list[dict[str, Any]]] = {}
        self.published: dict[str, int] = {}
        self.logged: list[str] = []
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._number, self._versions = 0, dict[str, int]()
        capabilities = {"textDocument": {"hover": {"contentFormat": [*hover]}}}
        params = {"processId": None, "rootUri": None, "capabilities": capabilities, "initializationOptions": options}
        self.can = self.ask("initialize", params)["capabilities"]
        self.tell("initialized", {})

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.ask("shutdown", None)
            self.tell("exit", None)
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.wait(SECONDS) == 0
        self.process.stdin.close()
        self._reader.join(SECONDS)
        self.process.stdout.close()

    # ------------------------------------------------------------ messages

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream
        while header := stream.readline():
            length = int(header.partition(b":")[2]) if header.lower().startswith(b"content-length") else 0
            while header.strip():
                header = stream.readline()
            self._messages.put(json.loads(stream.read(length)))
        self._messages.put(None)

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _next(self) -> dict[str, Any]:
        message = self._messages.get(timeout=SECONDS)
        assert message is not None, "the server has ended"
        if message.get("method") == "textDocument/publishDiagnostics":
            uri = message["params"]["uri"]
            self.said[uri] = message["params"]["diagnostics"]
            self.published[uri] = self.published.get(uri, 0) + 1
        elif message.get("method") == "window/logMessage":
            self.logged.append(message["params"]["message"])
        return message

    def tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]

    # ------------------------------------------------------------ files

    def write(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Opens a file with a text, or changes its text; gives the diagnostics that the server publishes for it."""
        uri, before = path.as_uri(), self.published.get(path.as_uri(), 0)
        if uri not in self._versions:
            self._versions[uri] = 1
            item = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
            self.tell("textDocument/didOpen", {"textDocument": item})
        else:
            self._versions[uri] += 1
            item = {"uri": uri, "version": self._versions[uri]}
            self.tell("textDocument/didChange", {"textDocument": item, "contentChanges": [{"text": text}]})
        while self.published.get(uri, 0) == before:
            self._next()
        return self.said[uri]

    def at(self, method: str, path: Path, line: int, column: int, **more: Any) -> Any:
        """Asks about a position of a file, from 0."""
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}
        return self.ask(f"textDocument/{method}", {**place, **more})

    def hints(self, path: Path) -> list[dict[str, Any]]:
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": 10**6, "character": 0}}
        return self.ask("textDocument/inlayHint", {"textDocument": {"uri": path.as_uri()}, "range": whole})

    def actions(self, path: Path, where: dict[str, Any]) -> list[dict[str, Any]]:
        params = {"textDocument": {"uri": path.as_uri()}, "range": where, "context": {"diagnostics": []}}
        return self.ask("textDocument/codeAction", params)
