"""A day of the week in `test_week.py`: what a person and their tasks do, in a process that may be killed.

    python week.py HOME DAY TURNS      each turn that is done is told, a line each

What they do depends only on how many turns there were, so everybody can say what there is after any number of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

HOUR = 3600.0

BEGIN = [
    """
from persistent import Persistent
from BTrees.IOBTree import IOBTree
class Entry(Persistent):
    def __init__(self, number): self.number, self.seen = number, 0
class Ledger(Persistent):
    def __init__(self): self.count = 0; self.hours = 0; self.total = 0
def rate(): return 0
def post(amount): world.ledger.count += 1; world.ledger.total += amount
def tick(event=None): world.ledger.hours += 1
""",
    "world.ledger = Ledger(); world.journal = IOBTree(); turns = 0; recent = []; texts['diary'] = Text('')",
    "clerk = spawn(message, post, name='clerk')",
    "hours = spawn(every(3600.0), tick, name='hours')",
]


def work(turn: int) -> Iterator[str]:
    """What is done in the turn of this number; before it, some code gets a new version now and then."""
    if turn % 60 == 0:
        yield f"def rate(): return {turn // 60}"
    if turn % 90 == 0:
        yield f"image.modules['rules'] = 'version = {turn // 90}\\n'"
    yield (
        f"turns = {turn}; recent.append({turn}); del recent[:-20]; world.journal[{turn}] = Entry({turn})\n"
        f"world.journal[{(turn + 1) // 2}].seen += 1\n"
        f"send(clerk, {turn} + rate()); texts['diary'].write('turn {turn}\\n')"
    )


LOOK = (
    "turns, recent, rate(), len(world.journal), sum(each.seen for each in world.journal.values()), "
    "world.ledger.count, world.ledger.total, str(texts['diary'])"
)


def expected(turns: int) -> tuple[Any, ...]:
    """What `LOOK` gives after so many turns."""
    recent = list(range(max(turns - 19, 1), turns + 1))
    total = sum(each + each // 60 for each in range(1, turns + 1))
    diary = "".join(f"turn {each}\n" for each in range(1, turns + 1))
    return turns, recent, turns // 60, turns, turns, turns, total, diary


def main() -> None:
    home, day, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    import piety
    from piety.scheduler import clock
    from piety.scheduler.system import System

    now = 1_800_000_000.0 + day * 24 * HOUR
    clock.now = lambda: now
    with piety.open(home, create=True) as image:

        def run(source: str) -> Any:
            outcome = image.evaluate(source)
            assert outcome.error is None, outcome.traceback
            return outcome.value

        if not run("'turns' in globals()"):
            for source in BEGIN:
                run(source)
        system = System(image)

        def go() -> None:
            while system.loop.pass_once():
                pass

        go()
        first = run("turns")
        for turn in range(first + 1, first + count + 1):
            for source in work(turn):
                run(source)
            now += 24 * HOUR / count
            go()
            print(turn, flush=True)
        system.loop.effects.close()


if __name__ == "__main__":
    main()
