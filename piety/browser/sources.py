"""The code of the image, to be read and changed: `code` is where one begins.

code                its modules, and the workspace
a module            its definitions, its source, its versions
a definition        its source, which can be edited; what it says of itself; who uses the name, who else defines it;
                    its versions
"""

from __future__ import annotations

import inspect
from typing import Any

from piety.browser.general import general, is_of
from piety.browser.views import Actions, Code, Label, Table, view
from piety.errors import PietyError
from piety.objects import definitions
from piety.objects.changes import never_changes
from piety.objects.comparing import unified
from piety.objects.definitions import WORKSPACE, Definition
from piety.objects.history import Row
from piety.objects.image import current
from piety.objects.moments import shown, time_of
from piety.objects.past import Past
from piety.objects.revisions import history
from piety.objects.workspace import NAME, source_of

STATEMENT = "<statement"  # how the name of what is run in the workspace begins
WORKSPACE_FILE = f"image:{NAME}.py"  # what its definitions are said to stand in
MOST = 1_000  # rows of what is found in all code


@never_changes
class AllCode:
    """The code of the image."""

    @view("Modules", priority=10)
    def modules(self) -> Table:
        """The workspace and each module, those of a package below it."""
        image = current()
        return Table(
            ["module", "lines"],
            [WORKSPACE, *image.modules],
            lambda name: (Label(_within(name)), ModuleCode(name).source.count("\n")),
            ModuleCode,
        )

    @view("Definitions", priority=15)
    def definitions(self) -> Table:
        """Each definition of the image."""
        return _table(list(definitions.definitions(current())), with_module=True)

    def __call__(self, module: str, name: str = "", at: int = 0) -> Any:
        """A module, or one of its definitions, of several with one name the one at a place; "" is the workspace."""
        return Definition(module, name, at) if name else ModuleCode(module or WORKSPACE)

    def __repr__(self) -> str:
        return "<the code of the image>"


def _within(name: str) -> str:
    """The name of a module, under that of its package."""
    return "  " * name.count(".") + name.rpartition(".")[2]


code = AllCode()


