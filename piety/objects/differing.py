"""What has to be changed in one string to make it another, in whole lines where many differ."""

from __future__ import annotations

from difflib import SequenceMatcher

MOST = 2_000  # lines that are compared one with the other: that takes up to a second


def changes(old: str, new: str) -> list[tuple[int, int, str]]:
    """The changes, in order: from where to where in `old`, and what comes there instead."""
    if old == new:
        return []
    first = _common(old, new)
    shortest = min(len(old), len(new)) - first
    last = _common(old[: -shortest - 1 : -1] if shortest else "", new[: -shortest - 1 : -1] if shortest else "")
    start = old.rfind("\n", 0, first) + 1
    tail = old.find("\n", len(old) - last)
    rest = last if tail < 0 else len(old) - tail - 1  # the same whole lines at the end
    if not 0 <= rest <= min(len(old), len(new)) - start or tail < 0:
        return [(first, len(old) - last, new[first : len(new) - last])]
    before = old[start : len(old) - rest].splitlines(keepends=True)
    after = new[start : len(new) - rest].splitlines(keepends=True)
    if len(before) == 1 == len(after) or len(before) + len(after) > MOST:
        return [(first, len(old) - last, new[first : len(new) - last])]
    found = []
    places = [start]
    for line in before:
        places.append(places[-1] + len(line))
    for tag, begin, end, others, until in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            found.append((places[begin], places[end], "".join(after[others:until])))
    return found


def _common(one: str, other: str) -> int:
    """How many characters two strings have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
