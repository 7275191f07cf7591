"""What is different between two sources: told by definition, and never silent about a difference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piety.objects.codediff import by_definition, parts

OLD = '''"""About."""

import os

X = 1


class Note:
    """A note."""

    kind = "plain"

    @property
    def size(self):
        return len(self.text)

    @size.setter
    def size(self, value):
        pass

    class Inner:
        def deep(self): return 1

    def add(self, text):
        self.text += text


@decorated
def double(n):
    return 2 * n
'''


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("return 2 * n", "return n + n", ["~ double"]),
        ("@decorated\n", "", ["~ double"]),
        ("        self.text += text", "        self.text = text", ["~ Note.add"]),
        ('kind = "plain"', 'kind = "fancy"', ["~ Note"]),
        ("X = 1", "X = 2", ["~ the rest"]),
        ("deep(self): return 1", "deep(self): return 2", ["~ Note.Inner.deep"]),
        ("        pass", "        self.text = value", ["~ Note.size"]),
        ("def add(", "def append(", ["+ Note.append", "- Note.add"]),
        ("@decorated\ndef double(n):\n    return 2 * n\n", "", ["- double"]),
    ],
)
def test_the_definition_is_named(old: str, new: str, told: list[str]) -> None:
    assert old in OLD
    lines = list(by_definition(OLD, OLD.replace(old, new)))
    assert [line for line in lines if line[:2] in ("~ ", "+ ", "- ") and line[2:3] != " "] == told


def test_what_only_moved_is_told_as_a_text() -> None:
    moved = "def b(): pass\n\n\ndef a(): pass\n"
    assert next(iter(by_definition("def a(): pass\n\n\ndef b(): pass\n", moved))).startswith("@@")


def test_what_is_no_python_is_told_as_a_text() -> None:
    assert list(by_definition("a (\n", "b (\n")) == ["@@ -1,1 +1,1 @@", "-a (", "+b ("]
    assert parts("\x00") is None


LINES = st.lists(
    st.sampled_from(["x = 1", "def f(): pass", "class C:", "    y = 2", "    def g(self):", "        return 1", "", "@d", "# c"]),
    max_size=12,
).map("\n".join)


@given(LINES, LINES)
def test_no_difference_is_passed_over(old: str, new: str) -> None:
    assert bool(list(by_definition(old, new))) == (old != new)
