"""Definitions: the functions, classes and methods of the image, each as a part of some source.

    Definition("notes", "Note.shout")      of a module
    Definition("", "Note")                 of the workspace

A definition is edited as a text of its own, its draft, which is kept until it is saved; that puts it into the source
again and runs that, as a part of the turn that runs.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from BTrees.OOBTree import OOBTree

from piety.errors import PietyError
from piety.objects.changes import never_changes, watches_itself
from piety.objects.hostfiles import encoded
from piety.objects.image import open_image
from piety.objects.texts import Text

if TYPE_CHECKING:
    from piety.objects.image import Image

WORKSPACE = "workspace"
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Part(NamedTuple):
    """A definition in a source: its name, with those of the classes around it, its kind, and its lines, from 0."""

    name: str
    kind: str
    first: int
    last: int  # behind it
    told: str  # the first line of its docstring


@lru_cache(maxsize=200)
def parts(source: str) -> tuple[Part, ...]:
    """The definitions in a source, in order, each class before its methods.

    There are none if it does not compile, or is no UTF-8.
    """
    try:
        return tuple(_parts(ast.parse(source).body, ""))
    except (SyntaxError, ValueError, RecursionError):
        return ()


def _parts(nodes: list[ast.stmt], within: str) -> Iterator[Part]:
    for node in nodes:
        if isinstance(node, _DEFINES):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
            kind = "class" if isinstance(node, ast.ClassDef) else "method" if within else "function"
            told = (ast.get_docstring(node) or "").partition("\n")[0]
            yield Part(within + node.name, kind, first, node.end_lineno or node.lineno, told)
            if isinstance(node, ast.ClassDef):
                yield from _parts(node.body, f"{within}{node.name}.")
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _parts([each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)], within)


def part_in(source: str, name: str, at: int) -> Part | None:
    """The definition of a name in a source, of several the one at a place; None if it has none."""
    found = [each for each in parts(source) if each.name == name]
    return found[at] if at < len(found) else None


def source_in(source: str, name: str, at: int) -> str | None:
    """The lines of that definition, without carriage returns."""
    part = part_in(source, name, at)
    if part is None:
        return None
    return "\n".join(source.split("\n")[part.first : part.last]).replace("\r", "") + "\n"


def uses(source: str, name: str) -> Iterator[int]:
    """The lines, from 0, in which a name is used: by itself, or as an attribute."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    found = set()
    for node in ast.walk(tree):
        own = getattr(node, "id", None) or getattr(node, "attr", None)
        names = [alias.name for alias in node.names] if isinstance(node, (ast.ImportFrom, ast.Import)) else [own]
        if name in names:
            found.add(node.lineno - 1)  # type: ignore[attr-defined]
    yield from sorted(found)


