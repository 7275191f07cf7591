"""A turn that fails leaves no trace, neither in the image nor in memory."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

import piety
from piety.objects import printing
from tests.conftest import System

BEFORE = """
import threading
from BTrees.OOBTree import OOBTree
from functools import cache
from persistent import Persistent
from persistent.mapping import PersistentMapping

class Note(Persistent):
    limit = 5
    def __init__(self): self.tags = {'a'}; self.deep = {'k': [[1]]}
    def read(self): return 'read'
    @property
    def first(self): return min(self.tags)

class Plain:
    def __init__(self): self.x = []

def greet(name='you', *, loud=False): return f'hello {name}'

def take_away():
    global n
    del n

n = 1
text = 'abc'
items = [1, [2], {'k': {3}}]
alias = items
inner = items[1]
plain = Plain()
buffer = bytearray(b'abc')
mixed = {'lock': threading.Lock(), 'n': 1, 'l': [1]}
note = world.note = Note()
world.tree = OOBTree({'a': [1], 'b': {'c': []}})
world.map = PersistentMapping(a=[1])
world.plain = {'x': [1]}
"""

# Everything that a turn could have changed, as one value.
STATE = """
dict(
    names=sorted(name for name in globals() if not name.startswith('_')), here=sorted(dir()),
    plain=[n, text, items, alias is items, inner is items[1], type(plain).__name__, plain.x, sorted(vars(plain)), buffer],
    mixed=[sorted(mixed), mixed['n'], mixed['l'], type(mixed['lock']).__name__, mixed['lock'].locked()],
    note=[note is world.note, sorted(note.tags), note.deep, note.limit, note.read(), note.first, sorted(note.__dict__)],
    world=[list(world.tree.items()), dict(world.map), world.plain, sorted(k for k in world.__dict__)],
    code=[greet(), greet.__defaults__, greet.__kwdefaults__, sorted(vars(greet)), sorted(k for k in vars(Note) if k[0] != '_'),
          sorted(k for k in vars(Plain) if k[0] != '_'), Note.__mro__, len([]), sum([1, 2]), threading.__name__],
)
"""

CHANGES = [
    "n = 2; new = 3; other = items",
    "n += 1; text += 'd'; items += [4]",
    "items.append(4); items[1].append(5); items[2]['k'].add(6)",
    "alias.clear()",
    "inner.append(9); items[1] = 0",
    "del items[0], alias",
    "del n, text, items, plain, note",
    "alias = list(items); inner = []",
    "n, text = text, n",
    "plain.x.append(1); plain.y = 2",
    "plain.__class__ = type('Other', (), {})",
    "buffer[0] = 120; buffer.extend(b'more')",
    "mixed['n'] = 2; mixed['l'].append(2); mixed['new'] = 1",
    "del mixed['lock']; mixed.clear()",
    "mixed = 1",
    "note.tags.add('b'); note.deep['k'][0].append(2)",
    "note.limit = 7; note.extra = Note(); note.extra.more = [1]",
    "del note.tags",
    "world.note.tags.clear(); del world.note; world.other = Note()",
    "world.tree['a'].append(2); world.tree['b']['c'].append(1); world.tree['new'] = 1; del world.tree['a']",
    "for i in range(500): world.tree[f'k{i}'] = [i]",
    "world.map['a'].append(2); world.map['b'] = 1",
    "world.plain['x'].append(2); world.plain['y'] = world.plain",
    "class Note(Persistent):\n    limit = 6\n    def read(self): return 'other'",
    "class Plain:\n    __slots__ = ('x',)",
    "class Note: pass",
    "class Plain(dict): pass",
    "Note.limit = 7; Note.new = 1",
    "del Note.read, Plain.__init__",
    "Note.read = lambda self: 'patched'",
    "setattr(Note, 'first', property(lambda self: 0))",
    "def greet(): return 'other'",
    "greet.calls = 1; greet.__defaults__ = ('all',)",
    "greet.__code__ = (lambda name, *, loud=False: 'hacked').__code__",
    "greet = cache(greet)",
    "greet = 5",
    "Note = greet; Plain = 1",
    "n = lambda: 1",
    "class n: pass",
    "del greet, Note, Plain",
    "take_away()",
    "def sum(values): return 'mine'\nsum([1])",
    "sum = 5; len = lambda x: 42",
    "import json; import os.path as threading",
    "from string import *",
    "from string import digits as n",
    "globals()['n'] = 5; globals()['new'] = 6",
    "globals().clear()",
    "del globals()['n']",
    "exec('n = 5; new = 6; del text')",
    "exec('def greet(): return 5')",
    "eval('items.append(5)')",
    "[n := 5 for _ in range(3)]",
    "for n in items: pass",
    "with open('/dev/null') as n: pass",
    "try:\n    raise ValueError\nexcept ValueError as n:\n    pass",
    "import workspace; workspace.n = 5; workspace.new = 6; workspace.items.append(1)",
    "if True:\n    def greet(): return 6\n    class Note: pass",
    "n: int = 5",
    "items[:] = []; plain.x = items; note.tags = items; world.plain = items; mixed = items",
    "items.append(items)",
    "plain.__dict__.update(z=1); plain.__dict__.pop('x')",
    "image.modules['made'] = 'x = 1'",
]

FAILURES = {
    "division": "1 / 0",
    "name": "there_is_no_such_name",
    "exit": "raise SystemExit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "recursion": "def deeper(): return deeper()\ndeeper()",
    "memory": "raise MemoryError",
    "generator exit": "raise GeneratorExit",
    "an exception that cannot be shown": "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
}


@pytest.fixture
def prepared(system: System) -> System:
    """An image with something of every kind in it."""
    system.run(BEFORE)
    return system


@pytest.mark.parametrize("resting", [False, True], ids=["loaded", "resting"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_turn_that_fails_leaves_no_trace(prepared: System, change: str, resting: bool) -> None:
    """Whatever it had changed before, everything is as it was: at once, and in another process."""
    before = prepared.show(STATE)
    if resting:
        prepared.resume()
        assert "<Lost" in prepared.show("mixed")
        prepared.run("mixed['lock'] = threading.Lock()")
    file = prepared.file()
    prepared.fail(f"{change}\n1 / 0")
    assert prepared.file() == file
    assert prepared.show(STATE) == before
    prepared.run("n += 1")
    prepared.run("n -= 1", "mixed['lock'] = 'none'")
    assert prepared.elsewhere("mixed['lock'] = threading.Lock()", STATE)[1] == before


@pytest.mark.parametrize("failure", FAILURES)
def test_however_a_turn_fails_it_leaves_no_trace(prepared: System, failure: str) -> None:
    """SystemExit and Ctrl-C too end the turn and not the system."""
    before = prepared.show(STATE)
    prepared.fail("\n".join([*CHANGES[:3], "note.tags.add('b'); greet.calls = 1; Note.limit = 9", FAILURES[failure]]))
    assert prepared.show(STATE) == before


@pytest.mark.parametrize(
    "source",
    ["n = ", "n = 2\nthis is no Python", "x = (" + "(" * 300 + ")" * 301, "n = 2\0", "x = " + "-" * 100_000 + "1", "\udc80", "return 1",
     "def f():\n  break"],
)  # fmt: skip
def test_a_source_that_cannot_be_compiled_runs_not_at_all(prepared: System, source: str) -> None:
    """Not even the statements before the one that is wrong."""
    error = prepared.fail(source)
    assert isinstance(error, (SyntaxError, UnicodeError, RecursionError, MemoryError))
    assert prepared.run("n") == 1


def test_many_failures_leave_no_trace(prepared: System) -> None:
    """One after the other, each on top of what the one before would have left."""
    before = prepared.show(STATE)
    for change in CHANGES:
        prepared.fail(f"{change}\n1 / 0")
    assert prepared.show(STATE) == before
    assert prepared.elsewhere("mixed['lock'] = threading.Lock()", STATE)[1] == before


def test_the_block_of_a_turn_that_raises_leaves_no_trace(prepared: System) -> None:
    """`with image.turn(...)` is a turn like any other."""
    before = prepared.show(STATE)
    with pytest.raises(ZeroDivisionError), prepared.image.turn("fails") as world:  # noqa: PT012 - the block is the turn
        world.note.tags.add("b")
        world.tree["a"].append(2)
        world.new = 1
        raise ZeroDivisionError
    assert prepared.show(STATE) == before


def test_a_turn_that_cannot_be_written_leaves_no_trace(prepared: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that fails is a turn that fails."""
    before = prepared.show(STATE)
    for place in ("tpc_vote", "store"):
        with monkeypatch.context() as patch:

            def fail(*_args: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(prepared.image._connection._storage, place, fail)
            error = prepared.fail(
                "n = 2; items.append(1); note.tags.add('b'); world.tree['a'].append(2); mixed['lock'] = 5; Note.limit = 8"
            )
        assert isinstance(error, piety.PietyError)
        assert prepared.show(STATE) == before


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # it is open until the system stops
def test_a_failed_turn_does_not_lose_what_cannot_be_stored(system: System) -> None:
    """The lock and the file are those from before."""
    system.run("import threading; lock = threading.Lock(); held = {'lock': lock, 'file': open('/etc/hostname')}")
    system.run("lock.acquire()")
    system.fail("lock = held = None; 1 / 0")
    system.fail("held['n'] = 1; held['file'] = None; 1 / 0")
    assert system.run("lock.locked(), held['lock'] is lock, held['file'].closed, len(held)") == (True, True, False, 2)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_failed_turn_closes_the_file_that_it_opened(system: System) -> None:
    """Nobody else has it; the traceback goes with the outcome."""
    outcome = system.image.evaluate("file = open('/etc/hostname'); image.number = file.fileno(); 1 / 0")
    number = system.image.number  # type: ignore[attr-defined]
    assert outcome.error is not None
    del outcome
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_ctrl_c_stops_the_turn(prepared: System) -> None:
    """And nothing else."""
    before = prepared.show(STATE)
    error = prepared.fail(
        "import os, signal\nitems.append(1)\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(10**9): pass"
    )
    assert isinstance(error, KeyboardInterrupt)
    assert prepared.show(STATE) == before


def test_ctrl_c_during_a_commit_waits_for_the_end_of_the_turn(
    prepared: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is being written is written, whole; then the interrupt comes to whoever asked for the turn."""
    storage = prepared.image.storage
    finish = storage._finish

    def interrupted(*args: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        finish(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it is for one turn only
        patch.setattr(storage, "_finish", interrupted)
        prepared.image.evaluate("n = 5; items.append(7)")
    assert prepared.run("n, items[-1]") == (5, 7)
    assert prepared.elsewhere("n, items[-1]") == ["(5, 7)"]


def test_ctrl_c_stops_a_state_that_does_not_come(prepared: System) -> None:
    """An object that computes for ever when it is to be written; nothing was written then."""
    prepared.run(
        "import os, persistent, signal\n"
        "class Slow(persistent.Persistent):\n"
        "    def __getstate__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        for _ in range(10**9): pass"
    )
    before = prepared.show(STATE)
    assert isinstance(prepared.fail("items.append(1); kept = Slow()"), KeyboardInterrupt)
    assert prepared.show(STATE) == before
    assert prepared.run("'kept' in globals()") is False


def test_what_a_turn_can_print_is_bounded(prepared: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in memory; a turn that wants more is undone, and what it has printed is told."""
    monkeypatch.setattr(printing, "MOST", 1000)
    before = prepared.show(STATE)
    outcome = prepared.image.evaluate("items.append(1)\nwhile True: print('x' * 99)")
    assert isinstance(outcome.error, piety.PietyError)
    assert outcome.output == ("x" * 99 + "\n") * 10
    assert prepared.show(STATE) == before


@pytest.mark.parametrize("source", ["image.evaluate('1')", "with image.turn('t'): pass", "image.close()"])
def test_turns_do_not_nest(system: System, source: str) -> None:
    """And the image is not closed under a turn that runs."""
    assert isinstance(system.fail(f"x = 1\n{source}"), piety.PietyError)
    assert system.run("1 + 1") == 2


def test_a_turn_says_who_and_what(system: System) -> None:
    """In one line, and without extension data."""
    system.image.evaluate("x = 1\ny = 2", user="eve")
    with system.image.turn("two\nlines", user="adam"):
        system.image.world.x = 1
    log = system.image._db.storage.undoLog(0, 2)
    assert [(each["user_name"], each["description"]) for each in log] == [(b"adam", b"two ..."), (b"eve", b"x = 1 ...")]


def test_a_turn_that_changes_nothing_writes_nothing(prepared: System) -> None:
    """Reading, calling, copying: the file stays as it is, to the byte."""
    file = prepared.file()
    prepared.run(
        "items, note.tags, world.tree['a']",
        "[each for each in items]",
        "greet()",
        STATE,
        "import threading",
        "print(n)",
        "n = n; items = items",
    )
    with prepared.image.turn("reads") as world:
        assert world.note.tags
    assert prepared.file() == file


@pytest.mark.parametrize("source", ["1 / 0", "x = 1\n1 / 0", "1 / 0\n"])
def test_carets_stand_under_what_has_failed(system: System, source: str) -> None:
    """Also in the last line, whether it has an end or not."""
    assert "    1 / 0\n    ~~^~~\n" in system.image.evaluate(source).traceback
