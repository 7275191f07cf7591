"""Where a person types: editing several lines, the history in the image, completion with Tab.

    Prompt         reads one source, on the terminal of whoever is attached
    ImageHistory   `world.history` as prompt_toolkit wants it: newest first, and no more than is looked at

All of it runs on the asyncio loop.  What it wants to know of the image it asks the turn thread for, and goes on
without if that is busy for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import Future
from typing import Any

from BTrees.OOBTree import OOBTree
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, get_app_or_none, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.completion import generate_completions
from prompt_toolkit.search import SearchDirection, start_search

from piety.browser.completion import completions
from piety.browser.statements import is_whole, without_prompts
from piety.objects.image import Image
from piety.objects.turns import Outcome
from piety.scheduler.requests import Promised
from piety.scheduler.system import System

INDENT = "    "
NOTHING_ASIDE = "note: Ctrl-Z puts a job aside, and none is in front; to leave the shell: exit, or Ctrl-D"
KEPT = 10_000  # entries of the history; the oldest go
# An entry is written with its neighbours, thirty or so, each time one of them comes: a long one would be many times.
LONGEST = 20_000
PAGE = 100  # entries that are read at once
PATIENCE = 0.1  # seconds: a person who presses Tab waits no longer for a turn that runs


class Suspended(Exception):
    """Ctrl-Z at a prompt."""


class Prompt:
    """Reads what a person types: a source at `>>> `, or a line for a job."""

    def __init__(self, system: System) -> None:
        self.history = ImageHistory(system)
        self._session: PromptSession[str] = PromptSession(
            ">>> ",
            multiline=True,
            prompt_continuation=lambda _width, _line, wrapped: "" if wrapped else "... ",
            history=self.history,
            completer=_Completer(system),
            complete_while_typing=False,
            key_bindings=_keys(self.history),
            tempfile_suffix=".py",
        )
        self._session.default_buffer.on_text_changed += self._look_back

    async def read(self) -> str:
        """One source.  Raises EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C, and `Suspended` for Ctrl-Z."""
        return _as_typed(await self._session.prompt_async()).rstrip()

    async def read_line(self, prompt: str) -> str:
        """One line for a job, or for whoever asks for input."""
        session: PromptSession[str] = PromptSession(prompt, history=DummyHistory(), key_bindings=_suspending())
        return await session.prompt_async()

    def stop(self) -> None:
        """End what is being read, as Ctrl-C does.  Called on the asyncio loop, in the context of the terminal."""
        app = get_app_or_none()
        if app is not None and app.is_running:
            app.exit(exception=KeyboardInterrupt)

    def _look_back(self, buffer: Buffer) -> None:
        if buffer.working_index < PAGE // 2:
            self.history.want()


def _as_typed(source: str) -> str:
    """A source without the prompts with which it was copied from a session."""
    return "".join(without_prompts(source.splitlines(keepends=True)))


class Keep(Promised):
    """Writes a source into the history; the same twice in a row only once."""

    label = "history"
    runs_user_code = False

    def __init__(self, image: Image, source: str) -> None:
        super().__init__()
        self._world = image.world
        self._source = source

    def work(self) -> None:
        tree = _tree(self._world)
        newest = tree.maxKey() if tree else 0
        if tree.get(newest) != self._source:
            tree[newest + 1] = self._source
        while tree.minKey() <= newest + 1 - KEPT:
            del tree[tree.minKey()]


class ImageHistory(History):
    """The shell's history, in the image.

    It is read in pages, from the newest back, when a person comes near to what is not read yet.
    """

    def __init__(self, system: System) -> None:
        super().__init__()
        self._system = system
        self._unread: int | None = None  # entries with lower numbers were not read yet; None before the first page
        self._page = PAGE
        self._wanted = asyncio.Event()

    def keep(self, source: str) -> Future[Outcome] | None:
        """Have a source written to the image; what comes of that, or None if it is too long to be kept.

        It is on disk before the source runs, so that one that kills the process is found again too.
        """
        if len(source) > LONGEST:
            return None
        if self._loaded_strings[:1] != [source]:
            self._loaded_strings.insert(0, source)
        turn = Keep(self._system.image, source)
        self._system.loop.ask(turn)
        return turn.future

    def want(self, everything: bool = False) -> None:
        """Somebody looks for what is not read yet."""
        if everything:
            self._page = KEPT
        self._wanted.set()

    async def is_empty(self) -> bool:
        """Whether nobody has ever typed anything here."""
        return await asyncio.wrap_future(self._system.call(_is_empty))

    async def load(self) -> AsyncGenerator[str, None]:
        """All entries, newest first; waits where nobody has wanted more."""
        self._wanted = asyncio.Event()
        for text in self._loaded_strings:
            yield text
        if self._loaded_strings:
            await self._wanted.wait()
        while page := await asyncio.wrap_future(self._system.call(lambda _image: self._older())):
            self._loaded_strings += page
            for text in page:
                yield text
            self._wanted.clear()
            await self._wanted.wait()

    def _older(self) -> list[str]:
        """The next page."""
        with self._system.image.look() as world:
            tree = _tree(world)
            try:
                last = tree.maxKey() if self._unread is None else tree.maxKey(self._unread - 1)
            except ValueError:  # there is none
                return []
            self._unread = last - self._page + 1
            return [text for text in tree.values(self._unread, last) if isinstance(text, str)][::-1]

    def load_history_strings(self) -> Iterable[str]:
        return ()  # `load` does it

    def append_string(self, string: str) -> None:
        pass  # the shell calls `keep`, with what really runs

    def store_string(self, string: str) -> None:
        pass


def _is_empty(image: Image) -> bool:
    with image.look() as world:
        return not _tree(world)


def _tree(world: Any) -> Any:
    """The table of the history; an empty one that nobody keeps if a person put something else in its place."""
    tree = getattr(world, "history", None)
    return tree if isinstance(tree, OOBTree) else OOBTree()


class _Completer(Completer):
    def __init__(self, system: System) -> None:
        self._system = system

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        return ()  # the other one does it

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        line = document.current_line_before_cursor
        asked = asyncio.wrap_future(self._system.call(lambda image: completions(image, line)))
        try:
            begun, names = await asyncio.wait_for(asked, PATIENCE)
        except TimeoutError:  # a turn runs, and may for long
            return
        for name in names:
            yield Completion(name, start_position=-len(begun))


def _suspending() -> KeyBindings:
    """Ctrl-Z puts a job aside."""
    keys = KeyBindings()

    @keys.add("c-z")
    def _suspend(event: KeyPressEvent) -> None:
        event.app.exit(exception=Suspended, style="class:aborting")

    return keys


def _keys(history: ImageHistory) -> KeyBindings:
    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)

    @keys.add("c-r", filter=typing)
    def _search(_event: KeyPressEvent) -> None:
        history.want(everything=True)  # it is there by the time a person has typed what to look for
        start_search(direction=SearchDirection.BACKWARD)

    @keys.add("enter", filter=typing)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        document = buffer.document
        pasted = bool(event.app.key_processor.input_queue)  # more keys wait: nobody types that fast
        at_end = document.line_count == 1 or not document.text_after_cursor.strip()
        goes_on = pasted and "\n" in document.text and not document.current_line.strip()  # an empty line in a paste
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None  # it was chosen from the menu
        elif at_end and not goes_on and is_whole(_as_typed(document.text)):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n" if pasted else f"\n{_indent(document.current_line_before_cursor)}")

    @keys.add("c-z", filter=typing)
    def _put_aside(event: KeyPressEvent) -> None:
        run_in_terminal(lambda: event.app.output.write_raw(f"{NOTHING_ASIDE}\r\n"))

    @keys.add("tab", filter=typing)
    def _tab(event: KeyPressEvent) -> None:
        before = event.current_buffer.document.current_line_before_cursor
        if before.strip():
            generate_completions(event)
        else:
            event.current_buffer.insert_text(INDENT[len(before) % len(INDENT) :])

    @Condition
    def _in_indent() -> bool:
        before = get_app().current_buffer.document.current_line_before_cursor
        return len(before) >= len(INDENT) and not before.strip()

    @keys.add("backspace", filter=typing & _in_indent)
    def _dedent(event: KeyPressEvent) -> None:
        before = event.current_buffer.document.current_line_before_cursor
        event.current_buffer.delete_before_cursor((len(before) - 1) % len(INDENT) + 1)

    return keys


def _indent(line: str) -> str:
    """The white space with which the line after this one begins."""
    indent = line[: len(line) - len(line.lstrip())]
    return indent + INDENT if line.partition("#")[0].rstrip().endswith(":") else indent
