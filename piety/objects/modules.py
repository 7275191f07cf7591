"""The modules of the image as a person handles them: save, show, import from the host, export to it.

    image.modules["notes"] = "def add(): ..."     saving is a turn that runs the source; if it fails nothing changes
    image.modules["notes"]                        the source
    "notes" in image.modules; list(image.modules); del image.modules["notes"]

Inside of a turn (at the shell, say) the same works as part of that turn.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.machinery
import linecache
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from importlib.util import decode_source
from typing import TYPE_CHECKING, Any

from piety.errors import NameTaken, NoModule, PietyError
from piety.objects.importing import compile_module
from piety.objects.world import Content, Module

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from piety.objects.image import Image


class ModulesOf(MutableMapping[str, str]):
    """The modules of one open image: name to source."""

    def __init__(self, image: Image) -> None:
        self._image = image

    @property
    def _records(self) -> Any:
        return self._image.world.modules

    def __getitem__(self, name: str) -> str:
        return decode_source(self._record(name).source.data)

    def __setitem__(self, name: str, source: str) -> None:
        self.save(name, source)

    def __delitem__(self, name: str) -> None:
        """Take a module out of the image, and out of this process if it runs here."""
        self._record(name)
        with self._turn(f"delete module {name}"):
            del self._records.table[name]
            self._image.unload_module(name)

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
        with self._turn(f"save module {name}"):
            self._store(name, source, over_host, is_package)
            self._image.run_module(name)

    def _store(self, name: str, source: str | bytes, over_host: bool, is_package: bool | None) -> Module:
        _check_name(name)
        data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
        record: Module | None = self._records.table.get(name)
        if record is None:
            top = name.partition(".")[0]
            if not over_host and top not in self._records.table and _host_has(top):
                raise NameTaken(
                    f"the host can import {top!r}, and a module of that name in the image would hide it; "
                    "choose another name, or say over_host=True (--over-host) to let it take that place"
                )
            record = self._records.table[name] = Module(name, data, bool(is_package))
            record.hides_host = over_host
        else:
            record.is_package = record.is_package if is_package is None else is_package
            if record.source.data != data:
                record.source = Content(data)
                record.code.clear()
        tree = compile(data, f"image:{record.path}", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        record.state = _state_names(tree)
        compile_module(record)
        return record

    # -- from and to the host

    def import_paths(self, places: Iterable[str | os.PathLike[str]], over_host: bool = False) -> list[str]:
        """Take `.py` files and package folders of the host into the image, in one turn; the modules' names.

        The sources are kept, not run; the other files of a package come along as its resources.  Raises SyntaxError
        for the first source that does not compile, and then nothing has changed.
        """
        from pathlib import Path

        names: list[str] = []
        paths = [Path(place).absolute() for place in places]
        with self._turn(f"import {' '.join(path.name for path in paths)}"):
            for path in paths:
                for name, is_package, data in _sources(path):
                    record = self._store(name, data, over_host, is_package)
                    self._image.run_module(record.name, only_if_loaded=True)
                    names.append(name)
                for place, data in _other_files(path):
                    known = self._records.files.get(place)
                    if known is None or known.data != data:
                        self._records.files[place] = Content(data)
        return names

    def export(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every module and resource to a folder of the host, byte for byte; the files written."""
        from pathlib import Path

        contents = {record.path: record.source for record in self._records.table.values()}
        contents.update(self._records.files.items())
        written = []
        for place, content in sorted(contents.items()):
            path = Path(folder) / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_bytes() != content.data:
                path.write_bytes(content.data)
            written.append(path)
        return written

    def _record(self, name: str) -> Module:
        record: Module | None = self._records.table.get(name)
        if record is None:
            raise NoModule(f"there is no module {name!r} in the image; piety code list shows those that are")
        return record

    def _turn(self, label: str) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._image.in_turn else self._image.turn(label)


def _check_name(name: str) -> None:
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise PietyError(f"{name!r} cannot be a module's name; use words of letters, digits and _ with dots between them")


def _host_has(name: str) -> bool:
    """Whether the host can import a module of this name; asks the host's finders only, and runs nothing."""
    if name in sys.builtin_module_names or name in sys.stdlib_module_names or name == "piety":
        return True
    for finder in sys.meta_path:
        if type(finder).__module__.startswith("piety."):
            continue
        spec = finder.find_spec(name, None)
        if spec is not None and spec.loader is not None:
            return True
    return False


def _state_names(tree: ast.Module) -> tuple[str, ...]:
    """The names in a top-level `__state__ = "a", "b"`.  Raises SyntaxError if it is anything but a list of names."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == "__state__" for target in targets):
            try:
                value = ast.literal_eval(node.value)  # type: ignore[union-attr, arg-type]
            except (ValueError, TypeError):
                value = None
            names = (value,) if isinstance(value, str) else value
            if not isinstance(names, (tuple, list, set)) or not all(isinstance(name, str) for name in names):
                raise SyntaxError("__state__ must be a plain list of names, such as __state__ = ('counter', 'notes')")
            return tuple(names)
    return ()


def _sources(path: Path) -> Iterator[tuple[str, bool, bytes]]:
    """The modules in a file or package folder: name, whether it is a package, source."""
    if path.is_file() and path.suffix == ".py":
        yield path.stem, False, path.read_bytes()
        return
    if not path.is_dir() or not (path / "__init__.py").is_file():
        what = "is not there" if not path.exists() else "is neither a .py file nor a package (a folder with __init__.py)"
        raise PietyError(f"{path} {what}")
    for file in sorted(path.rglob("*.py")):
        parts = (path.name, *file.relative_to(path).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        if all(part.isidentifier() for part in name.split(".")):
            yield name, is_package, file.read_bytes()


def _other_files(path: Path) -> Iterator[tuple[str, bytes]]:
    if not path.is_dir():
        return
    for file in sorted(path.rglob("*")):
        place = file.relative_to(path.parent)
        importable = file.suffix == ".py" and all(part.isidentifier() for part in place.with_suffix("").parts)
        if file.is_file() and "__pycache__" not in place.parts and not importable:
            yield place.as_posix(), file.read_bytes()
