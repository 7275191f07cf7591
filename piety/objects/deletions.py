"""`del` of a global name, told to the workspace first.

`del name` looks in the namespace and nowhere else, but variables rest elsewhere.  So before each `del` of a global name
the statement gets a call that brings the name in.
"""

from __future__ import annotations

import ast
import copy
from typing import Any


def told_of_deletions(tree: Any) -> Any:
    """The tree itself if it deletes nothing, else a copy with the calls in it."""
    if not any(isinstance(each, (ast.Delete, ast.ExceptHandler)) for each in ast.walk(tree)):
        return tree
    return _Deletions().visit(copy.deepcopy(tree))


class _Deletions(ast.NodeTransformer):
    """Writes a call before each `del` of a global name; see `Evaluator.fetch_to_delete`."""

    def __init__(self) -> None:
        self._global: set[str] | None = None  # in a function or class: the names that it declares global

    def _visit_scope(self, node: Any) -> Any:
        outer = self._global
        self._global = {name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names}
        self.generic_visit(node)
        self._global = outer
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_scope

    def visit_Delete(self, node: ast.Delete) -> Any:
        names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Del)]
        return self._told(node, names)

    def visit_Try(self, node: Any) -> Any:
        """`except Error as name` deletes the name at its end."""
        self.generic_visit(node)
        return self._told(node, [each.name for each in node.handlers if each.name is not None])

    visit_TryStar = visit_Try

    def _told(self, node: ast.stmt, names: list[str]) -> list[ast.stmt]:
        calls = [
            ast.Expr(ast.Call(ast.Name("__piety_delete__", ast.Load()), [ast.Constant(name)], []))
            for name in names
            if self._global is None or name in self._global
        ]
        return [*(ast.fix_missing_locations(ast.copy_location(call, node)) for call in calls), node]
