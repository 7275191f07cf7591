"""A source of the workspace, compiled; and what can be told of its statements before they run.

A statement that *defines* (a function, a class, an import) has no code here: its text becomes a definition, which is
compiled at its own line of the workspace's source.
"""

from __future__ import annotations
import __future__

import _ast  # the classes of nodes; `ast` has the functions, and is imported only when one of them is needed
import ast
import copy
import linecache
import sys
import types
from collections.abc import Iterable
from importlib.util import MAGIC_NUMBER
from typing import Any

_DEFINING: tuple[type, ...] = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef, _ast.Import, _ast.ImportFrom)
_BLOCKS = (_ast.If, _ast.Try, _ast.TryStar, _ast.With, _ast.For, _ast.While)
if sys.version_info >= (3, 12):
    _DEFINING = (*_DEFINING, _ast.TypeAlias)

_FEATURES = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})

# Compiled code is good for one version of Python; the magic number changes with the bytecode.
CODE_TAG = f"{sys.implementation.cache_tag}-{MAGIC_NUMBER.hex()}"


class Compiled:
    """A source parsed and compiled: its statements, each with its code (None for those that define).

    Raises SyntaxError, before anything of the source has run.
    """

    def __init__(self, source: str, file: str, flags: int) -> None:
        self.file = file
        self.lines = (len(source), None, f"{source}\n".splitlines(keepends=True), file)  # 3.11's carets need the end
        linecache.cache[file] = self.lines
        try:
            tree = compile(source, file, "exec", flags | _ast.PyCF_ONLY_AST, dont_inherit=True)
            for node in tree.body:
                if isinstance(node, _ast.ImportFrom) and node.module == "__future__":
                    flags |= compile(_ast.Module([node], []), file, "exec").co_flags & _FEATURES
            self.statements = [(node, _statement_code(node, source, file, flags)) for node in tree.body]
        except (ValueError, MemoryError, RecursionError) as error:  # NUL characters, or nested too deep
            raise SyntaxError(str(error) or "the source is nested too deep") from None


def _statement_code(node: Any, source: str, file: str, flags: int) -> types.CodeType | None:
    if isinstance(node, _DEFINING):
        return None
    if isinstance(node, _ast.Expr):
        return compile(_ast.Expression(node.value), file, "eval", flags, dont_inherit=True)
    tree = _ast.Module([node], [])
    if "del" in source or "except" in source:
        from piety.objects.deletions import told_of_deletions

        tree = told_of_deletions(tree)
    return compile(tree, file, "exec", flags, dont_inherit=True)


def flags_of(features: Iterable[str]) -> int:
    """What tells the compiler of `from __future__ import` these features."""
    flags = 0
    for feature in features:
        flags |= getattr(__future__, feature).compiler_flag
    return flags


def _text(node: Any, source: str) -> str:
    """A top-level statement as it was typed, decorators and a comment at its end included."""
    lines = source.split("\n")
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].strip()
    if node.col_offset or (rest and not rest.startswith(b"#")):  # beside another on the same line
        return ast.get_source_segment(source, node) or ast.unparse(node)
    return "\n".join(lines[first - 1 : node.end_lineno]).rstrip()


def definitions_in(node: Any, source: str) -> list[tuple[str, _ast.stmt]]:
    """A defining statement as one definition per name."""
    if isinstance(node, (_ast.Import, _ast.ImportFrom)) and len(node.names) > 1:
        parts = [copy.copy(node) for _name in node.names]
        for part, name in zip(parts, node.names, strict=True):
            part.names = [name]
        return [(ast.unparse(part), part) for part in parts]
    return [(_text(node, source), node)]


def bound_names(node: Any) -> list[str]:
    """The names that a definition binds; none for a star import, where nobody can tell."""
    if isinstance(node, _ast.Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, _ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names if alias.name != "*"]
    return [node.name.id if isinstance(node.name, _ast.Name) else node.name]


def is_import_of(name: str, text: str) -> bool:
    """Whether a definition only imports a module or what is in it by its full name: two of these can be one."""
    return all(
        line == f"import {name}" or (line.startswith(f"import {name}.") and " as " not in line)
        for line in text.splitlines()
    )


def assigned_name(node: _ast.stmt) -> str | None:
    """The one name to which a statement assigns; None if it is another statement, or assigns to more."""
    targets = (
        node.targets if isinstance(node, _ast.Assign) else [node.target] if isinstance(node, _ast.AnnAssign) else []
    )
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], _ast.Name) else None


def functions_within(node: _ast.stmt) -> list[Any]:
    """The functions and classes that a block defines, an `if` say, at whatever depth."""
    kinds = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)
    return [each for each in ast.walk(node) if isinstance(each, kinds)] if isinstance(node, _BLOCKS) else []


def reads(node: _ast.AST, name: str) -> bool:
    """Whether a statement uses what goes by `name`: `f = cache(f)`."""
    return any(
        isinstance(each, _ast.Name) and each.id == name and isinstance(each.ctx, _ast.Load) for each in ast.walk(node)
    )