@never_changes
class ModuleCode:
    """The code of one module, or of the workspace."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def source(self) -> str:
        """All of it."""
        image = current()
        return source_of(image.world.workspace) if self.name == WORKSPACE else image.modules[self.name]

    @view("Definitions", priority=10)
    def definitions(self) -> Table:
        """Its functions, classes and methods."""
        module = "" if self.name == WORKSPACE else self.name
        return _table(list(definitions.definitions(current(), module)))

    @view("Source", priority=12)
    def whole(self) -> Code:
        """All of it, to be edited if it is a module."""
        return module_source(self.name) if self.name != WORKSPACE else Code(self.source)

    @view("Versions", priority=30)
    def versions(self) -> Any:
        """What it was before."""
        if self.name == WORKSPACE:
            return "its definitions have versions"
        return _versions(self.name, lambda past: past.modules[self.name], lambda: self.source)

    def __repr__(self) -> str:
        record = current().world.modules.table.get(self.name)
        is_edited = record is not None and record.draft is not None and not record.draft.is_saved
        return f"<the code of {self.name}{', edited and not saved' if is_edited else ''}>"


def module_source(name: str, line: int | None = None) -> Code:
    """The source of a module: its draft, if it is edited."""
    image = current()
    record = image.world.modules.table[name]
    text = record.draft if record.draft is not None and not record.draft.is_saved else image.modules[name]

    def save() -> str:
        image.modules.text(name).save()
        return f"{name} is saved, and runs"

    return Code(text, "python", lambda: image.modules.text(name), save, line, f"image:{record.path}")


def _table(found: list[tuple[Definition, Any]], with_module: bool = False) -> Table:
    columns = ["definition", "kind", *(["module"] if with_module else []), "says"]

    def cells(pair: Any) -> list[Label]:
        definition, part = pair
        depth = part.name.count(".")
        name = part.name if with_module else "  " * depth + part.name.rpartition(".")[2]
        where = [definition.module or WORKSPACE] if with_module else []
        told = part.told if definition.draft is None else f"(edited, not saved) {part.told}"
        return [Label(each) for each in (name, part.kind, *where, told)]

    return Table(columns, found, cells, lambda pair: pair[0])


# -- the views of a definition


@general("Source", 10, is_of(Definition))
def _source(obj: Definition) -> Code:
    return definition_source(obj)


def definition_source(found: Definition, line: int | None = None) -> Code:
    """The source of a definition, to be edited; `line` is a line of its module, from 0."""
    draft = found.draft
    try:
        part = found.part
    except PietyError:
        if draft is None:
            raise
        return Code(draft, "python", save=found.save)  # what was written is not lost with it
    within = None if line is None else max(line - part.first, 0)
    file = f"image:{current().world.modules.table[found.module].path}" if found.module else STATEMENT
    source = found.source if draft is None else draft
    return Code(source, "python", found.edit, found.save, within, file, part.first)


@general("Methods", 12, is_of(Definition))
def _methods(obj: Definition) -> Any:
    pairs = [
        pair for pair in definitions.definitions(current(), obj.module) if pair[0].name.rpartition(".")[0] == obj.name
    ]
    return _table(pairs) if pairs else "it is no class with methods"


@general("Comment", 14, is_of(Definition))
def _comment(obj: Definition) -> str:
    import ast
    import textwrap

    node = ast.parse(textwrap.dedent(obj.source)).body[0]
    return ast.get_docstring(node) or "it says nothing of itself"  # type: ignore[arg-type]


@general("Used by", 16, is_of(Definition))
def _used_by(obj: Definition) -> Any:
    found = list(definitions.users(current(), obj.name.rpartition(".")[2]))[:MOST]
    return Table(
        ["where", "line"],
        found,
        lambda each: (Label(_where(each)), each[2] + 1),
        lambda each: each[0] or ModuleCode(each[1] or WORKSPACE),
    )


def _where(found: tuple[Definition | None, str, int]) -> str:
    definition, module, _line = found
    return f"{module or WORKSPACE}: {definition.name if definition is not None else 'the module itself'}"


@general("Defined by", 18, is_of(Definition))
def _defined_by(obj: Definition) -> Table:
    """Who defines the same name: the implementors of a method."""
    name = obj.name.rpartition(".")[2]
    found = [pair for pair in definitions.definitions(current()) if pair[1].name.rpartition(".")[2] == name]
    return _table(found, with_module=True)


@general("Versions", 20, is_of(Definition))
def _versions_of(obj: Definition) -> Any:
    top = obj.name.partition(".")[0]

    def then(past: Past) -> str:
        if obj.module:
            around = past.modules[obj.module]
        else:
            around = past.world.workspace.definitions[top].source
        return definitions.source_in(around, obj.name, obj.at) or ""

    return _versions(obj.module or top, then, lambda: obj.source)


@general("Actions", 22, is_of(Definition))
def _actions(obj: Definition) -> Any:
    if obj.draft is None:
        return Actions({"Open the module": lambda: ModuleCode(obj.module or WORKSPACE)})
    over = {"Save over what others did": lambda: obj.save(over=True)}
    return Actions({"Save": obj.save, **over, "Forget what was edited": obj.forget_draft})


# -- versions


class Version:
    """A source as a turn has left it."""

    def __init__(self, row: Row, source: str, before: str, now: str) -> None:
        self.row, self.source, self._before, self._now = row, source, before, now

    @view("Change", priority=10)
    def change(self) -> Code:
        """What that turn has changed."""
        return _diff(self._before, self.source)

    @view("Source", priority=12)
    def whole(self) -> Code:
        """What it was then."""
        return Code(self.source)

    @view("Since", priority=14)
    def since(self) -> Code:
        """What was changed since."""
        return _diff(self.source, self._now)

    def __repr__(self) -> str:
        return f"<version of {shown(time_of(self.row.tid))}: {self.row.what}>"


def _versions(name: str, then: Any, now: Any) -> Table:
    """The versions of a source in which there was a change, the newest first."""
    found: list[Version] = []
    rows = list(history(name))
    texts = [*(_text(then, row) for row in rows), ""]
    last = now()
    for at, row in enumerate(rows):
        if texts[at] != texts[at + 1]:
            found.append(Version(row, texts[at], texts[at + 1], last))
    return Table(
        ["when", "who", "what"],
        found,
        lambda each: [Label(part) for part in (shown(time_of(each.row.tid)), each.row.who, each.row.what)],
        lambda each: each,
    )


def _text(then: Any, row: Row) -> str:
    try:
        return str(then(row.past))
    except (PietyError, KeyError):  # it was not there
        return ""


def _diff(before: str, after: str) -> Code:
    return Code("\n".join(unified(before, after)) or "nothing", "diff")


# -- from an object or a place to its code


def code_of(found: Any) -> Code:
    """The source of a function or class: to be edited, if the image has it."""
    function = inspect.unwrap(found) if callable(found) else found
    definition = definition_of(function)
    if definition is not None:
        return definition_source(definition)
    try:
        return Code(inspect.getsource(function))
    except (OSError, TypeError):
        return Code(f"# there is no source of {found!r} here", "python")


def definition_of(found: Any) -> Definition | None:
    """The definition of a function or class, if the image has it."""
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    definition = Definition("" if module == NAME else module, name)
    try:
        definition.part  # noqa: B018  # or it raises
    except PietyError:
        return None
    return definition


def named_in(file: str, name: str) -> Definition | None:
    """A definition of this name in a file of the image, as tracebacks call both."""
    for found, part in definitions.definitions(current()):
        if part.name.rpartition(".")[2] == name and file == _file_of(found.module):
            return found
    return None


def _file_of(module: str) -> str:
    return f"image:{current().world.modules.table[module].path}" if module else WORKSPACE_FILE


def place_of(file: str, line: int) -> tuple[Definition | None, Code | None]:
    """What stands in a line, from 1, of a file as tracebacks have it: the definition, if one does, and its source."""
    image = current()
    inner: tuple[Definition, int] | None = None
    for found, part in definitions.definitions(image):
        if file != _file_of(found.module):
            continue
        first = 0 if found.module else image.world.workspace.definitions[found.name.partition(".")[0]].line - 1
        if part.first <= line - 1 - first < part.last:
            inner = found, line - 1 - first
    if inner is not None:
        return inner[0], definition_source(*inner)
    module = next((name for name in image.modules if file == _file_of(name)), None)
    return None, None if module is None else module_source(module, line - 1)
