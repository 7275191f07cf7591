"""The sockets on which tasks hear lines."""

from __future__ import annotations

import socket
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import PATIENCE, Served

from piety.browser import wire

HEAR = "got = []\ndef take(line): got.append(line)\nt = spawn(lines('door'), take)"


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    """A home whose system runs, with a task that hears lines."""
    served = Served(home)
    try:
        served.start()
        served.evaluate(HEAR)
        served.evaluate("'now the door is open'")
        yield served
    finally:
        served.stop_for_good()


class Sender:
    """Somebody who writes lines, and reads the answers."""

    def __init__(self, served: Served) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(wire.address(str(served.home), "door"))
        self._stream = self.socket.makefile("rb")

    def send(self, *lines: str) -> None:
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def answer(self) -> str:
        """The next answer; "" at the end of the connection."""
        try:
            return self._stream.readline().decode().strip()
        except ConnectionError:
            return ""

    def rest(self) -> list[str]:
        """All answers until the connection ends."""
        answers = list(iter(self.answer, ""))
        self._stream.close()
        self.socket.close()
        return answers

    def end(self) -> list[str]:
        """Say no more, and hear the rest."""
        self.socket.shutdown(socket.SHUT_WR)
        return self.rest()


def got(served: Served) -> list[str]:
    """The lines that were handled."""
    return served.evaluate("print(*got)").split()


def test_ok_means_that_the_line_is_on_disk(served: Served) -> None:
    """A plug that is pulled after it takes nothing; and only the owner may write there."""
    assert stat.S_IMODE((served.home / "door").stat().st_mode) == 0o600
    sender = Sender(served)
    sender.send("a", "b")
    assert [sender.answer(), sender.answer()] == ["ok", "ok"]
    served.kill()
    assert sender.rest() == []
    served.start()
    assert got(served) == ["a", "b"]


def test_nobody_hears_ok_before_the_line_is_on_disk(served: Served) -> None:
    """While a turn runs it waits, and if the plug is pulled then, it was not heard."""
    sender = Sender(served)
    with served.talk() as talk:
        talk.ask("evaluate", source="input('begun')")
        talk.until(wire.ASK)
        sender.send("a")
        served.piety("status")
        served.kill()
    assert sender.rest() == []
    served.start()
    assert got(served) == []


def test_many_senders_and_a_pulled_plug(served: Served) -> None:
    """What was answered is handled once and in order; what was not is sent again, and handled then at the latest."""
    lines = {name: [f"{name}{number}" for number in range(100)] for name in "abcd"}
    senders = {name: Sender(served) for name in lines}
    for name, sender in senders.items():
        sender.send(*lines[name])
    answers = {name: [sender.answer() for _ in range(10)] for name, sender in senders.items()}
    served.kill()
    for name, sender in senders.items():
        answers[name] += sender.rest()
        assert set(answers[name]) == {"ok"}
    served.start()
    served.evaluate("'now the door is open'")
    for name in lines:
        sender = Sender(served)
        sender.send(*lines[name][len(answers[name]) :])
        assert sender.end() == ["ok"] * (100 - len(answers[name]))
    handled = got(served)
    for name, sent in lines.items():
        mine = [line for line in handled if line.startswith(name)]
        assert list(dict.fromkeys(mine)) == sent
        assert all(Counter(mine)[line] == 1 for line in sent[: len(answers[name])])


def test_a_line_that_no_task_gets_is_not_ok(served: Served) -> None:
    """Whoever is connected when the last task ends is told, and nobody else finds the door."""
    sender = Sender(served)
    sender.send("a")
    assert sender.answer() == "ok"
    served.evaluate("t.cancel()")
    sender.send("b")
    assert sender.answer() == "nobody"
    assert not (served.home / "door").exists()
    served.evaluate("t.restart(); t.suspend()")
    sender.send("c")
    assert sender.answer() == "ok"
    served.evaluate("t.resume()")
    assert (sender.end(), got(served)) == ([], ["a", "c"])


def test_a_line_that_was_cut_off_is_not_heard(served: Served) -> None:
    """Who knows what it was to be; what is too long is no line either."""
    sender = Sender(served)
    sender.send("a")
    sender.socket.sendall(b"42 from 4200")
    assert sender.end() == ["ok"]
    sender = Sender(served)
    sender.socket.sendall(b"x" * ((1 << 20) + 1))
    assert sender.rest() == []
    assert got(served) == ["a"]
