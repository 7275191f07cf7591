"""BTrees that tasks watch: most changes of a tree are in one of its parts, which is a persistent object of its own."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any


def is_tree(obj: Any) -> bool:
    """Whether this is a BTree or a TreeSet, of whatever keys and values."""
    return hasattr(type(obj), "_bucket_type")


def is_part(node: Any, tree: Any) -> bool:
    """Whether `node`, which is not the tree itself, is one of its inner nodes or buckets.

    The way from the tree down to the node's first key leads through the node, if it is.  Only what lies on the way is
    loaded.
    """
    bucket = type(tree)._bucket_type
    if type(node) not in (type(tree), bucket):
        return False
    try:
        key = node.minKey()
    except ValueError:  # it is empty: then the tree has let it go, which changed another part
        return False
    while type(tree) is not bucket:
        state = tree.__getstate__()
        if state is None or len(state) == 1:  # it is empty, or so small that it has no parts
            return False
        children = state[0]  # a child, the first key of the next, that child, and so on
        try:
            tree = children[2 * bisect_right(children[1::2], key)]
        except TypeError:  # keys of other kinds: another tree
            return False
        if tree is node:
            return True
    return False
