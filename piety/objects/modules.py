"""The modules of the image as a person handles them: save, show, import from the host, export to it.

    image.modules["notes"] = "def add(): ..."     saving is a turn that runs the source; if it fails nothing changes
    image.modules["notes"]                        the source
    image.modules.text("notes")                   the same as a text: a draft, until its `save`
    "notes" in image.modules; list(image.modules); del image.modules["notes"]

Inside of a turn (at the shell, say) the same works as part of that turn.  A module that gets a child, as `notes` does
when `notes.store` is saved, becomes a package; to delete a package is to delete what is in it.
"""

from __future__ import annotations

import _ast
import contextlib
import keyword
import os
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from importlib.machinery import PathFinder
from importlib.util import decode_source
from pathlib import Path
from typing import TYPE_CHECKING, Any

from BTrees.OOBTree import OOBTree

from piety.errors import NameTaken, NoModule, PietyError
from piety.objects.drafts import Draft, follow
from piety.objects.importing import Importer, compile_module, compile_source
from piety.objects.variables import SYSTEM_NAMES
from piety.objects.world import PLACE, Content, Module

if TYPE_CHECKING:
    from piety.objects.image import Image

# Python cannot start without these, or the store cannot.
_STORE = ("BTrees", "ZODB", "persistent", "transaction", "zc", "zodbpickle", "zope")
_NEVER = frozenset(("__main__", "piety", "workspace", *_STORE, *sys.builtin_module_names))
_PARTS = ("source", "is_package", "state", "code")  # of a record: what changes with its source