@never_changes
class Definition:
    """A definition of the image, by its name and that of its module; of the workspace that is empty.

    Of several with one name, such as a property and its setter, `at` tells which, from 0.
    """

    def __init__(self, module: str, name: str, at: int = 0) -> None:
        self.module, self.name, self.at = module, name, at

    # -- its source

    @property
    def around(self) -> str:
        """The source that it is a part of.  Raises `PietyError`."""
        return around(open_image(), self.module, self.name)

    @property
    def part(self) -> Part:
        """Where it is in there.  Raises `PietyError` if it is not there any more."""
        found = part_in(self.around, self.name, self.at)
        if found is None:
            raise PietyError(f"there is no definition of {self.name} in {self.module or WORKSPACE} any more")
        return found

    @property
    def source(self) -> str:
        """Its source, with its margin."""
        self.part  # noqa: B018  # or it raises that it is gone
        return source_in(self.around, self.name, self.at) or ""

    def put(self, source: str) -> None:
        """Give it another source, and run what that is a part of.  Raises what that raises."""
        image, part = open_image(), self.part
        if self.module:
            draft = image.world.modules.table[self.module].draft
            if draft is not None and not draft.is_saved:
                raise PietyError(f"the text of module {self.module} is edited and not saved; save or reload that first")
        lines = self.around.split("\n")
        end = "\r" if lines[part.first].endswith("\r") else ""
        new = [f"{line}{end}" for line in source.rstrip("\n").split("\n")]
        whole = "\n".join([*lines[: part.first], *new, *lines[part.last :]])
        if self.module:
            image.modules.save(self.module, encoded(whole))
        else:
            image.run_source(whole)

    # -- editing it

    @property
    def _key(self) -> str:
        return f"{self.module}:{self.name}{f':{self.at}' if self.at else ''}"

    @property
    def draft(self) -> DefinitionDraft | None:
        """Its draft, if it is edited."""
        drafts = open_image().world.drafts
        found: DefinitionDraft | None = None if drafts is None else drafts.get(self._key)
        return found

    def edit(self) -> DefinitionDraft:
        """Its draft; begun, if there is none."""
        world = open_image().world
        if world.drafts is None:
            world.drafts = OOBTree()
        if (draft := self.draft) is None:
            draft = world.drafts[self._key] = DefinitionDraft(self)
        return draft

    def save(self, over: bool = False) -> str:
        """Save its draft, and run it; then that is forgotten.

        Raises what the source raises, and `PietyError` if it was changed since the draft was begun, unless what others
        did is to be written `over`.
        """
        draft = self.draft
        if draft is None:
            return "nothing was edited"
        if not over and self.source != draft.begun:
            raise PietyError(
                f"{self.name} was changed since you began to edit it: see its versions; an action saves over that"
            )
        self.put(str(draft))
        self.forget_draft()
        return f"{self.name} is saved, and runs"

    def forget_draft(self) -> None:
        """Forget what was edited and not saved."""
        drafts = open_image().world.drafts
        if drafts is not None and self._key in drafts:
            del drafts[self._key]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Definition) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        edited = ", edited and not saved" if self.draft is not None else ""
        return f"<definition {self.name} in {self.module or WORKSPACE}{edited}>"


@watches_itself
class DefinitionDraft(Text):
    """The text of one definition that is edited; `save` runs it."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition.source)
        self.begun = definition.source
        self.module, self.definition, self.place = definition.module, definition.name, definition.at

    def save(self, path: str | None = None, force: bool = False) -> int:
        """Save it as the source of its definition, and run that; with a path, write it to a file of the host."""
        if path is not None:
            return super().save(path, force)
        Definition(self.module, self.definition, self.place).save()
        return len(self)


# -- all that there are


def around(image: Image, module: str, name: str) -> str:
    """The source that a definition is a part of: of its module, or of the statement that was entered."""
    if module:
        return _source_of(image, module)
    kept: Any = image.world.workspace.definitions.get(name.partition(".")[0])
    if kept is None:
        raise PietyError(f"there is no definition of {name} in the workspace any more")
    source: str = kept.source
    return source


def sources(image: Image) -> Iterator[tuple[str, str, str]]:
    """All sources of the image: module, the name under which the workspace has it, and the source."""
    for name, definition in image.world.workspace.definitions.items():
        yield "", name, definition.source
    for name in image.modules:
        yield name, "", _source_of(image, name)


def _source_of(image: Image, module: str) -> str:
    """The source of a module, with its line ends; bytes that are no UTF-8 are lone surrogates, as in its draft."""
    record = image.world.modules.table.get(module)
    if record is None:
        raise PietyError(f"there is no module {module!r} in the image")
    data: bytes = record.source.data
    return data.decode("utf-8", "surrogateescape")


def definitions(image: Image, module: str | None = None) -> Iterator[tuple[Definition, Part]]:
    """All definitions of the image, or those of a module ("" for the workspace)."""
    for where, _name, source in sources(image):
        if module in (None, where):
            yield from _definitions_in(where, source)


def _definitions_in(module: str, source: str) -> Iterator[tuple[Definition, Part]]:
    seen: Counter[str] = Counter()
    for part in parts(source):
        yield Definition(module, part.name, seen[part.name]), part
        seen[part.name] += 1


def users(image: Image, name: str) -> Iterator[tuple[Definition | None, str, int]]:
    """Where a name is used: the definition around it, if one is, the module, and the line there, from 0."""
    for where, _name, source in sources(image):
        if name in source:
            found = list(_definitions_in(where, source))
            for line in uses(source, name):
                inner = [each for each, part in found if part.first <= line < part.last]
                yield (inner[-1] if inner else None), where, line
