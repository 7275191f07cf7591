"""What a front types: it is done at once, and what follows within a second is written together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from running import Running

from piety.scheduler import loop as loops

KEY = "t.type({0}, {0}, {1!r})"


class Front:
    """Somebody who types into a text; while the loop waits for more, `meanwhile` happens, one after the other."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.text = running.run("t = texts.new('letter')\nt")
        self.shown: list[str] = []
        self.waits: list[float] = []
        self.meanwhile: list[Callable[[], Any]] = []
        running.system.loop.wait_for_typing = self._wait

    def types(self, string: str) -> Any:
        """Each character by itself; the future of the last."""
        for character in string:
            future = self.running.system.type(lambda character=character: self._insert(character), "1", self.shown.append)
        return future

    def _insert(self, character: str) -> str:
        size = len(self.text)
        self.text.type(size, size, character)
        return str(self.text)

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()
            return True
        return False


@pytest.fixture
def front(running: Running) -> Front:
    return Front(running)


def transactions(front: Front) -> int:
    """How many there are on disk."""
    return sum(1 for _ in front.running.image.storage.iterator())


def test_keys_that_follow_each_other_are_written_together(front: Front) -> None:
    """Each is shown before it is on disk, in a turn of its own."""
    before = transactions(front)
    at_disk: list[int] = []

    def next_key() -> None:
        at_disk.append(transactions(front) - before)
        front.types("x")

    front.meanwhile = [next_key] * 3
    future = front.types("a")
    front.running.go()
    assert front.shown == ["a", "ax", "axx", "axxx"]
    assert at_disk == [0, 0, 0]
    assert transactions(front) == before + 1
    assert future.result(timeout=0).error is None
    assert front.running.run("[(group.who, group.what, len(group.edits)) for group in t.groups()]") == [
        (f"{front.running.run('image.who')} at 1", "typing", 1)
    ]


def test_it_waits_for_a_second_from_the_first_key_and_no_longer(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """That second is what a pulled plug can take."""
    now = [100.0]
    monkeypatch.setattr(loops, "perf_counter", lambda: now[0])

    def next_key() -> None:
        now[0] += 0.3
        front.types("x")

    front.meanwhile = [next_key] * 5
    front.types("a")
    front.running.go()
    assert front.waits[:4] == pytest.approx([1.0, 0.7, 0.4, 0.1])
    assert loops.TOGETHER == 1.0
    front.running.resume(1, killed=True)
    assert front.running.run("str(t)") == "axxxx"  # the last one came too late


def test_whatever_else_is_asked_for_ends_the_wait(front: Front) -> None:
    """Nobody waits for somebody who types."""
    answers: list[Any] = []
    front.meanwhile = [lambda: answers.extend(front.running.ask("str(t)"))]
    front.types("a")
    front.running.go()
    assert answers[0].result(timeout=0).value == "a"
    assert len(front.waits) == 1
    calls: list[Any] = []
    front.meanwhile = [lambda: calls.append(front.running.system.call(lambda image: image.in_turn))]
    front.types("b")
    front.running.go()
    assert calls[0].result(timeout=0) is False
    assert len(front.waits) == 2


def test_a_task_that_is_due_ends_the_wait(front: Front) -> None:
    """The wait is no longer than until then; and a task that watches the text has its turn afterwards."""
    front.running.run("seen = []", "spawn(changed(t), lambda *_: seen.append(str(t)))", "spawn(every(0.25), print)")
    front.running.go()
    front.types("a")
    front.running.go()
    assert max(front.waits) <= 0.25
    assert front.running.run("seen") == ["a"]


def test_a_key_that_fails_takes_nothing_with_it(front: Front) -> None:
    """What was typed before and after it stays."""
    front.types("a")
    bad = front.running.system.type(lambda: 1 / 0, "1")
    front.types("b")
    front.running.go()
    assert isinstance(bad.result(timeout=0).error, ZeroDivisionError)
    assert front.running.run("str(t)") == "ab"


def test_a_thousand_keys_grow_the_file_little(front: Front) -> None:
    """By less than 200 KB, five of them in a second; in an empty text and in a long one."""
    for content in ("", "a line of some words\n" * 100_000):
        front.running.run(f"t.set({content!r})")
        storage = front.running.image.storage
        before = storage.getSize()
        for _ in range(200):
            front.types("words"[:5])
            front.running.go()
        assert front.running.run("t.part(len(t) - 10)") == "wordswords"
        assert storage.getSize() - before < 200_000
