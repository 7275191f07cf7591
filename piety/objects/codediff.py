"""What is different between two versions of a Python source, definition by definition.

    ~ Note.add          a method that was changed: its unified diff follows
    + double            a new function
    - Note.remove       one that is gone
    ~ the rest          what stands outside of functions and classes

A source that is no Python is compared as a text.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from piety.objects.comparing import unified

REST = "the rest"


def by_definition(old: str, new: str) -> Iterator[str]:
    """The differences, line by line."""
    ours, theirs = parts(old), parts(new)
    if ours is None or theirs is None:
        yield from unified(old, new)
        return
    names = list(dict.fromkeys([*theirs, *ours]))
    found = False
    for name in names:
        before, after = ours.get(name), theirs.get(name)
        if before != after:
            found = True
            yield f"{'+' if before is None else '-' if after is None else '~'} {name}"
            yield from unified(before or "", after or "")
    if not found:  # they stand in another order, or blank lines do
        yield from unified(old, new)


def parts(source: str) -> dict[str, str] | None:
    """The functions, classes and methods of a source by name, and the rest; None if it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = source.splitlines(keepends=True)
    found: dict[str, str] = {}
    taken: set[int] = set()
    for name, node in _definitions(tree.body, ""):
        start = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
        end = node.end_lineno or node.lineno
        own = [line for place, line in enumerate(lines[start:end], start) if place not in taken]
        taken.update(range(start, end))
        text = _ended("".join(own))
        found[name] = found.get(name, "") + text  # a property and its setter have one name
    rest = "".join(line for place, line in enumerate(lines) if place not in taken and line.strip())
    return {**dict(reversed(found.items())), REST: _ended(rest)}


def _definitions(
    body: list[ast.stmt], prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """The definitions, the innermost first, so that a class has what its methods leave."""
    for node in reversed(body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, f"{prefix}{node.name}.")
            yield f"{prefix}{node.name}", node


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
