"""Ropes: the characters of a text, as a tree that never changes.

    Node     up to 16 children with the number of characters and of line ends in each; they are nodes, or at the bottom
             pieces: a short string, or a part of a block
    Block    up to 65,536 characters in a record of their own, written once and never again

To edit is to make a new tree that shares with the old one all but the nodes on the way to the edit: so it costs
O(log n) in time, in memory and in what is written, and the old tree is a snapshot that costs nothing.  An empty text
is None.  A line ends with "\\n" and nothing else.

The tree is a B-tree without keys; splitting and joining such trees is described by R. Tarjan, Data Structures and
Network Algorithms (1983), chapter 4, and ropes by Boehm, Atkinson and Plass, Ropes: an Alternative to Strings (1995).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from persistent import Persistent

from piety.objects.changes import made_of_immutables

MOST = 16  # children of a node: one is written in some 600 bytes, and four levels of them hold 4 GB
LEAST = MOST // 2  # of any but the root
BLOCK = 1 << 16  # characters of a block: reading one takes 0.05 ms, and 100 MB are 1,600 of them
SHORT = 128  # characters of a string that lies in its node: sixteen of them are read and written with it

Piece = Any  # a str; or a Block and where the piece begins in it
Entry = tuple[Any, int, int]  # a child (Node or Piece), its characters, the line ends among them


@made_of_immutables
class Block(Persistent):
    """A part of a long text."""

    def __init__(self, data: str) -> None:
        self.data = data


@made_of_immutables
class Node(Persistent):
    """A part of a tree; `height` is 0 where the children are pieces."""

    def __init__(self, height: int, entries: tuple[Entry, ...]) -> None:
        self.height = height
        self.entries = entries

    def __getstate__(self) -> Any:
        flat: list[Any] = [self.height]
        for entry in self.entries:
            flat += entry
        return tuple(flat)

    def __setstate__(self, state: Any) -> None:
        flat = iter(state)
        self.height = next(flat)
        self.entries = tuple(zip(flat, flat, flat, strict=True))


Rope = Node | None


def length(rope: Rope) -> int:
    """How many characters."""
    return 0 if rope is None else sum(chars for _child, chars, _breaks in rope.entries)


def breaks(rope: Rope) -> int:
    """How many line ends."""
    return 0 if rope is None else sum(breaks for _child, _chars, breaks in rope.entries)


# -- making


def build(strings: Iterable[str]) -> Rope:
    """The rope of these strings, one after the other."""
    entries = tuple(map(_new_entry, _blocks(strings)))
    height = 0
    while len(entries) > MOST:
        entries = tuple(map(_entry, _evenly(height, entries)))
        height += 1
    return _root(height, entries)


def _blocks(strings: Iterable[str]) -> Iterator[str]:
    """The same characters in strings of the size of a block, the last one shorter."""
    waiting: list[str] = []
    size = 0
    for string in strings:
        waiting.append(string)
        size += len(string)
        if size >= BLOCK:
            whole = "".join(waiting)
            end = size - size % BLOCK
            for start in range(0, end, BLOCK):
                yield whole[start : start + BLOCK]
            waiting, size = [whole[end:]], size - end
    if size:
        yield "".join(waiting)


def _new_entry(string: str) -> Entry:
    return string if len(string) <= SHORT else (Block(string), 0), len(string), string.count("\n")


def _evenly(height: int, entries: tuple[Entry, ...]) -> list[Node]:
    """The fewest nodes that hold these entries, all about as full."""
    count = -(-len(entries) // MOST)
    bounds = [len(entries) * number // count for number in range(count + 1)]
    return [Node(height, entries[start:end]) for start, end in pairwise(bounds)]


def _entry(node: Node) -> Entry:
    return node, length(node), breaks(node)


def _root(height: int, entries: tuple[Entry, ...]) -> Rope:
    if not entries:
        return None
    return entries[0][0] if height and len(entries) == 1 else Node(height, entries)


# -- joining and splitting


def concat(left: Rope, right: Rope) -> Rope:
    """One rope after the other."""
    if left is None or right is None:
        return right if left is None else left
    nodes = _join(left, right)
    return nodes[0] if len(nodes) == 1 else Node(nodes[0].height + 1, tuple(map(_entry, nodes)))


def _join(left: Node, right: Node) -> list[Node]:
    """One or two nodes of the greater height.  Each but a root is as full as it must be, if the higher one was."""
    if left.height > right.height:
        inner = _join(left.entries[-1][0], right)
        return _evenly(left.height, left.entries[:-1] + tuple(map(_entry, inner)))
    if left.height < right.height:
        inner = _join(left, right.entries[0][0])
        return _evenly(right.height, tuple(map(_entry, inner)) + right.entries[1:])
    entries = left.entries + right.entries
    if left.height == 0 and (one := _together(left.entries[-1], right.entries[0])) is not None:
        entries = (*left.entries[:-1], one, *right.entries[1:])
    elif len(entries) > MOST and min(len(left.entries), len(right.entries)) >= LEAST:
        return [left, right]
    return _evenly(left.height, entries)


def _together(left: Entry, right: Entry) -> Entry | None:
    """Two pieces as one, if they are short, or neighbours in the same block."""
    (one, size, ends), (two, more, others) = left, right
    if type(one) is str:
        return (one + two, size + more, ends + others) if type(two) is str and size + more <= SHORT else None
    is_next = type(two) is not str and one[0] is two[0] and one[1] + size == two[1]
    return (one, size + more, ends + others) if is_next else None


def split(rope: Rope, at: int) -> tuple[Rope, Rope]:
    """What comes before the character number `at`, and the rest."""
    if rope is None:
        return None, None
    height, entries = rope.height, rope.entries
    before = 0
    for place, (child, chars, ends) in enumerate(entries):
        if at <= before:
            return _root(height, entries[:place]), _root(height, entries[place:])
        if at < before + chars:
            if height:
                left, right = split(child, at - before)
            else:
                first, second = _cut(child, chars, ends, at - before)
                left, right = Node(0, (first,)), Node(0, (second,))
            return (
                concat(_root(height, entries[:place]), left),
                concat(right, _root(height, entries[place + 1 :])),
            )
        before += chars
    return rope, None


def _cut(piece: Piece, chars: int, ends: int, at: int) -> tuple[Entry, Entry]:
    data, start = (piece, 0) if type(piece) is str else (piece[0].data, piece[1])
    first = data.count("\n", start, start + at)
    if type(piece) is str:
        return (piece[:at], at, first), (piece[at:], chars - at, ends - first)
    return (piece, at, first), ((piece[0], start + at), chars - at, ends - first)


def part(rope: Rope, start: int, end: int) -> Rope:
    """A part of a rope, as a rope."""
    if end - start <= SHORT:
        return build([string(rope, start, end)])
    return split(split(rope, end)[0], start)[1]


def replace(rope: Rope, start: int, end: int, new: Rope) -> Rope:
    """The rope with `new` in place of the characters from `start` to `end`."""
    if rope is not None and (new is None or not new.height):
        nodes = _within(rope, start, end, () if new is None else new.entries, 1)
        if nodes is not None:
            return nodes[0] if len(nodes) == 1 else Node(rope.height + 1, tuple(map(_entry, nodes)))
    head, rest = split(rope, start)
    return concat(concat(head, new), split(rest, end - start)[1])


def _within(node: Node, start: int, end: int, new: tuple[Entry, ...], least: int) -> list[Node] | None:
    """One or two nodes with a small change, which lies within one piece; only what is above that is new.

    None if it does not, or if a node would have fewer than `least` children.
    """
    before = 0
    for place, (child, chars, ends) in enumerate(node.entries):
        if start <= before + chars:
            if end > before + chars:
                return None
            entries = node.entries
            if node.height:
                nodes = _within(child, start - before, end - before, new, LEAST)
                if nodes is None:
                    return None
                return _evenly(node.height, (*entries[:place], *map(_entry, nodes), *entries[place + 1 :]))
            left, rest = _cut(child, chars, ends, start - before)
            right = _cut(*rest, end - start)[1]
            pieces = _joined([*entries[:place], left, *new, right, *entries[place + 1 :]])
            return _evenly(0, tuple(pieces)) if least <= len(pieces) <= 2 * MOST else None
        before += chars
    return None


def _joined(entries: list[Entry]) -> list[Entry]:
    """The same pieces, none of them empty, and no two that could be one."""
    found: list[Entry] = []
    for entry in entries:
        if not entry[1]:
            continue
        one = _together(found[-1], entry) if found else None
        if one is None:
            found.append(entry)
        else:
            found[-1] = one
    return found


# -- reading


def chunks(rope: Rope, start: int = 0, end: int | None = None) -> Iterator[str]:
    """The characters from `start` to `end`, in strings of any length.

    A block that was not in memory is let go again when the next string is asked for, so to go through a long text takes
    no memory.
    """
    end = length(rope) if end is None else end
    if rope is None or start >= end:
        return
    after = 0
    for child, chars, _ends in rope.entries:
        before, after = after, after + chars
        if after > start:
            first, last = max(start - before, 0), min(end - before, chars)
            if rope.height:
                was_ghost = child._p_changed is None
                yield from chunks(child, first, last)
                if was_ghost:
                    child._p_deactivate()
            elif type(child) is str:
                yield child[first:last]
            else:
                block, at = child
                was_ghost = block._p_changed is None
                yield block.data[at + first : at + last]
                if was_ghost:
                    block._p_deactivate()
            if after >= end:
                return


def string(rope: Rope, start: int = 0, end: int | None = None) -> str:
    """The characters from `start` to `end`."""
    return "".join(chunks(rope, start, end))


def start_of_line(rope: Rope, line: int) -> int:
    """The number of the first character of a line, counted from 0; the length if there are not so many."""
    if line <= 0:
        return 0
    before = 0
    while rope is not None:
        for entry in rope.entries:
            child, chars, ends = entry
            if line <= ends:
                break
            line -= ends
            before += chars
        else:
            return before
        if not rope.height:
            data, start = (child, 0) if type(child) is str else (child[0].data, child[1])
            return before + _after_break(data, start, start + chars, line) - start
        rope = child
    return before


def _after_break(data: str, start: int, end: int, number: int) -> int:
    """Where the characters after the line end of this number begin; there are so many."""
    while end - start > 256:  # find it by halves: it is faster to count line ends than to find each
        middle = (start + end) // 2
        count = data.count("\n", start, middle)
        if number <= count:
            end = middle
        else:
            number -= count
            start = middle
    for _ in range(number):
        start = data.index("\n", start) + 1
    return start


def line_of(rope: Rope, at: int) -> int:
    """How many line ends come before the character number `at`."""
    count = 0
    while rope is not None:
        for entry in rope.entries:
            child, chars, ends = entry
            if at < chars:
                break
            count += ends
            at -= chars
        else:
            return count
        if not rope.height:
            data, start = (child, 0) if type(child) is str else (child[0].data, child[1])
            return count + data.count("\n", start, start + at)
        rope = child
    return count
