"""The walks through tasks, jobs and terminals, and through texts, typed into a real pseudo-terminal."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from terminals import CTRL_Z, ENTER, PASTE, PASTED, Terminal

import piety

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import walkthrough  # noqa: E402 - it lies beside this file

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


ADDRESS, PAGE = "http://localhost:8000/", "a page from near by"


class Page(BaseHTTPRequestHandler):
    """The one page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_told: object) -> None:
        """Nobody is curious."""


@contextlib.contextmanager
def served_page() -> Iterator[str]:
    """A page at an address on this computer."""
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class OnTerminal(walkthrough.Walkthrough):
    """Types what a text shows into one terminal, which stays attached from block to block."""

    terminal: Terminal | None = None

    def _type(self, source: str) -> str:
        self.terminal = terminal = self.terminal or Terminal(**self.environment)
        terminal.types(PASTE, source, PASTED, ENTER)
        terminal.sees("\x1b[?2004l")  # what was typed is taken
        if source == "exit\n":
            assert terminal.ends() == 0
            self.terminal = None
            return ""
        shown = terminal.prompts()
        if "= job(" in source:  # here the text tells what to do in words
            terminal.types("it rains", ENTER)
            terminal.prompts()
            terminal.types(CTRL_Z)
            terminal.prompts()
        return ESCAPE.sub("", shown).replace("\r\n", "\n")

    def _enter(self, line: str) -> str:
        assert self.terminal is not None
        self.terminal.types(line.rstrip("\n"), ENTER)
        self.terminal.sees("\x1b[?2004l")
        return ESCAPE.sub("", self.terminal.prompts()).replace("\r\n", "\n")

    def stop(self) -> None:
        if self.terminal is not None:
            self.terminal.stop()


def test_the_walk_can_be_typed_along(home: Path, tmp_path: Path) -> None:
    """All of it, in order, with clocks that tick meanwhile, by a person who has tasks in their own home already."""
    with piety.open(home, create=True) as image:
        assert image.evaluate("reminder = spawn(message, print, name='remind')").error is None
    walk = OnTerminal(tmp_path)
    walk.environment["no_proxy"] = "*"  # the page is near by
    text = (HERE.parent / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert len(list(walkthrough.examples(text))) > 30
    try:
        with served_page() as address:
            assert ADDRESS in text
            assert [str(each) for each in walk.differences(text.replace(ADDRESS, address))] == []
    finally:
        walk.stop()
    with piety.open(tmp_path / "walk") as image:
        told = image.evaluate("transcript().tail(100)").value
        assert PAGE in told
        assert "from a process" in told


def test_the_walk_through_texts_can_be_typed_along(home: Path, tmp_path: Path) -> None:
    """With the plug pulled in the middle: undo and marks are there afterwards."""
    walk = OnTerminal(tmp_path)
    text = (HERE.parent / "docs" / "texts.md").read_text(encoding="utf-8")
    assert len(list(walkthrough.examples(text))) > 30
    notes = tmp_path / "notes.txt"
    text = text.replace("/tmp/piety-walk-notes.txt", str(notes)).replace("piety-walk-notes.txt", notes.name)
    try:
        assert [str(each) for each in walk.differences(text)] == []
    finally:
        walk.stop()
    assert not notes.exists()


@pytest.mark.parametrize(("name", "least"), [("finding", 30), ("views", 15)])
def test_another_walk_can_be_typed_along(home: Path, tmp_path: Path, name: str, least: int) -> None:
    """In one terminal and on the command line; it has so many examples at least."""
    walk = OnTerminal(tmp_path)
    text = (HERE.parent / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert len(list(walkthrough.examples(text))) > least
    try:
        assert [str(each) for each in walk.differences(text)] == []
    finally:
        walk.stop()


def test_the_walk_through_history_can_be_typed_along(home: Path, tmp_path: Path) -> None:
    """The past in one terminal, while commands go back, fork, export, pack and back up."""
    walk = OnTerminal(tmp_path)
    text = (HERE.parent / "docs" / "history.md").read_text(encoding="utf-8")
    assert len(list(walkthrough.examples(text))) > 30
    try:
        assert [str(each) for each in walk.differences(text)] == []
    finally:
        walk.stop()