class ModulesOf(MutableMapping[str, str]):
    """The modules of one open image: name to source."""

    def __init__(self, image: Image) -> None:
        self._image = image

    @property
    def _records(self) -> Any:
        return self._image.world.modules

    @property
    def _importer(self) -> Importer:
        return self._image._turns.importer

    def __getitem__(self, name: str) -> str:
        return decode_source(self._record(name).source.data)

    def __setitem__(self, name: str, source: str) -> None:
        self.save(name, source)

    def __delitem__(self, name: str) -> None:
        """Take a module out of the image with all that is in it, and out of this process if it is loaded here."""
        self._record(name)
        with self._turn(f"delete module {name}"):
            for each in [*self._records.table.keys(f"{name}.", f"{name}/", excludemax=True), name]:
                self._importer.delete(each)
                del self._records.table[each]
            folder = name.replace(".", "/")
            for path in list(self._records.files.keys(f"{folder}/", f"{folder}0", excludemax=True)):
                del self._records.files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._records.table))

    def __len__(self) -> int:
        return len(self._records.table)

    def __contains__(self, name: object) -> bool:
        return name in self._records.table

    def __repr__(self) -> str:
        return f"<modules: {', '.join(self)}>"

    def save(self, name: str, source: str | bytes, *, over_host: bool = False, is_package: bool | None = None) -> None:
        """Save a module's source and run it: in its namespace if it runs already, else by importing it.

        Raises what the source raises, and then nothing has changed; `NameTaken` if the host can import a module of this
        name, unless `over_host` says that this one shall take its place.
        """
        data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
        with self._turn(f"save module {name}"), contextlib.ExitStack() as undo:
            self._make_room(name, over_host, undo)
            self._store(name, data, is_package, undo)
            self._image.run_module(name)
            follow(self._records.table[name])
            undo.pop_all()

    def _make_room(self, name: str, over_host: bool, undo: contextlib.ExitStack) -> None:
        """See that a module of this name may be in the image, and that it has a package to be in."""
        if name in self._records.table:
            return
        _check_name(name)
        parent = name.rpartition(".")[0]
        if not parent:
            _check_host(name, over_host)
        elif parent not in self._records.table:
            raise PietyError(f"{name!r} needs a package to be in: save {parent!r} first (its source may be empty)")
        elif not self._records.table[parent].is_package:
            self._replace(self._records.table[parent], self._records.table[parent].source.data, True, undo)
            if self._importer.is_loaded(parent):
                self._importer.locate(parent)

    def _store(self, name: str, data: bytes, is_package: bool | None, undo: contextlib.ExitStack) -> bool:
        """Put a module's source and code into its record; whether that changed anything."""
        record: Module | None = self._records.table.get(name)
        if record is not None and record.source.data == data and is_package in (None, record.is_package):
            return False
        if record is not None:
            self._replace(record, data, record.is_package if is_package is None else is_package, undo)
            return True
        self._records.table[name] = _new_record(name, data, bool(is_package))
        undo.callback(self._records.table.pop, name)
        undo.callback(self._importer.keep_lines, name)
        if "." not in name:
            self._importer.add_top(name)
            undo.callback(self._importer.drop_top, name)
        return True

    def _replace(self, record: Module, data: bytes, is_package: bool, undo: contextlib.ExitStack) -> None:
        new = _new_record(record.name, data, is_package)
        before = {part: getattr(record, part) for part in _PARTS}
        undo.callback(_fill, record, before)
        undo.callback(self._importer.forget_variables(record.name, set(record.state) - set(new.state)))
        _fill(record, {part: getattr(new, part) for part in _PARTS})
        undo.callback(self._importer.keep_lines, record.name)
        if record.variables is None:
            record.variables = new.variables

    def text(self, name: str) -> Draft:
        """The source of a module as a text: edits are a draft, and its `save` is the turn that runs it."""
        record = self._record(name)
        if record.draft is None:
            with self._turn(f"the text of module {name}"):
                record.draft = Draft(record)
        draft: Draft = record.draft
        return draft

    # -- from and to the host

    def import_paths(
        self, places: Iterable[str | os.PathLike[str]], over_host: bool = False, user: str | None = None
    ) -> list[str]:
        """Take `.py` files and package folders of the host into the image, in one turn; the modules' names.

        The sources are kept, not run; modules that run already get their new source.  The other files of a package
        come along as its resources.  Raises SyntaxError for the first source that does not compile, and `PietyError`
        for what is no module; then nothing has changed.
        """
        paths = [Path(os.path.abspath(place)) for place in places]
        modules: dict[str, tuple[bool, Path]] = {}
        with self._turn(f"import {' '.join(path.name for path in paths)}", user), contextlib.ExitStack() as undo:
            for path in paths:
                found, others = _contents(path)
                modules.update(found)
                self._make_room(path.stem if path.is_file() else path.name, over_host, undo)
                for place, file in others.items():
                    data, known = _read(file), self._records.files.get(place)
                    if known is None or known.data != data:
                        self._records.files[place] = Content(data)
            changed = [name for name, (is_package, file) in modules.items() if self._take(name, file, is_package, undo)]
            for name in changed:
                self._image.run_module(name, only_if_loaded=True)
                follow(self._records.table[name])
            undo.pop_all()
        return list(modules)

    def _take(self, name: str, file: Path, is_package: bool, undo: contextlib.ExitStack) -> bool:
        try:
            return self._store(name, _read(file), is_package, undo)
        except SyntaxError as error:
            error.filename = str(file)
            raise

    def export(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every module and resource to a folder of the host, byte for byte; the files written."""
        contents = {record.path: record.source for record in self._records.table.values()}
        contents.update(self._records.files.items())
        written = []
        for place, content in sorted(contents.items()):
            path = Path(folder) / place
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists() or path.read_bytes() != content.data:
                    path.write_bytes(content.data)
            except OSError as error:
                raise PietyError(f"{path} cannot be written ({error.strerror}); choose another folder") from error
            written.append(path)
        return written

    def _record(self, name: str) -> Module:
        record: Module | None = self._records.table.get(name)
        if record is None:
            raise NoModule(f"there is no module {name!r} in the image; piety code list shows those that are")
        return record

    def _turn(self, label: str, user: str | None = None) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._image.in_turn else self._image.turn(label, user)


def _new_record(name: str, data: bytes, is_package: bool) -> Module:
    """A module's record with its code.  Raises SyntaxError."""
    record = Module(name, data, is_package)
    record.state = _state_names(data, record.path)
    record.variables = OOBTree() if record.state else None
    compile_module(record)
    return record


def _fill(record: Module, parts: dict[str, Any]) -> None:
    for part, value in parts.items():
        setattr(record, part, value)


def _check_name(name: str) -> None:
    if not name or not all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        raise PietyError(
            f"{name!r} cannot be a module's name; use words of letters, digits and _ with dots between them"
        )


def _check_host(name: str, over_host: bool) -> None:
    """Raises `NameTaken` if the host has a module of this name and it may not be hidden."""
    if name in _NEVER:
        raise NameTaken(f"{name!r} is a part of Python or Piety that cannot be replaced; choose another name")
    if not over_host and _host_has(name):
        raise NameTaken(
            f"the host can import {name!r}, and a module of that name in the image would hide it; "
            "choose another name, or say over_host=True (--over-host) to let it take that place"
        )


def _host_has(name: str) -> bool:
    """Whether the host can import a module of this name; asks the host's finders only, and runs nothing.

    What merely lies in the current folder is not the host's: the file that is being imported lies there often.
    """
    if name in sys.stdlib_module_names:
        return True
    path = [each for each in sys.path if each and os.path.abspath(each) != os.getcwd()]
    for finder in sys.meta_path:
        if isinstance(finder, Importer):
            continue
        spec = finder.find_spec(name, path if finder is PathFinder else None)
        if spec is not None and spec.loader is not None:
            return True
    return False


def _state_names(data: bytes, path: str) -> tuple[str, ...]:
    """The names in a top-level `__state__ = "a", "b"`.  Raises SyntaxError if it is anything but names of variables."""
    if b"__state__" not in data:
        return ()
    body = compile_source(data, path, _ast.PyCF_ONLY_AST).body
    code = {node.name for node in body if isinstance(node, (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef))}
    names: tuple[str, ...] = ()
    for node in body:
        targets = node.targets if isinstance(node, _ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, _ast.Name) and target.id == "__state__" for target in targets):
            names = _listed(node)
            wrong = [name for name in names if not name.isidentifier() or name in code or name in SYSTEM_NAMES]
            if not names or wrong:
                why = f"; {wrong[0]!r} is no variable" if wrong else ""
                raise SyntaxError(
                    f"__state__ must be a plain list of variables, such as __state__ = ('counter', 'notes'){why}",
                    (PLACE + path, node.lineno, None, None),
                )
    return names


