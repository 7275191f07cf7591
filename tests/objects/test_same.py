"""`same`: the only judge of whether a value has changed."""

from __future__ import annotations

import copy
import datetime
import pickle
import sys
from collections import OrderedDict, deque
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piety.objects.same import same

NAN = float("nan")


class Thing:
    """An ordinary object."""

    def __init__(self, x: Any = None) -> None:
        self.x = x


class Equal(Thing):
    """One that says that it is equal to all others."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


class Hostile(Thing):
    """One that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise ValueError

    def __hash__(self) -> int:
        return 1


class Broken:
    """One that cannot be taken apart."""

    def __reduce__(self) -> Any:
        raise ValueError


def twice(value: Any) -> list[Any]:
    """One object in two places."""
    return [value, value]


def cycle(*items: Any) -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = [*items]
    made.append(made)
    return made


SAME = [
    (1, 1), ("a", "".join(["a"])), (NAN, float("nan")), (-0.0, -0.0), (10**50, 10**50), (None, None), (b"a", bytes([97])),
    ([1, [2]], [1, [2]]), ({"a": 1}, {"a": 1}), ({1, 2}, {2, 1}), ({"x", "y", "z"}, {"z", "y", "x"}), (frozenset("ab"), frozenset("ba")),
    ({(1, "a"), frozenset("b")}, {frozenset("b"), (1, "a")}), ({NAN}, {float("nan")}), ({-0.0}, {-0.0}), (bytearray(b"a"), bytearray(b"a")),
    (Thing([1]), Thing([1])), (Thing(Thing()), Thing(Thing())), ({Thing(1), Thing(2)}, {Thing(2), Thing(1)}), (Equal(1), Equal(1)),
    ({Equal(1)}, {Equal(1)}), (Hostile(1), Hostile(1)), ({Hostile(1)}, {Hostile(1)}), ([Hostile(1)], [Hostile(1)]), (Decimal("1.0"), Decimal("1.0")),
    (datetime.date(2020, 1, 1), datetime.date(2020, 1, 1)), (deque([1], 3), deque([1], 3)), (OrderedDict(a=1), OrderedDict(a=1)),
    (len, len), (Thing, Thing), (sys, sys), (twice([1]), twice([1])), (cycle(1), cycle(1)), (twice("a" * 9), ["a" * 9, "".join(["a"] * 9)]),
    (twice((1, 2)), [(1, 2), pickle.loads(pickle.dumps((1, 2)))]), (ValueError("a"), ValueError("a")), (range(3), range(3)), ([1].append, [1].append),
    (complex(NAN, -0.0), complex(NAN, -0.0)), ([Broken] , [Broken]),
]  # fmt: skip

OTHER = [
    (1, 2), (1, True), (1, 1.0), (0.0, -0.0), ({0.0}, {-0.0}), ("a", b"a"), (None, False), (1, "1"), (10**50, 10**50 + 1),
    ([1], [2]), ([1], [1, 1]), ([1], (1,)), ([], ()), ([True], [1]), ({"a": 1}, {"a": 2}), ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": 1}, {"b": 1}), ({"a": 1}, OrderedDict(a=1)), ({1}, {True}), ({1}, {1, 2}), ({(1,)}, {(True,)}), (set(), frozenset()),
    (bytearray(b"a"), bytearray(b"b")), (bytearray(b"a"), b"a"), (Thing(1), Thing(2)), (Thing(1), Equal(1)), (Equal(1), Equal(2)),
    ({Equal(1)}, {Equal(2)}), (Thing([1]), Thing([2])), ({Thing(1), Thing(2)}, {Thing(1), Thing(3)}), (deque([1], 3), deque([1], 4)),
    (twice([1]), [[1], [1]]), ([[1], [1]], twice([1])), (cycle(1), cycle(2)), (cycle(1), [1, [1, None]]), (cycle(), twice([])),
    (len, print), (Thing, Equal), (Decimal("1.0"), Decimal("1.00")), (ValueError("a"), ValueError("b")), (ValueError("a"), KeyError("a")),
    ([1].append, [2].append), ([1].append, [1].pop), (Broken(), Broken()), (range(3), range(4)),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), SAME, ids=[str(number) for number in range(len(SAME))])
def test_same(old: Any, new: Any) -> None:
    """Nobody could tell them apart."""
    assert same(old, new)
    assert same([old], [new])
    assert same({"k": (old,)}, {"k": (new,)})


@pytest.mark.parametrize(("old", "new"), OTHER, ids=[str(number) for number in range(len(OTHER))])
def test_not_the_same(old: Any, new: Any) -> None:
    """A program could tell."""
    assert not same(old, new)
    assert not same(new, old)
    assert not same([old], [new])
    assert not same(Thing({1: (old,)}), Thing({1: (new,)}))


def test_sharing_counts() -> None:
    """In both directions, and across kinds of places."""
    one: list[int] = []
    assert not same({"a": one, "b": [one]}, {"a": [], "b": [[]]})
    assert not same({"a": [], "b": [[]]}, {"a": one, "b": [one]})
    assert same({"a": one, "b": [one]}, {"a": (other := []), "b": [other]})
    thing = Thing()
    assert not same([thing, Thing()], [thing2 := Thing(), thing2])


def test_depth_does_not_matter() -> None:
    """States can be deeper than Python's own stack."""

    def deep(bottom: Any) -> Any:
        for _ in range(100_000):
            bottom = [bottom]
        return bottom

    assert same(deep(1), deep(1))
    assert not same(deep(1), deep(2))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3)),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3),
        st.dictionaries(st.text(max_size=2), inside, max_size=3),
        st.tuples(inside, inside),
        st.frozensets(st.one_of(st.text(max_size=2), st.floats(), st.integers(0, 1), st.booleans()), max_size=3),
        inside.map(Thing),
        inside.map(twice),
    ),
    max_leaves=8,
)


@given(VALUES)
def test_a_copy_is_the_same(value: Any) -> None:
    """However it was copied."""
    assert same(value, copy.deepcopy(value))
    assert same(pickle.loads(pickle.dumps(value)), value)


@given(VALUES, VALUES)
def test_the_same_values_have_the_same_pickle_without_its_memo(one: Any, other: Any) -> None:
    """Two values that pickle to the same bytes are the same; those that are the same look the same."""
    if pickle.dumps(one) == pickle.dumps(other):
        assert same(one, other)
    if same(one, other):
        assert _text(one) == _text(other)


def _text(value: Any) -> str:
    if isinstance(value, Thing):
        return f"Thing({_text(value.x)})"
    if isinstance(value, (list, tuple)):
        return f"{type(value)}{[_text(each) for each in value]}"
    if isinstance(value, dict):
        return f"{[(key, _text(each)) for key, each in value.items()]}"
    if isinstance(value, frozenset):
        return f"{sorted(map(repr, value))}"
    return repr(value)
