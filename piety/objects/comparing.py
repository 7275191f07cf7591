"""What is different between two plain values, told line by line: keys of dicts, items of lists, lines of strings.

    .title: 'a' -> 'b'                another value
    + .tags[2]: 'new'                 it was not there
    - ['key']: 3                      it is no more

Objects are told by their class and what they hold.  No code of theirs runs: neither `__repr__` nor `__eq__`.
Persistent objects are compared by who they are, as a reference.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator, Sequence
from typing import Any

from persistent import Persistent

from piety.objects.same import same

DEEPEST = 30  # nested so deep, values are compared as a whole
MOST = 2_000  # items, or lines, that are aligned with each other: that takes up to a second
CLIPPED = 70  # characters of a value
_ATOMS = (type(None), bool, int, float, complex, str, bytes)


class _Brief(reprlib.Repr):
    """Values in few words.  `reprlib` tells a class by its name only, so that is asked for here."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.maxlevel = 4 if longest <= CLIPPED else 50
        for kind in ("dict", "list", "tuple", "set", "frozenset"):
            setattr(self, f"max{kind}", max(longest // 10, 6))
        self.maxstring = self.maxlong = self.maxother = longest

    def repr1(self, x: Any, level: int) -> str:
        kind = type(x)
        if isinstance(x, Persistent):
            return f"{kind.__qualname__} {int.from_bytes(x._p_oid or b'', 'big'):#x}"
        if kind is int and x.bit_length() > 4_000:  # Python refuses to write it
            return f"<an int of {x.bit_length():,} bits>"
        if kind.__module__ == "builtins" and kind in (dict, list, tuple, set, frozenset, *_ATOMS):
            return super().repr1(x, level)
        if kind.__module__.startswith("piety."):  # a value of our own, such as an event or a moment
            return self.repr_instance(x, level)
        if isinstance(x, type) or kind.__name__ in ("function", "builtin_function_or_method", "module"):
            return str(getattr(x, "__qualname__", kind.__name__))
        held = held_by(x)
        if held is None:
            return f"<{kind.__qualname__}>" if kind.__module__ not in _PLAINLY else super().repr1(x, level)
        if level <= 0:
            return f"{kind.__qualname__}(...)"
        parts = [f"{name}={self.repr1(value, level - 1)}" for name, value in list(held.items())[: self.maxdict]]
        return f"{kind.__qualname__}({', '.join(parts)}{', ...' if len(held) > self.maxdict else ''})"

    def repr_set(self, x: Any, level: int) -> str:
        """In an order of its own: sets may hold what cannot be sorted."""
        return f"{{{', '.join(sorted(self.repr1(each, level - 1) for each in x))}}}" if x else "set()"

    repr_frozenset = repr_set


_PLAINLY = ("datetime", "decimal", "fractions", "uuid", "pathlib", "array", "collections", "re", "builtins")


def brief(value: Any, longest: int = CLIPPED) -> str:
    """A value in one line, of about so many characters at most."""
    text = _Brief(longest).repr(value)
    return text if len(text) <= 3 * longest else f"{text[: 3 * longest]}..."


def held_by(value: Any) -> dict[str, Any] | None:
    """The attributes of a plain object; None if it has none of its own."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        held = None
    has_any = type(held) is dict
    held = dict(held) if type(held) is dict else {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        has_any = has_any or bool(slots)
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                held.setdefault(name, object.__getattribute__(value, name))
            except AttributeError:
                continue
    return held if has_any else None


def compare(old: Any, new: Any, path: str = "", longest: int = CLIPPED) -> Iterator[str]:
    """What is different, a line each; nothing if the two are the same."""
    yield from _Comparison(longest).lines(old, new, path, 0)


class _Comparison:
    def __init__(self, longest: int) -> None:
        self._longest = longest

    def _brief(self, value: Any) -> str:
        return brief(value, self._longest)

    def lines(self, old: Any, new: Any, path: str, depth: int) -> Iterator[str]:
        if is_same(old, new):
            return
        kind = type(old)
        if kind is not type(new) or depth > DEEPEST or isinstance(old, Persistent):
            yield self._other(old, new, path)
        elif kind is str and ("\n" in old or "\n" in new):
            yield f"{path}:"
            yield from unified(old, new)
        elif kind in _ATOMS:
            yield self._other(old, new, path)
        elif isinstance(old, dict):
            yield from self._mappings(old, new, path, depth)
        elif kind in (list, tuple):
            yield from self._sequences(old, new, path, depth)
        elif kind in (set, frozenset):
            yield from self._sets(old, new, path)
        elif (held := held_by(old)) is not None and (holds := held_by(new)) is not None:
            yield from self._attributes(held, holds, path, depth)
        else:
            yield self._other(old, new, path)

    def _other(self, old: Any, new: Any, path: str) -> str:
        return f"{path}: {self._brief(old)} -> {self._brief(new)}"

    def _attributes(self, old: dict[str, Any], new: dict[str, Any], path: str, depth: int) -> Iterator[str]:
        for name in {**old, **new}:
            yield from self._item(old, new, name, f"{path}.{name}", depth)

    def _mappings(self, old: dict[Any, Any], new: dict[Any, Any], path: str, depth: int) -> Iterator[str]:
        ours = {_key(key): key for key in old}
        theirs = {_key(key): key for key in new}
        before = {each: old[key] for each, key in ours.items()}
        after = {each: new[key] for each, key in theirs.items()}
        for each, key in _in_order({**ours, **theirs}):
            yield from self._item(before, after, each, f"{path}[{self._brief(key)}]", depth)

    def _item(self, old: dict[Any, Any], new: dict[Any, Any], key: Any, path: str, depth: int) -> Iterator[str]:
        if key not in new:
            yield f"- {path}: {self._brief(old[key])}"
        elif key not in old:
            yield f"+ {path}: {self._brief(new[key])}"
        else:
            yield from self.lines(old[key], new[key], path, depth + 1)

    def _sets(self, old: Any, new: Any, path: str) -> Iterator[str]:
        ours, theirs = {_key(each): each for each in old}, {_key(each): each for each in new}
        gone = sorted(self._brief(ours[each]) for each in ours.keys() - theirs.keys())
        come = sorted(self._brief(theirs[each]) for each in theirs.keys() - ours.keys())
        yield from (f"- {path}: {each}" for each in gone)
        yield from (f"+ {path}: {each}" for each in come)

    def _sequences(self, old: Sequence[Any], new: Sequence[Any], path: str, depth: int) -> Iterator[str]:
        first, last = _ends(old, new)
        ours, theirs = old[first : len(old) - last], new[first : len(new) - last]
        if len(ours) + len(theirs) > MOST:
            yield f"{path}[{first}:{first + len(ours)}]: {len(ours):,} items -> {len(theirs):,} others"
            return
        matcher = difflib.SequenceMatcher(None, [_key(each) for each in ours], [_key(each) for each in theirs], False)
        for tag, begin, end, start, stop in matcher.get_opcodes():
            if tag == "equal":
                continue
            if end - begin == stop - start:
                for place, (one, other) in enumerate(zip(ours[begin:end], theirs[start:stop], strict=True), begin):
                    yield from self.lines(one, other, f"{path}[{first + place}]", depth + 1)
                continue
            yield from (f"- {path}[{first + place}]: {self._brief(ours[place])}" for place in range(begin, end))
            yield from (f"+ {path}[{first + place}]: {self._brief(theirs[place])}" for place in range(start, stop))


def _in_order(keys: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Keys of one kind in their order; others as they come."""
    found = list(keys.items())
    if len({type(key) for _each, key in found}) == 1 and isinstance(found[0][1], (int, str, bytes)):
        found.sort(key=lambda item: item[1])
    return found


def is_same(old: Any, new: Any) -> bool:
    """Whether two values of two moments are the same; persistent objects are if they have the same number."""
    if isinstance(old, Persistent) and isinstance(new, Persistent):
        return old._p_oid is not None and old._p_oid == new._p_oid
    if type(old) in _ATOMS:
        return type(old) is type(new) and repr_same(old, new)
    return same(old, new)


def repr_same(old: Any, new: Any) -> bool:
    """Whether two atoms are: NaN is itself, and 0.0 is not -0.0."""
    return bool(old == new) if type(old) is not float else repr(old) == repr(new)


def _key(value: Any) -> Any:
    """Something to tell a value of one moment from the others by, which can be hashed."""
    if isinstance(value, Persistent):
        return "object", value._p_oid
    if type(value) in _ATOMS:
        return type(value).__name__, repr(value) if type(value) is float else value
    if type(value) is tuple:
        return "tuple", tuple(_key(each) for each in value)
    return type(value).__qualname__, brief(value, 1_000)


def _ends(old: Sequence[Any], new: Sequence[Any]) -> tuple[int, int]:
    """How many items two lists have in common at their beginnings, and at their ends."""
    most = min(len(old), len(new))
    first = next((place for place in range(most) if not is_same(old[place], new[place])), most)
    most -= first
    return first, next((place for place in range(most) if not is_same(old[-place - 1], new[-place - 1])), most)


def unified(old: str, new: str, context: int = 3) -> Iterator[str]:
    """The lines that are different, with those around them, as `diff -u` tells them, without its first two lines."""
    ours, theirs = _lines(old), _lines(new)
    first, last = _common(ours, theirs)
    start = max(first - context, 0)
    end = max(last - context, 0)
    before, after = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    if len(before) + len(after) > 2 * MOST:
        old_lines, new_lines = len(ours) - first - last, len(theirs) - first - last
        yield f"@@ from line {first + 1} on: {old_lines:,} lines -> {new_lines:,} others"
        return
    for group in difflib.SequenceMatcher(None, before, after, False).get_grouped_opcodes(context):
        ranges = (group[0][1], group[-1][2], group[0][3], group[-1][4])
        begin, stop, begin_new, stop_new = (start + place for place in ranges)
        yield f"@@ -{_range(begin, stop)} +{_range(begin_new, stop_new)} @@"
        for tag, one, until, other, until_other in group:
            if tag == "equal":
                yield from (f" {line}" for line in before[one:until])
            else:
                yield from (f"-{line}" for line in before[one:until])
                yield from (f"+{line}" for line in after[other:until_other])


def _lines(string: str) -> list[str]:
    """The lines; a last one that does not end says so, as `diff` does."""
    lines = string.split("\n")
    if lines[-1]:
        lines[-1] += "\n\\ No newline at end"
    else:
        lines.pop()
    return lines


def _range(begin: int, end: int) -> str:
    return f"{begin + 1 if end > begin else begin},{end - begin}"


def _common(old: list[str], new: list[str]) -> tuple[int, int]:
    most = min(len(old), len(new))
    first = next((place for place in range(most) if old[place] != new[place]), most)
    most -= first
    return first, next((place for place in range(most) if old[-place - 1] != new[-place - 1]), most)
