"""BTrees as what the image has of them: records of nodes and of buckets.

    a tree      (children with the keys between them, the first bucket); or (what its only bucket has,); or None
    a bucket    (keys and values in turn,), or the same and the next bucket; a set has keys only
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from BTrees.check import TYPE_BTREE, classify
from persistent import Persistent

State = tuple[Any, Any]  # a class, and what a record says of an object of it
Take = Callable[[bytes], State | None]  # gives that of an object, by its number


def is_tree(kind: Any) -> bool:
    """Whether this is the class of a BTree or a TreeSet, and none of their buckets."""
    if not kind.__module__.startswith("BTrees."):
        return False
    try:
        return classify(kind.__new__(kind))[0] == TYPE_BTREE
    except (KeyError, TypeError):
        return False


def children(state: Any) -> tuple[Any, ...]:
    """The children of a node: its state is (children with the keys between them, the first bucket)."""
    return state[0][::2] if type(state) is tuple and len(state) == 2 else ()


def items(kind: Any, state: Any) -> list[tuple[Any, Any]]:
    """The keys and values in a bucket, or in a tree that is one bucket."""
    while type(state) is tuple and state and type(state[0]) is tuple and len(state) == 1:
        state = state[0]
    if type(state) is not tuple or not state:
        return []
    data = state[0] if type(state[0]) is tuple else state
    return [(key, key) for key in data] if "Set" in kind.__name__ else list(zip(data[::2], data[1::2], strict=False))


def links(state: State) -> list[bytes]:
    """The nodes to which a node refers: its children, the first or the next bucket."""
    kind, data = state
    found = list(children(data)) if is_tree(kind) else []
    if type(data) is tuple and len(data) == 2 and isinstance(data[1], Persistent):
        found.append(data[1])
    return [each._p_oid for each in found]


def keys(state: State | None) -> dict[Any, Any]:
    """What stands in a node itself."""
    if state is None or (is_tree(state[0]) and children(state[1])):
        return {}
    return dict(items(*state))


def leaf(take: Take, oid: bytes, key: Any) -> bytes | None:
    """The node of a tree in which a key would stand itself; None if there is no such tree, or its keys are others."""
    while (taken := take(oid)) is not None:
        if not is_tree(taken[0]) or not (below := children(taken[1])):
            return oid
        try:
            oid = below[bisect_right(taken[1][0][1::2], key)]._p_oid
        except TypeError:  # the keys of this tree are of another type
            break
    return None


def nodes(take: Take, oid: bytes) -> Iterator[bytes]:
    """The numbers of a tree and of all its nodes."""
    todo = [oid]
    for each in todo:
        yield each
        taken = take(each)
        if taken is not None and is_tree(taken[0]):
            todo += [child._p_oid for child in children(taken[1])]
