"""Any collection, a page at a time: a table of a million rows shows its first page as fast as one of a hundred.

A page has the place where the next one begins, which only who made it understands: the number of an item, or a key.
`len()` is asked of nothing: that of a BTree reads all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

PAGE = 50  # items


class Page(NamedTuple):
    """Some items, and where to go on; None at the end."""

    items: list[Any]
    following: Any


def page(source: Any, place: Any = None, count: int = PAGE) -> Page:
    """The items from a place on, the beginning without one; of a mapping, pairs of key and value."""
    kind = type(source)
    if is_btree(kind):
        return _of_btree(source, place, count)
    start = place or 0
    if isinstance(source, Mapping) or hasattr(kind, "items"):
        found = list(islice(source.items(), start, start + count + 1))
    elif issubclass(kind, (list, tuple, range)) or isinstance(source, Sequence):
        found = list(source[start : start + count + 1])
    else:
        found = list(islice(iter(source), start, start + count + 1))
    return Page(found[:count], start + count if len(found) > count else None)


def is_btree(kind: type) -> bool:
    """Whether this is the class of a BTree, a TreeSet, or one of their buckets."""
    return kind.__module__.startswith("BTrees.") and hasattr(kind, "minKey")


def has_values(kind: type) -> bool:
    """Whether such a class has values beside its keys."""
    return hasattr(kind, "items")


def _of_btree(tree: Any, place: Any, count: int) -> Page:
    """A BTree is entered by its key; nothing before that is read."""
    pairs = has_values(type(tree))
    walk = tree.items if pairs else tree.keys
    found = list(islice(walk() if place is None else walk(min=place), count + 1))
    if len(found) <= count:
        return Page(found, None)
    return Page(found[:count], found[count][0] if pairs else found[count])
