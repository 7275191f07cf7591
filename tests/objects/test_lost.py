"""What cannot be stored: usable until the system stops, announced once, and a `Lost` after the resume."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from pathlib import Path

import pytest

from piety.objects.lost import Lost, LostError
from tests.conftest import System

HIDDEN = ("thread", "queue", "event")  # whose repr does not show the lock in them
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:coroutine:RuntimeWarning")

# Each makes `v`; what the notice and the `Lost` must say of it.
VOLATILE = {
    "lock": ("import threading\nv = threading.Lock()", "_thread.lock"),
    "event": ("import threading\nv = [threading.Event()]", "_thread.lock"),
    "thread": ("import threading\nv = threading.Thread(target=print)", "_thread."),
    "queue": ("import queue\nv = queue.Queue()", "_thread.lock"),
    "file": ("v = open('/etc/hostname')", "TextIOWrapper"),
    "socket": ("import socket\nv = socket.socket()", "socket.socket"),
    "generator": ("v = (i for i in range(3))", "generator"),
    "coroutine": ("async def f(): pass\nv = f()", "coroutine"),
    "lambda": ("v = [lambda: 1]", "function"),
    "closure": ("def make(x):\n    def inner(): return x\n    return inner\nv = make([1])", "make.<locals>.inner"),
    "local class": ("def make():\n    class Inner: pass\n    return Inner\nv = make()", "Inner"),
    "instance of a local class": ("def make():\n    class Inner: pass\n    return Inner()\nv = make()", "Inner"),
    "memoryview": ("v = memoryview(b'abc')", "memoryview"),
    "weak reference": ("class A: pass\na = A()\nimport weakref\nv = weakref.ref(a)", "weakref"),
    "proxy of a dict": ("import types\nv = types.MappingProxyType({})", "mappingproxy"),
    "dict views": ("d = {'a': 1}\nv = d.keys()", "dict_keys"),
    "frame": ("import sys\nv = sys._getframe()", "frame"),
    "traceback": ("try:\n    1 / 0\nexcept Exception as e:\n    v = e.__traceback__", "traceback"),
    "code": ("v = compile('1', 'f', 'eval')", "code"),
    "context variable": ("import contextvars\nv = contextvars.ContextVar('c')", "ContextVar"),
    "database": ("import sqlite3\nv = sqlite3.connect(':memory:')", "sqlite3.Connection"),
    "module that is no import": ("import types\nv = types.ModuleType('made')", "module"),
    "the image": ("v = image", "Image"),
    "one whose class says no": ("class A:\n    def __reduce__(self): raise TypeError('no')\nv = A()", "workspace.A"),
    "one whose state fails": ("class A:\n    def __getstate__(self): raise ValueError('no')\nv = [A()]", "workspace.A"),
    "one whose items fail": ("class A(list):\n    def __iter__(self): raise ValueError('no')\nv = A([1])", "workspace.A"),
    "one whose items fail late": (
        "class A:\n    def __reduce__(self): return list, (), None, self.items()\n    def items(self):\n        yield 1\n        raise ValueError\nv = A()",
        "workspace.A",
    ),
    "one that lies about how it is made": ("class A:\n    def __reduce__(self): return 5, ()\nv = A()", "workspace.A"),
    "one that lies about its name": ("class A:\n    def __reduce__(self): return 'nowhere'\nv = A()", "workspace.A"),
    "one whose every attribute fails": ("class A:\n    def __getattribute__(self, name): raise ValueError(name)\nv = [A()]", "workspace.A"),
    "one that lies about its class": ("class A:\n    @property\n    def __class__(self): raise ValueError\nv = A()", "workspace.A"),
    "one whose repr fails too": (
        "class A:\n    def __reduce__(self): raise TypeError\n    def __repr__(self): raise ValueError\nv = [A()]", "<A instance at"
    ),
    "one that asks itself without end": ("class A:\n    def __reduce__(self): return self.__reduce__()\nv = A()", "workspace.A"),
    "of a class whose metaclass fails": (
        "class M(type):\n    def __eq__(c, o): raise ValueError\n    def __hash__(c): raise ValueError\nclass A(metaclass=M): pass\n"
        "v = [A(), A, {1: A()}, open('/dev/null')]", ""
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", VOLATILE)
def test_what_cannot_be_stored(system: System, kind: str) -> None:
    """The rest of the turn is committed; it stays as it is until the stop; it is announced once, by name; then it is a Lost."""
    source, says = VOLATILE[kind]
    system.run("before = 1")
    notices = system.notices(f"{source}\nbeside = [1]")
    notice = next(each for each in notices if each.startswith("v holds"))
    assert says in notice
    assert "cannot be stored" in notice
    kept = system.run("v")
    file = system.file()
    assert system.notices("beside, before") == []
    assert system.notices("v") == []
    system.run("v" if kind == "one whose every attribute fails" else "v, type(v)")
    assert system.file() == file
    assert system.notices("beside.append(2)") == []
    system.fail("v = 5; 1 / 0")
    assert system.run("v") is kept
    assert system.notices("other = [v]") != []
    system.run("del other")
    del kept
    system.resume()
    assert system.run("beside, before") == ([1, 2], 1)
    shown = system.show(
        "[vars(each) for each in [v, *(v if type(v) is list else [])] if hasattr(each, '__dict__')]"
        if kind in HIDDEN
        else "v"
    )
    assert "<Lost: " in shown
    file = system.file()
    system.run("v")
    assert "<Lost: " in system.elsewhere("v, beside")[0] or kind in HIDDEN
    assert system.file() == file


def test_a_lost_says_what_it_was_and_how_to_get_it_again(system: System) -> None:
    """And which turn made it."""
    system.run("lock = __import__('threading').Lock()")
    system.resume()
    assert system.show("lock").startswith("<Lost: a _thread.lock (<unlocked _th")
    assert system.show("lock").endswith(
        """made by turn "lock = __import__('threading').Lock()"; to get it again: evaluate "lock = __import__('threading').Lock()">"""
    )


@pytest.mark.parametrize(
    "use",
    ["lost.acquire()", "lost()", "lost[0]", "lost + 1", "1 + lost", "len(lost)", "if lost: pass", "for _ in lost: pass", "with lost: pass",
     "lost.x = 1", "lost < 1", "int(lost)", "lost[0] = 1", "next(lost)", "1 in lost", "del lost.x", "float(lost)", "abs(lost)", "-lost",
     "lost @ 1", "lost ** 2", "lost | 1", "divmod(lost, 1)", "lost += 1", "round(lost)", "[*lost]", "{**lost}", "bytes(lost)", "reversed(lost)"],
)  # fmt: skip
def test_using_a_lost_says_so(system: System, use: str) -> None:
    """Whatever is done with it."""
    system.run("lost = open('/etc/hostname')")
    system.resume()
    error = system.fail(use)
    assert isinstance(error, LostError), repr(error)
    assert "this was a" in str(error)
    assert "evaluate \"lost = open('/etc/hostname')\"" in str(error)


@pytest.mark.parametrize(
    "look",
    ["repr(lost)", "str(lost)", "f'{lost}'", "f'{lost!r:>5}'", "type(lost)", "isinstance(lost, int)", "lost is None", "lost == 1", "hash(lost)",
     "[lost]", "print(lost)", "callable(lost)", "id(lost)", "hasattr(lost, '__len__')", "lost in [lost]", "{lost: 1}", "dir(lost)", "other = lost"],
)  # fmt: skip
def test_looking_at_a_lost_is_safe(system: System, look: str) -> None:
    """A tool may show it without being in the way."""
    system.run("lost = open('/etc/hostname')")
    system.resume()
    system.run(look)


def test_a_lost_can_be_copied_and_kept(system: System) -> None:
    """It stays what it is over many stops."""
    system.run("lost = [open('/etc/hostname')]")
    for _ in range(3):
        system.resume()
        system.run("import copy; other = copy.deepcopy(lost); lost.append(1)")
    assert "<Lost" in system.elsewhere("lost, other")[0]


def test_a_lost_is_replaced_by_making_it_again(system: System) -> None:
    """The name is an ordinary one."""
    system.run("import threading", "lock = threading.Lock()")
    system.resume()
    assert type(system.run("lock")) is Lost
    assert system.notices("lock = threading.Lock()") != []
    assert system.run("lock.acquire()") is True


def test_each_volatile_object_is_announced_once(system: System) -> None:
    """By the name that holds it; another object, or another name, is news."""
    system.run("import threading")
    assert len(system.notices("a = threading.Lock()")) == 1
    assert system.notices("a = a; x = 1") == []
    assert len(system.notices("b = a")) == 1
    assert len(system.notices("a = threading.Lock()")) == 1
    assert len(system.notices("d = {'n': threading.Lock(), 'm': 1}")) == 1
    assert system.notices("d['m'] = 2") == []


def test_a_volatile_object_in_a_persistent_one_is_announced_by_its_name(system: System) -> None:
    """With the number that finds it."""
    system.run("from persistent import Persistent\nimport threading\nclass Note(Persistent): pass\nworld.note = Note()")
    (notice,) = system.notices("world.note.lock = threading.Lock(); world.note.n = 1")
    assert notice.startswith("Note 0x")
    system.run("world.note.lock.acquire()", "world.note.n = 2", "world.note.more = [1]", "world.note.more.append(2)")
    system.fail("world.note.n = 3; world.note.lock = None; 1 / 0")
    assert system.run("world.note.lock.locked(), world.note.n, world.note.more") == (True, 2, [1, 2])
    system.resume()
    assert "<Lost" in system.show("world.note.lock")
    assert system.run("world.note.n, world.note.more") == (2, [1, 2])


@pytest.mark.parametrize(
    ("made", "gone"),
    [("f = open('/etc/hostname')", "del f"), ("f = open('/etc/hostname')", "f = 1"), ("f = {'k': [open('/etc/hostname')]}", "f['k'].clear()"),
     ("world.f = [open('/etc/hostname')]", "del world.f"), ("f = g = open('/etc/hostname')", "del f, g")],
)  # fmt: skip
def test_a_file_is_closed_when_its_last_name_goes(system: System, made: str, gone: str) -> None:
    """The process holds it only as long as the image does."""
    before = set(os.listdir("/proc/self/fd"))
    system.run(
        "other = [1]",
        made,
        "number = [1]",
        "other.append(2)",
        "f" if made[0] == "f" else "world.f",
        "number.append(f is f)" if made[0] == "f" else "1",
    )
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1
    system.run(gone)
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_value_that_shares_with_a_volatile_one_is_stored_beside_it(system: System) -> None:
    """What the closure holds is also a variable, and keeps its value."""
    system.run(
        "def counter(items):\n    def add(n):\n        items.append(n)\n        return len(items)\n    return add"
    )
    system.run("items = []; add = counter(items)", "add(1)", "add(2)")
    system.fail("add(3); 1 / 0")
    assert system.run("items") == [1, 2]
    system.resume()
    assert system.run("items") == [1, 2]
    assert isinstance(system.fail("add(3)"), LostError)


def test_an_object_that_cannot_be_made_again_does_not_take_others_with_it(system: System) -> None:
    """Its record is read all the same; what the image has of it is kept until its class is mended."""
    system.run(
        "class Note:\n    def __init__(self, text): self.text = text\n    def __setstate__(self, state): self.text = state['text']",
        "class Bag(list):\n    def __reduce__(self): return Bag, (), {'n': 1}, iter(self)\n    def __setstate__(self, state): pass",
        "class Odd:\n    def __reduce__(self): return int, ('x',)",
        "notes = {'a': Note('adam'), 'bag': Bag([1, 2]), 'odd': Odd(), 'n': [1, 2]}; alias = notes['n']",
    )
    system.run("class Note:\n    def __setstate__(self, state): raise ValueError('mended later')",
               "class Bag(list):\n    def extend(self, items): raise ValueError('no')\n    append = extend")  # fmt: skip
    system.resume()
    shown = system.show("notes")
    assert shown.count("<Lost: what workspace.") == 2
    assert "ValueError: mended later" in shown
    assert "ValueError: invalid literal" in shown
    assert isinstance(system.fail("notes['a'].text"), LostError)
    file = system.file()
    system.run("notes", "alias")
    assert system.file() == file
    system.run("notes['n'].append(3)")
    assert system.run("alias is notes['n'], alias") == (True, [1, 2, 3])
    system.run(
        "class Note:\n    def __setstate__(self, state): self.text = state['text'].upper()",
        "class Bag(list):\n    def __setstate__(self, state): pass",
    )
    assert system.elsewhere("notes['a'].text, list(notes['bag']), notes['n']") == ["('ADAM', [1, 2], [1, 2, 3])"]


@pytest.mark.parametrize("times", range(12))
def test_an_object_that_fails_once_when_it_is_looked_at_leaves_no_doubt(
    system: System, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """At whatever look: the turn is undone, or done, also when that is one only for what is to be said of it."""
    monkeypatch.setattr(sys, "looks", itertools.count(), raising=False)  # no failed turn sets it back
    system.run(
        "class Sly:\n    def __reduce__(self):\n        import sys\n"
        f"        if next(sys.looks) == {times}: raise SystemExit\n        return object, ()"
    )
    outcome = system.image.evaluate("import threading\na = [Sly(), threading.Lock()]; b = [Sly()]; n = 1")
    asked = [system.image.evaluate("'n' in globals()") for _ in range(2)]  # these look at it too
    assert {each.value for each in asked if each.error is None} == {outcome.error is None}


def test_a_file_is_written_out_when_the_system_stops(system: System, tmp_path: Path) -> None:
    """What was written to an open file is on the disk after the image is closed, however the file is held."""
    path = tmp_path / "notes.txt"
    system.run(f"f = open({str(path)!r}, 'w')", "held = [f]", "f.write('kept') and None")
    system.image.close()
    assert path.read_text() == "kept"


def test_an_object_of_a_lost_class_says_how_to_get_it_again(system: System) -> None:
    """A class made inside of a function cannot be stored; an object of it is lost with it, and says the same."""
    system.run("def make():\n    class Inner: pass\n    return Inner()", "inner = make()")
    system.resume()
    told = system.show("inner")
    assert "make.<locals>.Inner" in told
    assert "to get it again: evaluate 'inner = make()'" in told
    assert told.count("<Lost") == 1


def test_an_object_whose_repr_fails_is_told_as_lost(system: System) -> None:
    """What cannot be stored need not be able to say what it is."""
    system.run("class Shy:\n    def __repr__(self): raise ValueError\n    def __reduce__(self): raise TypeError")
    (notice,) = system.notices("x = Shy()")
    assert notice.startswith("x holds a workspace.Shy (")
    assert system.elsewhere("x")[0].startswith("<Lost: a workspace.Shy (")
