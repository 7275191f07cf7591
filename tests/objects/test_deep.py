"""What is nested deeper than Python's stack is stored like all else, whatever it consists of."""

from __future__ import annotations

import collections
import gc
import pickle
import time
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piety.objects import deep
from piety.objects.deep import DeepPickler
from piety.objects.pickling import RecordPickler, Rules
from tests.conftest import SEEDS, System

DEPTH = 2_000  # more than any of the Pythons can do on its own stack
HUGE = 100_000

CODE = """
from collections import namedtuple
from persistent import Persistent
from persistent.mapping import PersistentMapping

class Node:
    def __init__(self, next): self.next = next

class Slot:
    __slots__ = ('next',)
    def __init__(self, next): self.next = next

class Own(list):
    def __init__(self, next): self.next = next; self.append(next)
    def __reduce__(self): return Own.__new__, (Own,), {}, iter([self.next])
    next = property(lambda self: self[0], lambda self, next: None)

class Leaf(Persistent):
    n = 0

Pair = namedtuple('Pair', 'next')
MAKE = {
    'nodes': [Node], 'slots': [Slot], 'lists': [lambda v: [v]], 'dicts': [lambda v: {'next': v}], 'tuples': [lambda v: (v,)],
    'pairs': [Pair], 'subclasses': [Own], 'keys': [lambda v: {(): 1, 'next': v}],
    'mixed': [Node, lambda v: [v], lambda v: {'next': v}, lambda v: (v,), Slot, Pair, lambda v: (0, v, 1, 2)],
}

def nest(kind, depth, bottom):
    makers = MAKE[kind]
    for n in range(depth):
        bottom = makers[n % len(makers)](bottom)
    return bottom

def step(value):
    if type(value) is dict: return value['next']
    if type(value) is tuple: return value[0 if len(value) == 1 else 1]
    return value[0] if isinstance(value, (list, tuple)) else value.next

def dig(value, depth):
    for _ in range(depth):
        value = step(value)
    return value
"""  # fmt: skip
KINDS = ["nodes", "slots", "lists", "dicts", "tuples", "pairs", "subclasses", "keys", "mixed"]


@pytest.fixture
def made(system: System) -> System:
    """An image with the code that nests."""
    system.run(CODE)
    return system


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["v", "leaf.v"])
def test_what_is_nested_deep_is_stored(made: System, kind: str, place: str) -> None:
    """And what a turn changes at its bottom; a turn that fails changes nothing there, one that reads writes nothing."""
    made.run("leaf = world.leaf = Leaf()")
    assert made.notices(f"{place} = nest({kind!r}, {DEPTH}, ['bottom'])") == []
    assert made.elsewhere(f"dig({place}, {DEPTH})", f"dig({place}, {DEPTH}).append(1)") == ["['bottom']", "None"]
    made.run(f"dig({place}, {DEPTH}).append(2)")
    made.fail(f"dig({place}, {DEPTH}).append('failed'); 1 / 0")
    assert made.run(f"dig({place}, {DEPTH})") == ["bottom", 1, 2]
    file = made.file()
    made.run(f"dig({place}, {DEPTH})")
    made.resume()
    made.run(f"dig({place}, {DEPTH})")
    for seed in SEEDS:
        assert made.elsewhere(f"dig({place}, {DEPTH})", seed=seed) == ["['bottom', 1, 2]"]
    assert made.file() == file


@pytest.mark.parametrize("kind", ["nodes", "tuples"])
def test_however_deep(made: System, kind: str) -> None:
    """A hundred thousand, in a time that a person waits for."""
    assert made.notices(f"v = nest({kind!r}, {HUGE}, ['bottom'])") == []
    made.run(f"dig(v, {HUGE}).append(1)")
    made.fail(f"dig(v, {HUGE}).append('failed'); 1 / 0")
    assert made.elsewhere(f"dig(v, {HUGE})", "del v") == ["['bottom', 1]", "None"]


@pytest.mark.parametrize("kind", KINDS)
def test_persistent_objects_within(made: System, kind: str) -> None:
    """They have records of their own, new ones and known ones."""
    made.run(
        "known = world.known = Leaf()",
        f"world.v = PersistentMapping(v=nest({kind!r}, {DEPTH}, [known, Leaf(), known]))",
    )
    made.run(f"dig(world.v['v'], {DEPTH})[1].n = 5; known.n = 3")
    assert made.elsewhere(
        f"[each.n for each in dig(world.v['v'], {DEPTH})], dig(world.v['v'], {DEPTH})[0] is known"
    ) == ["([3, 5, 3], True)"]


@pytest.mark.parametrize("kind", ["nodes", "slots", "lists", "dicts", "tuples", "pairs", "mixed"])
def test_a_circle(made: System, kind: str) -> None:
    """The bottom holds the top."""
    made.run(f"v = nest({kind!r}, {DEPTH}, [])\ndig(v, {DEPTH}).append(v)")
    made.run(f"w = dig(v, {DEPTH})[0] is v; dig(v, {DEPTH}).append(w)")
    assert made.elsewhere(f"dig(v, {DEPTH})[0] is v, dig(v, {DEPTH})[1]") == ["(True, True)"]


def test_what_two_variables_share_deep_down_stays_shared(made: System) -> None:
    """They are in one record."""
    made.run("inner = [1]", f"v = nest('mixed', {DEPTH}, inner)", "inner.append(2)")
    assert made.elsewhere(f"dig(v, {DEPTH}) is inner, inner") == ["(True, [1, 2])"]


