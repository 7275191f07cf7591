"""The workspace: where the shell evaluates.

A source is run statement by statement, in one namespace that is empty between turns:

- what a statement *defines* (a function, a class, an import; also `Point = namedtuple(...)` and `f = lambda ...`,
  code that knows itself by its name) goes into the workspace's source, one definition per name;
- every other name is a variable (see `variables.py`).

After a resume a definition is run again when its name is first used.  So starting costs nothing for imports and
classes that nobody uses, and a definition that can no longer run (a library is gone) hurts only those who use it.
"""

from __future__ import annotations

import _ast  # the classes of nodes; `ast` has the functions, and is imported only when one of them is needed
import ast
import builtins
import linecache
import marshal
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from piety.objects.compiling import (
    CODE_TAG,
    Compiled,
    assigned_name,
    bound_names,
    definitions_in,
    flags_of,
    functions_within,
    is_import_of,
    reads,
)
from piety.objects.memory import Memory, Root
from piety.objects.redefine import Contents, Journal, contents, retire, update_class, update_function
from piety.objects.reflection import Reflection, WorkspaceModule
from piety.objects.shown import NAMES as SHOWN_NAMES
from piety.objects.shown import Shown
from piety.objects.variables import MISSING, SYSTEM_NAMES, RestingNames, Space, Variables
from piety.objects.world import PLACE, Content, Definition, Workspace

if TYPE_CHECKING:
    from piety.objects.mementos import Memento

NAME = "workspace"
FILE = f"{PLACE}workspace.py"
KEPT_SOURCES = 200  # so many are kept compiled
KEPT_STATEMENTS = 1000  # so many statements of this process can still be shown in tracebacks