def _listed(node: Any) -> tuple[str, ...]:
    """The names that stand in a statement `__state__ = ...`; none if it is not a plain list of names."""
    import ast

    try:
        names = ast.literal_eval(node.value)
    except (ValueError, TypeError):
        return ()
    names = (names,) if isinstance(names, str) else sorted(names) if isinstance(names, set) else names
    plain = isinstance(names, (tuple, list)) and all(isinstance(name, str) for name in names)
    return tuple(names) if plain else ()


def _contents(path: Path) -> tuple[dict[str, tuple[bool, Path]], dict[str, Path]]:
    """What a file or package folder holds: modules by name (whether it is a package, its file), other files by path."""
    if path.is_file() and path.suffix == ".py":
        return {path.stem: (False, path)}, {}
    if not path.is_dir() or not (path / "__init__.py").is_file():
        what = (
            "is not there" if not path.exists() else "is neither a .py file nor a package (a folder with __init__.py)"
        )
        raise PietyError(f"{path} {what}; nothing was imported")
    modules: dict[str, tuple[bool, Path]] = {}
    others: dict[str, Path] = {}
    for file in sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts):
        place = file.relative_to(path.parent)
        parts = place.with_suffix("").parts
        is_package = parts[-1] == "__init__"
        shadowed = not is_package and file.with_suffix("").joinpath("__init__.py").is_file()  # as for Python
        if file.suffix == ".py" and all(part.isidentifier() for part in parts) and not shadowed:
            modules[".".join(parts[:-1] if is_package else parts)] = is_package, file
        else:
            others[place.as_posix()] = file
    return dict(sorted(modules.items())), others


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PietyError(f"{file} cannot be read ({error.strerror}); nothing was imported") from error