def test_what_two_objects_share_deep_down_is_told(made: System) -> None:
    """Without a path of a thousand steps."""
    made.run(f"world.one = Leaf(); world.one.v = nest('nodes', {DEPTH}, [])")
    (notice,) = made.notices(f"world.two = Leaf(); world.two.x = dig(world.one.v, {DEPTH})")
    assert "more ..." in notice
    assert len(notice) < 1000


def test_a_lock_deep_down(made: System) -> None:
    """It alone is lost, not what it hangs on."""
    (notice,) = made.notices(f"import threading\nv = nest('mixed', {DEPTH}, [1, threading.Lock()])")
    assert "v holds a _thread.lock" in notice
    made.run(f"dig(v, {DEPTH})[0] = 2")
    assert made.run(f"type(dig(v, {DEPTH})[1]).__name__") == "lock"
    assert made.elsewhere(f"dig(v, {DEPTH})[0], type(dig(v, {DEPTH})[1]).__name__") == ["(2, 'Lost')"]


def test_one_beside_what_fails(made: System) -> None:
    """The variable that is nested deep is stored, and so is the rest of the one whose part fails."""
    made.run("class Bad:\n    def __reduce__(self): return list, (), None, iter(x for x in [1] if 1 / 0)")
    (notice,) = made.notices(f"leaf = Leaf(); leaf.bad = Bad(); leaf.deep = nest('nodes', {DEPTH}, [1])")
    assert "workspace.Bad" in notice
    assert made.elsewhere(f"dig(leaf.deep, {DEPTH}), type(leaf.bad).__name__") == ["([1], 'Lost')"]


def test_an_object_without_end_is_told(made: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken apart into ever new ones: that stops, the turn is committed, and the object stays as it is."""
    monkeypatch.setattr(deep, "DEEPEST", 10_000)
    begin = time.monotonic()
    made.run("class Endless:\n    def __reduce__(self): return Endless, (Endless(),)")
    (notice,) = made.notices("beside = [1]; endless = Endless()")
    assert "endless holds a workspace.Endless" in notice
    made.run("beside.append(2)")
    assert made.notices("type(endless)") == []
    assert time.monotonic() - begin < 30
    assert made.elsewhere("beside, type(endless).__name__") == ["([1, 2], 'Lost')"]


# -- the pickler itself


class Plain:
    """Instances have attributes."""

    def __init__(self, **names: Any) -> None:
        vars(self).update(names)


class Slots:
    """Instances have slots."""

    __slots__ = ("one", "two")


class Named(dict[str, Any]):
    """Made with `__newobj_ex__`."""

    def __new__(cls, *args: Any, **names: Any) -> Named:
        return super().__new__(cls)

    def __getnewargs_ex__(self) -> tuple[Any, Any]:
        return (1,), {"x": 2}


class Set:
    """Filled by a function of its own."""

    def __reduce__(self) -> Any:
        return Plain, (), {"x": 1}, None, None, fill


class Outer:
    """Holds a class."""

    class Inner:
        """Has a qualified name."""


def fill(obj: Any, state: Any) -> None:
    """Give an object its state."""
    vars(obj).update(state)


def circles() -> list[Any]:
    """Objects that hold themselves."""
    inner: list[Any] = []
    pair, four = (inner,), (inner, 1, 2, 3)
    inner += [pair, four, inner]
    plain = Plain(pair=pair)
    plain.me = plain  # type: ignore[attr-defined]
    key: dict[Any, Any] = {}
    key["me"] = (key, frozenset({plain}))
    return [inner, pair, four, plain, key]


def both(value: Any) -> tuple[bytes, bytes]:
    """The pickles of both picklers."""
    picklers: list[tuple[type[Rules], BytesIO]] = [(RecordPickler, BytesIO()), (DeepPickler, BytesIO())]
    for kind, file in picklers:
        kind(file, lambda obj: None, lambda obj: Plain()).dump(value)  # type: ignore[attr-defined]
    quick, slow = (file.getvalue() for _kind, file in picklers)
    return quick, slow


OTHERS = [
    *circles(), collections.OrderedDict(a=[1]), collections.deque([1, [2]]), collections.Counter("abca"), collections.defaultdict(list, a=[1]),
    Named(a=1), Set(), Outer.Inner, Outer.Inner(), Outer, len, [].append, "abc".upper, type(None), type(...), NotImplemented, ..., int, fill,
    collections, ValueError("no", 1), range(5), complex(1, 2), bytearray(b"abc"), bytearray(), 1 << 100, -5, 300, 70000, 1 << 31, "\ud800",
    b"x" * 300, "x" * 300, set(), frozenset(), {frozenset({1})}, Plain(), Plain(a=Plain(), b=[Plain()]), Slots(), list(range(1500)),
    dict.fromkeys(range(1500)), pytest.approx, Plain.__init__, Plain().__init__, st.nothing,
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(OTHERS)))
def test_both_picklers_write_the_same_bytes(place: int) -> None:
    """Of anything."""
    quick, slow = both([OTHERS[place], (OTHERS[place],)])
    assert slow == quick
    pickle.loads(slow)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
        lambda each: (
            st.lists(each, max_size=5)
            | st.dictionaries(st.text(max_size=3), each, max_size=5)
            | st.lists(each, max_size=5).map(tuple)
            | st.builds(lambda one: [one, one, (one, one)], each)
            | st.builds(lambda one, two: Plain(one=one, two=two), each, each)
        ),
        max_leaves=30,
    )
)
def test_both_picklers_write_the_same_bytes_of_values(value: Any) -> None:
    """However they are put together."""
    quick, slow = both(value)
    assert slow == quick


def test_the_garbage_collector_is_as_it_was() -> None:
    """It rests while much is made and nothing let go."""
    both([1])
    assert gc.isenabled()
    gc.disable()
    try:
        both([1])
        assert not gc.isenabled()
    finally:
        gc.enable()
