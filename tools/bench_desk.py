"""The benchmarks of the desktop: what goes over the socket is read off a terminal (pyte)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyte

from piety.browser import wire

Figure = tuple[str, list[tuple[float, float]], float]

WARM = 3.0  # seconds after which a system has imported what desktops need
BEGIN = """
from BTrees.IOBTree import IOBTree
texts.new("long", "".join(f"line {n} of a text that is long\\n" for n in range(100_000)))
texts.new("short", "".join(f"line {n} of a text that is short\\n" for n in range(100)))
class Thing:
    def __init__(self): self.news = "none"
thing = Thing()
world.few, world.many = IOBTree({n: n for n in range(100)}), IOBTree()
"""


class Desk:
    """A desktop, and the terminal that shows it."""

    def __init__(self, home: Path, ref: str) -> None:
        self._screen = pyte.Screen(110, 30)
        self._stream = pyte.ByteStream(self._screen)
        self._wire = wire.Wire(str(home))
        arguments = {"name": "bench", "ref": ref, "rows": 30, "columns": 110, "kind": "xterm"}
        request = {"protocol": wire.PROTOCOL, "verb": "desk", "arguments": arguments}
        self._wire.send(wire.REQUEST, json.dumps(request).encode())

    def sees(self, text: str) -> None:
        """Wait until a text is on the screen."""
        while not any(text in line for line in self._screen.display):
            kind, body = self._wire.receive()
            if kind == wire.OUT:
                self._stream.feed(body)

    def types(self, keys: str) -> None:
        self._wire.send(wire.KEYS, keys.encode())

    def close(self) -> None:
        self._wire.close()


def desk(folder: Path, objects: int) -> Iterator[Figure]:
    """From a connection to an object on the screen; and how that depends on its size."""
    home = folder / "desk"
    environment = {**os.environ, "PIETY_HOME": str(home)}

    def do(*arguments: str) -> None:
        command = [sys.executable, "-P", "-m", "piety", *arguments]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    do("new")
    do("eval", BEGIN)
    for begin in range(0, objects, 100_000):
        end = min(begin + 100_000, objects)
        do("eval", f"world.many.update({{n: n for n in range({begin}, {end})}})")
    do("start")
    try:
        time.sleep(WARM)
        yield "desktop until it is painted / 0.2 s", [(_opened(home, "thing"), 0.2) for _ in range(11)], 1.0
        times = [(_opened(home, "world.many"), _opened(home, "world.few")) for _ in range(11)]
        yield f"a BTree of {objects:,} / of 100, until its first page is there", times, 1.25
        yield "a key in a text of 100,000 lines / of 100, until it is seen", _typed(home), 2.0
        yield "one follows the other / 0.2 s", [(_followed(home, number), 0.2) for number in range(11)], 1.0
        yield "one sees what the other types / 0.2 s", [(_seen_typed(home, number), 0.2) for number in range(11)], 1.0
    finally:
        do("stop")


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _opened(home: Path, ref: str) -> float:
    def work() -> None:
        opened.append(Desk(home, ref))
        opened[-1].sees("'none'" if ref == "thing" else "20 ")

    opened: list[Desk] = []
    taken = _timed(work)
    opened[-1].close()
    return taken


def _typed(home: Path) -> list[tuple[float, float]]:
    """How long it takes until a character that is typed in the middle of a text is on the screen."""
    long, short = Desk(home, "texts['long']"), Desk(home, "texts['short']")
    for desk, lines in ((long, 100_000), (short, 100)):
        desk.sees("line 1 ")
        desk.types(f"\x06line {lines // 2} \r")
        desk.sees(f"line {lines // 2} ")
        desk.types("\x1b[H")
    times = []
    for number in range(31):
        letter = chr(ord("a") + number % 26)
        pair = [_timed(partial(_seen, desk, letter)) for desk in (long, short)]
        times.append((pair[0], pair[1]))
    long.close()
    short.close()
    return times


def _seen(desk: Desk, letter: str) -> None:
    desk.types(letter)
    desk.sees(f"{letter}line")


def _seen_typed(home: Path, number: int) -> float:
    """How long it takes until one desktop shows what is typed into a text at another."""
    one, other = Desk(home, "texts['short']"), Desk(home, "texts['short']")
    one.sees("line 1 ")
    other.sees("line 1 ")
    taken = _timed(lambda: (one.types(f"<{number}>"), other.sees(f"<{number}>")))
    one.close()
    other.close()
    return taken


def _followed(home: Path, number: int) -> float:
    """How long it takes until one desktop shows what was changed at another, from Enter on."""
    one, other = Desk(home, "thing"), Desk(home, "thing")
    one.sees("news")
    other.sees("news")
    one.types(f":self.news = 'n{number}'")
    one.sees(f"'n{number}'")
    taken = _timed(lambda: (one.types("\r"), other.sees(f"news  'n{number}'")))
    one.close()
    other.close()
    return taken
