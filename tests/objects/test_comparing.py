"""What is different between two values: nothing where they are the same, and no more than what is."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piety.objects.comparing import CLIPPED, brief, compare, unified
from piety.objects.same import same

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(0, 3), inner, max_size=4)
        | st.sets(st.integers(0, 9) | st.text(max_size=2), max_size=4)
    ),
    max_leaves=12,
)


class Hostile:
    """Whatever is asked of it fails."""

    def __init__(self, **held: Any) -> None:
        self.__dict__.update(held)

    def __repr__(self) -> str:
        raise SystemExit

    def __eq__(self, other: object) -> bool:
        raise SystemExit

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name) if name.startswith("__") else SystemExit

    __hash__ = None  # type: ignore[assignment]


class Slotted:
    """Has its attributes in slots, of which one is empty."""

    __slots__ = ("empty", "x")

    def __init__(self, x: int) -> None:
        self.x = x


def lines(old: Any, new: Any) -> list[str]:
    return list(compare(old, new, "x"))


@given(VALUES, VALUES)
def test_nothing_is_said_of_what_is_the_same_and_something_of_the_rest(old: Any, new: Any) -> None:
    assert bool(lines(old, new)) == (not same(old, new))
    assert lines(old, old) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (1, 2, ["x: 1 -> 2"]),
        (1, True, ["x: 1 -> True"]),
        (0.0, -0.0, ["x: 0.0 -> -0.0"]),
        (math.nan, math.nan, []),
        ([1, 2, 3], [1, 3], ["- x[1]: 2"]),
        ([1, 3], [0, 1, 2, 3], ["+ x[0]: 0", "+ x[2]: 2"]),
        ([[1], [2]], [[1], [2, 3]], ["+ x[1][1]: 3"]),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, ["- x['a']: 1", "x['b']: 2 -> 3", "+ x['c']: 4"]),
        ({1: 5, "1": 2}, {1: 5, "1": 3}, ["x['1']: 2 -> 3"]),
        ({1, 2}, {2, 3}, ["- x: 1", "+ x: 3"]),
        ("a\nb\n", "a\nc\n", ["x:", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
        (Hostile(a=1), Hostile(a=2), ["x.a: 1 -> 2"]),
        ({"k": Hostile(a=[1])}, {"k": Hostile(a=[1], b=2)}, ["+ x['k'].b: 2"]),
        (Slotted(1), Slotted(2), ["x.x: 1 -> 2"]),
        ([Hostile(a=1), Hostile(a=2)], [Hostile(a=2)], ["- x[0]: Hostile(a=1)"]),
    ],
)
def test_a_line_for_each_difference(old: Any, new: Any, told: list[str]) -> None:
    assert lines(old, new) == told


def test_a_number_that_python_refuses_to_write() -> None:
    assert lines(10**5_000, 10**5_001) == ["x: <an int of 16,610 bits> -> <an int of 16,613 bits>"]


def test_circles_end() -> None:
    one: list[Any] = [1]
    one.append(one)
    other: list[Any] = [2]
    other.append(other)
    assert lines(one, other)[0] == "x[0]: 1 -> 2"
    assert len(lines(one, other)) < 100


def test_long_lists_are_compared_where_they_differ() -> None:
    """What comes before and after costs nothing but a look; too much of what differs is told in one line."""
    long = list(range(100_000))
    assert lines(long, [*long[:50_000], -1, *long[50_000:]]) == ["+ x[50000]: -1"]
    assert lines(long, [each + 1 for each in long]) == ["x[0:100000]: 100,000 items -> 100,000 others"]


@given(st.text("ab\n", max_size=30), st.text("ab\n", max_size=30))
def test_a_unified_diff_makes_one_text_of_the_other(old: str, new: str) -> None:
    assert patched(old, list(unified(old, new))) == new


def patched(old: str, told: list[str]) -> str:
    """The text that a diff makes of another one."""
    lines = old.split("\n")
    if lines[-1]:
        lines[-1] += "\n\\ No newline at end"
    else:
        lines.pop()
    made: list[str] = []
    place = 0
    for line in told:
        if line.startswith("@@"):
            begin, count = (int(each) for each in line.split()[1][1:].split(","))
            start = begin - 1 if count else begin
            made += lines[place:start]
            place = start
        elif line[0] == "+":
            made.append(line[1:])
        else:
            assert lines[place] == line[1:]
            place += 1
            if line[0] == " ":
                made.append(line[1:])
    made += lines[place:]
    text = "".join(f"{line}\n" for line in made)
    return text.removesuffix("\n\\ No newline at end\n")


@given(VALUES)
def test_a_value_in_a_few_words(value: Any) -> None:
    assert len(brief(value)) <= 3 * CLIPPED + 3
    assert "\n" not in brief(value)
