"""The log in memory finds what a walk through all groups finds, whatever was undone and done again."""

from __future__ import annotations

import os

from hypothesis import example, given, settings
from hypothesis import strategies as st

from piety.objects.edits import EDIT, REDO, UNDO, Group
from piety.objects.undoing import Log


def gone(groups: list[Group]) -> set[int]:
    """The groups that another one, which counts, takes back: of those that do and undo one edit, the newest counts."""
    edits: dict[int, tuple[int, bool]] = {}  # number of a group -> of the edit that it does (True) or undoes
    counts: dict[int, bool] = {}
    for group in groups:
        edit, does = edits.get(group.undoes, (group.undoes, True)) if group.undoes else (group.number, False)
        edits[group.number] = edit, not does
        counts[edit] = not does
    return {number for number, (edit, does) in edits.items() if does != counts[edit]}


def after(groups: list[Group], target: Group) -> list[Group]:
    """The groups after one, but for pairs of which the second takes back the first, right behind it; the last first."""
    found = groups[target.number - groups[0].number + 1 :]
    place = len(found) - 2
    while place >= 0:
        if place + 1 < len(found) and found[place + 1].undoes == found[place].number:
            del found[place : place + 2]
            place = len(found) - 1
        place -= 1
    return found


STEPS = st.lists(st.tuples(st.sampled_from(["edit", "undo", "redo", "group", "drop"]), st.integers(0, 40)), max_size=60)


@given(STEPS)
@example([("edit", 0), ("undo", 0), ("group", 1), ("group", 0), ("redo", 1), ("undo", 1)])  # one is undone by two
@settings(max_examples=int(os.environ.get("TEXT_EXAMPLES", "100")))
def test_the_log_knows_what_a_walk_through_it_finds(steps: list[tuple[str, int]]) -> None:
    log = Log(None)
    groups: list[Group] = []
    ever: list[Group] = []  # also those that were dropped
    for what, place in steps:
        who = "ab"[place % 2]
        kind, undoes = EDIT, 0
        if what == "drop" and len(groups) > 3:
            del groups[: place % 3]
            log.drop(groups[0].number)
            continue
        if what in ("undo", "redo"):
            found = log.next_to_undo(who) if what == "undo" else log.next_to_redo(who)
            if found is not None and not log.is_gone(found):
                kind, undoes = (UNDO if what == "undo" else REDO), found.number
        elif what == "group" and groups and not log.is_gone(groups[place % len(groups)]):
            kind, undoes = UNDO, groups[place % len(groups)].number
        group = Group(groups[-1].number + 1 if groups else 1, groups[-1] if groups else None, 0, None, who, "")
        group.kind, group.undoes = kind, undoes
        groups.append(group)
        ever.append(group)
        log.append(group)
        assert list(log) == groups[::-1]
        assert {each.number for each in groups if log.is_gone(each)} == gone(ever) & {each.number for each in groups}
        assert [log.after(each) for each in groups] == [after(groups, each) for each in groups]
        assert [log.numbered(each.number) for each in groups] == groups
        assert log.numbered(groups[0].number - 1) is log.numbered(group.number + 1) is None


def test_a_log_that_is_made_anew_is_the_same() -> None:
    first = Group(1, None, 0, None, "a", "")
    second = Group(2, first, 0, None, "a", "")
    undone = Group(3, second, 0, None, "a", "")
    undone.kind, undone.undoes = UNDO, 2
    log = Log(undone)
    assert list(log) == [undone, second, first]
    assert log.is_gone(second)
    assert log.next_to_undo("a") is first
    assert log.next_to_redo("a") is undone
    assert log.after(first) == []