class Evaluator:
    """Runs sources in the workspace.

    `journal(undo)` is called for each change in memory that a failed turn must take back.  `extra(name)` gives what
    code may use as long as the workspace has none of its own by that name: `world`, `image`; or `MISSING`.
    """

    def __init__(
        self,
        workspace: Workspace,
        variables: Variables,
        shown: Shown,
        journal: Journal,
        extra: Callable[[str], Any],
    ) -> None:
        self._workspace = workspace
        self._variables = variables
        self._journal = journal
        self._extra = extra
        self._statements = 0
        self._kept: dict[str, Compiled] = {}
        self._bound: dict[str, Any] = {}  # names that stand for something else while a source runs
        self._trying: Definition | None = None  # the definition that is being run for the first time
        self._shown = shown  # `_` and `it`
        self.defined: dict[str, Any] = {}  # the definitions that have run in this process
        self._running: set[str] = set()  # definitions that are being run now
        self._used: dict[str, Memento | Contents | None] = {}  # those used by this turn; see `_before`
        self._fresh: set[str] = set()  # those that it has defined, or that have run in it first
        self.is_over = False  # whether the code of the turn is: what is looked up then is not used
        self.memory = Memory(journal)  # what the others hold
        self._roots = {NAME: Root(self.defined, is_put_back=False)}
        self._out: set[str] = set()  # those that it may have deleted
        self.module = WorkspaceModule(NAME, "The module in which the shell evaluates.")
        self.namespace = self.module.__dict__
        self.space = Space(NAME, self.namespace, workspace.variables, None, variables)
        variables.add(self.space)
        # The namespace's builtins: Python's own, the definitions that this turn uses, and behind them all that rests.
        self._builtins = RestingNames(self.bring)
        self.reflection = Reflection(self)
        self._builtins.update(self.reflection.functions())
        self._builtins.update(__build_class__=self._build_class, __piety_delete__=self.fetch_to_delete)
        self._python = dict(self._builtins)
        self.namespace.update(__builtins__=self._builtins, __file__=FILE, __loader__=self, __piety__=self)
        self._python_names = dict(self.namespace)
        self._show_own(self._python)

    # -- names

    def bring(self, name: str) -> Any:
        """What a name stands for that is neither in the namespace nor among the builtins; else `MISSING`."""
        value = self._bound[name] if name in self._bound else self.own(name)
        if value is MISSING:
            value = self._shown.get(name)
        if value is MISSING:
            value = self._python[name] if name in self._python else self._extra(name)
        return value

    def own(self, name: str) -> Any:
        """The variable or definition of this name; `MISSING` if there is none."""
        if name in self.defined:
            return self._use(name)
        value = self.space.fetch(name)
        if value is MISSING and name in self._workspace.definitions and name not in self._out:
            value = self._materialise(name)
        return value

    def _use(self, name: str) -> Any:
        """A definition that has run, ready for the rest of the turn; what this turn does to it can be taken back."""
        value = self._builtins[name] = self.defined[name]
        if name not in self._used:
            before = self._used[name] = self._before(name, value)
            if before is not None:
                self._journal(before.restore)
        return value

    def _before(self, name: str, value: Any) -> Memento | Contents | None:
        """What a definition of this turn or of the host holds before it is used; None if it is remembered anyway."""
        if name not in self._fresh:
            return None if self.memory.holds(value) else contents(value)
        memento = self.memory.memento(NAME, Root({name: value}, is_put_back=False))
        return memento if memento.code else contents(value)

    def peek(self, name: str) -> Any:
        """What a name stands for if that is in memory; `MISSING` else.  Runs, loads and touches nothing."""
        if name in self.defined:
            return self.defined[name]
        if name in self._workspace.definitions or name in self._workspace.variables:
            return self._variables.peek(self.space, name)
        shown = self._shown.peek(name)
        return shown if shown is not MISSING else self._python[name] if name in self._python else self._extra(name)

    def names(self) -> list[str]:
        """All names of the workspace, without loading what they stand for."""
        present = {name for name in self.namespace if name not in SYSTEM_NAMES}
        return sorted(present.union(self._workspace.variables, self._workspace.definitions))

    def _show_own(self, names: Iterable[str]) -> None:
        """Let the user's own names go before Python's, and Python's come back when the user's are gone."""
        for name in names:
            self._builtins.pop(name, None)
            if (
                name in self._python
                and name not in self._workspace.variables
                and name not in self._workspace.definitions
            ):
                self._builtins[name] = self._python[name]

    # -- running

    def run(self, source: str, bound: dict[str, Any] | None = None) -> Any:
        """Run a source; the value of its last statement if that is an expression, else None.

        Meanwhile the names that are `bound` stand for these values, and for no variable.

        Raises whatever the source raises; SyntaxError before anything runs.
        """
        compiled = self._compiled(source)
        before, self._bound = self._bound, bound or {}
        try:
            return self._run(compiled, source)
        finally:
            self._bound = before

    def _run(self, compiled: Compiled, source: str) -> Any:
        linecache.cache[compiled.file] = compiled.lines
        value = None
        for node, code in compiled.statements:
            value = None
            if code is None:
                for text, each in definitions_in(node, source):
                    self._define(text, each)
            elif isinstance(node, _ast.Expr):
                value = eval(code, self.namespace)
            else:
                exec(code, self.namespace)
                self._find_definitions(node, source)
        return value

    def _compiled(self, source: str) -> Compiled:
        """A source, compiled.  The last ones are kept, because the same one is often run again."""
        compiled = self._kept.pop(source, None)
        if compiled is None:
            self._statements += 1
            linecache.cache.pop(f"<statement {self._statements - KEPT_STATEMENTS}>", None)
            file = f"<statement {self._statements}>"
            compiled = Compiled(source, file, flags_of(self._workspace.features))
        if len(source) < 10_000:
            self._kept[source] = compiled
        if len(self._kept) > KEPT_SOURCES:
            del self._kept[next(iter(self._kept))]
        return compiled

    def compile(self, source: Any, file: str, mode: str, flags: int = 0) -> Any:
        """Python's own, with the workspace's `from __future__ import` in place of this file's."""
        return compile(source, file, mode, flags | flags_of(self._workspace.features), dont_inherit=True)

    # -- definitions

    def _define(self, text: str, node: _ast.stmt) -> None:
        """Run a definition and put its text into the workspace's source."""
        if isinstance(node, _ast.ImportFrom) and node.module == "__future__":
            self._workspace.features = tuple({*self._workspace.features, *(alias.name for alias in node.names)})
            self._kept.clear()
        before = set(self.namespace)
        bound = bound_names(node)
        definition = self._workspace.definitions.get(bound[0]) if bound else None
        if definition is None or definition.source != text:  # else the same again: nothing to write
            definition = Definition(text, self._workspace.next_line)
        for name in bound:  # a variable of this name goes
            self.space.fetch(name)
        self._trying = definition  # if it fails, its traceback shows its source
        linecache.cache.pop(FILE, None)
        self._run_definition(definition, store=True)
        self._trying = None
        for name in bound or set(self.namespace) - before - set(self._workspace.variables):
            if name in self.namespace:
                self._keep(name, self.namespace.pop(name), definition)

    def _keep(self, name: str, value: Any, definition: Definition) -> None:
        """Make `definition` the one of `name`; a function that had the name goes on with the new code."""
        value = self._in_place(name, value)
        earlier = self._workspace.definitions.get(name)
        if earlier is not None and is_import_of(name, earlier.source) and is_import_of(name, definition.source):
            if definition.source in earlier.source.splitlines():  # the same again: nothing to write
                self._set_defined(name, value)
                return
            definition.source = f"{earlier.source}\n{definition.source}"  # import os.path; import os
        if definition.line == self._workspace.next_line:
            self._workspace.next_line += definition.source.count("\n") + 3
        if earlier is not definition:
            self._workspace.definitions[name] = definition
        self._out.discard(name)
        self._set_defined(name, value)
        linecache.cache.pop(FILE, None)

    def _set_defined(self, name: str, value: Any) -> None:
        before = self.defined.get(name, MISSING)

        def undo() -> None:
            if before is MISSING:
                self.defined.pop(name, None)
            else:
                self.defined[name] = before
            linecache.cache.pop(FILE, None)
            self._show_own([name])

        self._journal(undo)
        self.defined[name] = value
        self._used.pop(name, None)
        self._fresh.add(name)
        self._show_own([name])

    def _run_definition(self, definition: Definition, store: bool) -> None:
        """Run a definition's text in the namespace, from its compiled form if there is one."""
        if (content := definition.code.get(CODE_TAG)) is not None:
            code = marshal.loads(content.data)
        else:
            tree = self.compile(definition.source, FILE, "exec", _ast.PyCF_ONLY_AST)
            from piety.objects.deletions import told_of_deletions

            tree = told_of_deletions(ast.increment_lineno(tree, definition.line - 1))
            code = self.compile(tree, FILE, "exec")
            if store:
                definition.code[CODE_TAG] = Content(marshal.dumps(code))
        exec(code, self.namespace)

    def _materialise(self, name: str) -> Any:
        """Run the definition of `name`, which has not run in this process yet."""
        if name in self._running:
            return MISSING  # it needs itself
        definition = self._workspace.definitions[name]
        before, is_first = set(self.namespace), self.memory.is_as_before()
        self._running.add(name)
        try:
            self._run_definition(definition, store=False)
        finally:
            self._running.discard(name)
            made = {
                each: self.namespace.pop(each) for each in set(self.namespace) - before - set(self._workspace.variables)
            }
        for each, value in made.items():
            if self._workspace.definitions.get(each) is definition and each not in self.defined:
                self.defined[each] = value  # no journal: the definition was there before this turn
                self._show_own([each])
        if is_first and not self.memory.is_as_before():  # what it put into others, a registry say, stays with it
            self.memory.begin_again(self._roots)
        self._fresh.update(made)
        return self._use(name) if name in self.defined else MISSING

    def _build_class(self, body: Any, name: str, *bases: Any, **keywords: Any) -> Any:
        """`class`: one defined again at the top level of the workspace stays the same object."""
        new = builtins.__build_class__(body, name, *bases, **keywords)
        caller = sys._getframe(1)
        old = self.defined.get(name)
        if caller.f_locals is self.namespace and isinstance(old, type) and name not in self._running:
            undo = update_class(old, new)
            if undo is not None:
                self._journal(undo)
                return old
        return new

    def _find_definitions(self, node: _ast.stmt, source: str) -> None:
        """Code that a statement bound to its own name: `Point = namedtuple(...)`, a def inside of an `if`."""
        name = assigned_name(node)
        if name is not None:
            value = self.namespace.get(name)
            if self.defined.get(name, MISSING) is not value and (
                _knows_itself(value, name) or isinstance(getattr(node, "value", None), _ast.Lambda)
            ):
                text = ast.get_source_segment(source, node) or ast.unparse(node)
                if name in self._workspace.definitions and reads(node, name):
                    text = f"{self._workspace.definitions[name].source}\n{text}"
                self._keep_text(name, text)
            return
        for each in functions_within(node):
            if _knows_itself(self.namespace.get(each.name), each.name):
                self._keep_text(each.name, ast.unparse(each))

    def _keep_text(self, name: str, text: str) -> None:
        value = self.namespace[name]
        self.space.fetch(name)
        del self.namespace[name]
        self._keep(name, value, Definition(text, self._workspace.next_line))

    def fetch_to_delete(self, name: str) -> None:
        """Called before `del name`: put a resting name into the namespace, because `del` looks nowhere else."""
        # fetch first: the turn may have assigned it
        if self.space.fetch(name) is not MISSING or name in self.namespace:
            return
        if name in self._workspace.definitions and (value := self.own(name)) is not MISSING:
            self._set_defined(name, value)  # so that a failure brings it back
            del self.defined[name]
            self._out.add(name)
            self._show_own([name])
            self.namespace[name] = value

    # -- a turn

    def begin(self) -> None:
        """Remember what the definitions that have run hold, and put it back if the turn fails."""
        self.memory.begin(self._roots)
        self.is_over = False

    def end_turn(self) -> None:
        """Before the commit: sort what lies in the namespace; what is left there is variables."""
        for name in self._out:
            value = self.namespace.pop(name, MISSING)
            if value is MISSING:
                del self._workspace.definitions[name]
            else:
                self._set_defined(name, value)
        for name, value in self.space.present().items():
            if name in SHOWN_NAMES:
                self._shown.set(name, self.namespace.pop(name))
            elif self.defined.get(name, MISSING) is value:
                del self.namespace[name]
            elif name in self._workspace.definitions:
                del self._workspace.definitions[name]
                self._set_defined(name, value)
                del self.defined[name]
        self._out.clear()

    def is_touched(self) -> bool:
        """Whether this turn has used a definition, or assigned or deleted a name."""
        return bool(self._used or self._out) or len(self.namespace) != len(self._python_names)

    def rest(self) -> None:
        """The turn is over, one way or the other: its names are out of the way again."""
        names = self._variables.names(self.space).union(self._used)
        self.namespace.clear()  # whatever was done to it: `globals().clear()` too
        self.namespace.update(self._python_names)
        for each in (self._out, self._used, self._fresh):
            each.clear()
        if self._trying is not None:
            self._trying = None
            linecache.cache.pop(FILE, None)
        self._show_own(names)

    def changed_code(self) -> list[str]:
        """What this turn has changed of classes and functions from outside: `Note.limit`, the default `add(to)`."""
        places = [place for name, place in self.memory.changed() if name not in self._fresh]
        for name, before in self._used.items():
            if isinstance(before, Contents):
                places += [f"{name}.{each}" for each in before.changed()]
            elif before is not None:
                places += [place for _name, place in before.changed()]
        return places

    # -- source

    def get_source(self, _name: str = NAME) -> str:
        """The workspace's source, each definition at its line; linecache calls this for tracebacks."""
        lines: list[str] = []
        for definition in self._ordered():
            lines += [""] * (definition.line - 1 - len(lines))
            lines += definition.source.splitlines()
        return "\n".join(lines) + "\n"

    def source(self) -> str:
        """The same for people; see `source_of`."""
        return source_of(self._workspace)

    def _ordered(self) -> list[Definition]:
        return _ordered({*self._workspace.definitions.values(), *([self._trying] if self._trying is not None else [])})

    # -- after going back

    def ran(self) -> dict[str, Definition | None]:
        """The definitions that have run in this process: which definition of the image it is that has."""
        return {name: self._workspace.definitions.get(name) for name in self.defined}

    def follow(self, ran: dict[str, Definition | None]) -> Iterator[str]:
        """The image has other definitions than those which `ran`: run those in the place of these.

        A class stays the same object, and a function too.  Gives a line for each that fails: it runs again when it is
        used.
        """
        self._kept.clear()
        linecache.cache.pop(FILE, None)
        others = {name: self._workspace.definitions.get(name) for name in ran}
        changed = {name: now for name, now in others.items() if now is not ran[name]}
        before = {name: self.defined.pop(name) for name in changed if changed[name] is None}
        for name, old in before.items():
            self._journal(lambda name=name, old=old: self.defined.update({name: old}))  # type: ignore[misc]
            retire(old)
        self._show_own(before)
        for definition in _ordered({each for each in changed.values() if each is not None}):
            names = [name for name, each in changed.items() if each is definition]
            try:
                self._run_definition(definition, store=False)
            except Exception as error:
                yield f"{', '.join(names)}: {type(error).__name__}: {error}"
                for name in names:
                    self.namespace.pop(name, None)
                    retire(self.defined.pop(name))
                self._show_own(names)
                continue
            for name in names:
                if name in self.namespace:
                    self._set_defined(name, self._in_place(name, self.namespace.pop(name)))

    def _in_place(self, name: str, value: Any) -> Any:
        """What is to have a name from now on: the function that had it, with the new code, or the new value."""
        old = self.defined.get(name)
        undo = update_function(old, value)
        if undo is not None:
            self._journal(undo)
            value = old
        elif value is not old:
            retire(old)
        return value

    def definition(self, name: str) -> Any:
        """What a definition, Python or the system has under a name, but no variable; `MISSING` if there is nothing."""
        if name in self.defined:
            return self._use(name)
        if name in self._workspace.definitions and name not in self._out:
            return self._materialise(name)
        return self._python[name] if name in self._python else self._extra(name)


def source_of(workspace: Workspace) -> str:
    """The definitions of a workspace as a source: imports first, two blank lines between the others."""
    texts = [definition.source for definition in _ordered(set(workspace.definitions.values()))]
    imports = [text for text in texts if text.startswith(("import ", "from "))]
    return (
        "\n\n\n".join((["\n".join(imports)] if imports else []) + [text for text in texts if text not in imports])
        + "\n"
    )


def _ordered(definitions: set[Definition]) -> list[Definition]:
    return sorted(definitions, key=lambda each: each.line)


def _knows_itself(value: Any, name: str) -> bool:
    """Whether `value` is code of the workspace that carries this very name."""
    # type(value), not isinstance: `__class__` may be a property of the user's
    if not issubclass(type(value), (type, types.FunctionType)) and type(value).__module__ not in (
        "functools",
        "typing",
    ):
        return False
    own = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)  # a TypeVar has the second only
    return getattr(value, "__module__", None) == NAME and own == name
