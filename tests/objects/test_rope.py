"""Ropes: trees of characters that never change."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piety.objects import rope
from piety.objects.rope import LEAST, MOST, SHORT, Node, Rope

TEXTS = st.text(st.sampled_from("ab\n\r\0é\ud800𝄞"), max_size=40)


@pytest.fixture(autouse=True, params=["small", "as it is"])
def _sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is tried with small blocks too, so that few characters make a high tree."""
    if request.param == "small":
        monkeypatch.setattr(rope, "BLOCK", 8)
        monkeypatch.setattr(rope, "SHORT", 3)


def is_sound(tree: Rope) -> bool:
    """Whether all numbers are right, all leaves equally deep, and all nodes but the root as full as they must be."""
    return tree is None or (len(tree.entries) > (tree.height > 0) and all(_are_sound(tree)))


def _are_sound(node: Node) -> Iterator[bool]:
    yield 1 <= len(node.entries) <= MOST
    for child, chars, breaks in node.entries:
        if node.height:
            yield child.height == node.height - 1
            yield len(child.entries) >= LEAST
            yield (chars, breaks) == (rope.length(child), rope.breaks(child))
            yield from _are_sound(child)
        else:
            text = child if type(child) is str else child[0].data[child[1] : child[1] + chars]
            yield (chars, breaks) == (len(text), text.count("\n"))
            yield chars > 0


def made(text: str) -> Rope:
    tree = rope.build([text])
    assert is_sound(tree)
    return tree


@given(st.lists(TEXTS, max_size=30))
def test_what_is_built_is_what_was_given(texts: list[str]) -> None:
    """In any portions."""
    tree, whole = rope.build(texts), "".join(texts)
    assert is_sound(tree)
    assert rope.string(tree) == whole
    assert (rope.length(tree), rope.breaks(tree)) == (len(whole), whole.count("\n"))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60), TEXTS), max_size=40), st.text("ab\n", max_size=300))
def test_edits_are_those_of_a_string(edits: list[tuple[int, int, str]], text: str) -> None:
    """And each tree that was is as it was."""
    tree, trees = made(text), []
    for at, size, new in edits:
        trees.append((tree, text))
        start = min(at, len(text))
        end = min(start + size, len(text))
        tree = rope.replace(tree, start, end, rope.build([new]))
        text = text[:start] + new + text[end:]
        assert is_sound(tree)
    trees.append((tree, text))
    assert all(rope.string(each) == string for each, string in trees)


@given(st.text("ab\n", max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_parts_and_places_are_those_of_a_string(text: str, start: int, end: int) -> None:
    """A part as a rope and as a string, where lines begin, and in which line a character is."""
    tree = made(text)
    start, end = sorted((min(start, len(text)), min(end, len(text))))
    assert rope.string(tree, start, end) == text[start:end]
    piece = rope.part(tree, start, end)
    assert is_sound(piece)
    assert rope.string(piece) == text[start:end]
    lines = text.split("\n")
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lines[:-1])]
    assert [rope.start_of_line(tree, line) for line in range(len(lines))] == starts
    assert rope.start_of_line(tree, len(lines)) == len(text)
    assert rope.line_of(tree, start) == text.count("\n", 0, start)


def test_an_edit_makes_few_new_nodes() -> None:
    """Those on the way to it."""
    tree = rope.build(f"line {number}\n" for number in range(100_000))
    new = rope.replace(tree, 500_000, 500_003, rope.build(["new"]))

    def nodes(each: Rope) -> Iterator[int]:
        if each is not None:
            yield id(each)
            for child, _chars, _breaks in each.entries if each.height else ():
                yield from nodes(child)

    before = set(nodes(tree))
    assert len([each for each in nodes(new) if each not in before]) <= 3 * (tree.height + 1)


def test_what_is_typed_in_one_place_is_few_pieces() -> None:
    """And what was cut is whole again when that is taken out."""
    text = "x" * 1000
    tree = made(text)
    for number in range(200):
        tree = rope.replace(tree, 500 + number, 500 + number, rope.build(["y"]))
    assert is_sound(tree)
    assert sum(1 for _ in rope.chunks(tree)) < 1000 // rope.BLOCK + 2 + 200 / (rope.SHORT / 3)
    assert rope.string(rope.replace(tree, 500, 700, None)) == text


def test_a_hundred_thousand_line_ends_are_counted_by_halves() -> None:
    """Also where nothing else stands."""
    tree = made("\n" * 100_000)
    assert rope.start_of_line(tree, 77_777) == 77_777
    assert SHORT < 256
