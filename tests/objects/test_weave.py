"""What is away stays where it was among what is there; see also `test_text_model.py`."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from piety.objects.edits import Edit
from piety.objects.weave import Weave


def woven(*groups: tuple[Edit, int, bool]) -> Weave:
    weave = Weave()
    for group in groups:
        weave.follow(*group)
    return weave


def test_what_was_taken_comes_back_between_what_came_before_and_after_it() -> None:
    """`1` takes characters 3 to 5; `2` and `3` are put in where that was, and one of them before it was taken."""
    weave = woven((((2, 2, 1),), 2, False), (((3, 5, 0),), 1, False), (((3, 3, 4),), 3, False))
    assert weave.spans(1, True) == ((3, 3, 2),)
    assert weave.spans(2, True) == ((2, 3, 0),)
    assert not weave.in_the_way(1, True, {3})


def test_parts_that_came_back_between_are_left_where_they_are() -> None:
    """`1` takes the second of three, `2` the two others; then `1` is undone, and `2`."""
    weave = woven((((1, 2, 0),), 1, False), (((0, 2, 0),), 2, False), (((0, 0, 1),), 1, True))
    assert weave.spans(2, True) == ((0, 0, 1), (1, 1, 1))


def test_who_is_in_the_way() -> None:
    """Of what was put in: who has taken a part of it, or put something within it; of what was taken: who took both sides."""
    put_in: tuple[Edit, int, bool] = ((5, 5, 4),), 1, False
    assert woven(put_in, (((4, 6, 0),), 2, False)).in_the_way(1, True, set()) == {2}
    assert woven(put_in, (((7, 7, 1),), 2, False)).in_the_way(1, True, set()) == {2}
    assert woven(put_in, (((9, 9, 1),), 2, False), (((5, 5, 1),), 3, False)).in_the_way(1, True, {2, 3}) == set()
    taken: tuple[Edit, int, bool] = ((5, 9, 0),), 1, False
    assert woven(taken, (((4, 6, 0),), 2, False)).in_the_way(1, True, {2}) == {2}
    assert woven(taken, (((4, 6, 0),), 2, False), (((4, 4, 2),), 2, True)).in_the_way(1, True, {2}) == set()
    assert woven(taken, (((5, 6, 0),), 2, False)).in_the_way(1, True, {2}) == set()


def test_what_was_undone_by_another_rule_is_where_it_was_put_then() -> None:
    """As in the log of a text that an earlier version of Piety has kept."""
    weave = woven((((3, 5, 0),), 1, False), (((9, 9, 2),), 1, True))
    assert weave.spans(1, False) == ((9, 11, 0),)
    assert woven((((9, 9, 2),), 1, True)).spans(1, False) == ((9, 11, 0),)  # of an edit that the log has dropped


edits = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=3)


def _as_edit(portions: list[tuple[int, int, int]]) -> Edit:
    spans, at = [], 0
    for gap, length, size in portions:
        spans.append((at + gap, at + gap + length, size))
        at += gap + length + 1
    return tuple(spans)


def _done(text: list[int], edit: Edit, new: list[int]) -> tuple[list[int], list[int]]:
    """A text after an edit that puts in some characters, and what it took."""
    taken, rest = [], list(new)
    for start, end, size in reversed(edit):
        taken[:0] = text[start:end]
        text = [*text[:start], *rest[len(rest) - size :], *text[end:]]
        del rest[len(rest) - size :]
    assert not rest
    return text, taken


@given(st.lists(edits.map(_as_edit), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_each_takes_back_what_is_its_own_in_any_order(steps: list[Edit], chance: Random) -> None:
    """Characters that are all different: one that can be undone takes its own and brings back what it took; in order."""
    weave, text = Weave(), list(range(60))
    seen, own, fresh = [text], {}, 100
    for number, edit in enumerate(steps, 1):
        size = sum(size for *_, size in edit)
        put = list(range(fresh, fresh + size))
        text, taken = _done(text, edit, put)
        own[number], fresh = [put, taken], fresh + size
        weave.follow(edit, number, False)
        seen.append(text)
    undone: set[int] = set()
    for _ in range(20):
        number = chance.randrange(len(steps)) + 1
        is_undone = number not in undone
        if weave.in_the_way(number, is_undone, set(own)):
            continue
        edit = weave.spans(number, is_undone)
        text, taken = _done(text, edit, own[number][is_undone])
        assert taken == own[number][not is_undone]
        weave.follow(edit, number, is_undone)
        undone ^= {number}
        for each in seen:
            both = set(each) & set(text)
            assert [char for char in each if char in both] == [char for char in text if char in both]
        seen.append(text)
    if not undone:
        assert text == seen[len(steps)]
    if len(undone) == len(steps):
        assert text == seen[0]
