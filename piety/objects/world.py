"""The world: the image's root object, and the records of code that hang on it.

    World       the root: `world.anything = value` keeps a value for good
    Modules     the table of modules, and of the other files that lie in packages
    Module      one module: its source, its compiled code, the variables that it declares in `__state__`
    Workspace   the module in which the shell evaluates: definitions and variables
    Definition  one import, function or class of the workspace

`docs/format.md` describes every record.  Attributes may be added to these classes, with a default on the class, so that
an older image goes on; nothing may be renamed or taken away without an entry in the world's `renames`.
"""

from __future__ import annotations

from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from piety.objects.changes import made_of_immutables, watches_itself

FORMAT = 1
PLACE = "image:"  # how the `__file__` of a module of the image begins


class World(Persistent):
    """The root of everything that lives in the image.  Keep your own objects in attributes of it."""

    tasks: Any = None  # `scheduler.tasks.Tasks`, from the first task on
    transcript: Any = None  # `scheduler.output.Transcript`, from the first that prints there
    texts: Any = None  # OOBTree: name -> `texts.Text`, from the first on
    entries: Any = None  # LOBTree: number -> `entries.Entry`, from the first on
    plain: Any = None  # OOBTree: number of an entry -> Group, of those whose objects are plain, from the first on
    extractors: tuple[tuple[Any, Any], ...] = ()  # a class or a media type, and a function: see `deriving.py`
    kept: Any = None  # OOBTree: path on the host -> `files.Node` that was kept from there, from the first on
    desks: Any = None  # OOBTree: name -> `browser.desks.Desk`, from the first on
    commands: Any = None  # OOBTree: name -> keys, where, function or None; see `browser.commands`
    drafts: Any = None  # OOBTree: module and name -> `objects.definitions.DefinitionDraft`, where one is edited

    def __init__(self) -> None:
        self.format = FORMAT
        self.modules = Modules()
        self.workspace = Workspace()
        self.history = OOBTree()  # what was typed at the shell, by number
        self.renames = OOBTree()  # "old.module:Name" -> "new.module:Name", for classes that moved

    def __repr__(self) -> str:
        own = {"format", "modules", "workspace", "history", "renames", *vars(World)}
        self._p_activate()  # it rests between turns, if plain things hang on it
        names = [name for name in vars(self) if name not in own]
        return f"<world{': ' + ', '.join(names) if names else ''}>"


@made_of_immutables
class Content(Persistent):
    """Bytes in a record of their own, read only when they are asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data


@watches_itself
class Module(Persistent):
    """A module of the image: Python source that is imported from there.

    `source` is kept byte for byte as it came.  The compiled form lies in the record itself, so that an import reads
    one.
    Nothing plain that can be changed hangs on it, so it need not be watched.
    """

    code: tuple[tuple[str, bytes], ...] = ()  # tag of a Python and what its marshal writes; the two used last
    state: tuple[str, ...] = ()  # the names in `__state__`: variables that live on in the image
    variables: OOBTree | None = None  # name -> Group, of a module that has such
    draft: Any = None  # `drafts.Draft`, from the first time that somebody edits it

    def __init__(self, name: str, source: bytes, is_package: bool) -> None:
        self.name = name
        self.source = Content(source)
        self.is_package = is_package

    @property
    def path(self) -> str:
        """Where this module would lie as a file: `pkg/__init__.py`, `pkg/mod.py`."""
        base = self.name.replace(".", "/")
        return f"{base}/__init__.py" if self.is_package else f"{base}.py"

    def __repr__(self) -> str:
        return f"<module {self.name} in the image>"


class Modules(Persistent):
    """The modules of the image by name, and the files that lie beside them in packages by path."""

    def __init__(self) -> None:
        self.table = OOBTree()  # dotted name -> Module
        self.files = OOBTree()  # "pkg/data/words.txt" -> Content

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def __iter__(self) -> Any:
        return iter(self.table)

    def __repr__(self) -> str:
        return "<modules of the image>"


class Definition(Persistent):
    """One import, function or class typed at the shell.

    `line` is where it stands in the workspace's source as tracebacks count it: a place is never used twice, so that
    code compiled long ago still points at its own text.
    """

    def __init__(self, source: str, line: int) -> None:
        self.source = source
        self.line = line
        self.code = OOBTree()  # tag of a Python -> Content of what its marshal writes


class Workspace(Persistent):
    """The module in which the shell evaluates: every variable persists, every definition has its source here."""

    def __init__(self) -> None:
        self.variables = OOBTree()  # name -> Group
        self.definitions = OOBTree()  # name -> Definition
        self.next_line = 1
        self.features: tuple[str, ...] = ()  # from __future__ import ...

    def __repr__(self) -> str:
        return "<workspace>"
