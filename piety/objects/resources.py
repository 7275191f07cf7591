"""`importlib.resources` for packages in the image: the files that lie beside the code.

A `Place` is a file or folder of the image, with the methods of `importlib.resources.abc.Traversable` and in the
manner of `pathlib.Path`: sources of modules are files too.  Places are read only; code is changed by saving it.
"""

from __future__ import annotations

import io
import posixpath
import sys
from collections.abc import Iterator
from typing import IO, Any

if sys.version_info >= (3, 12):
    from importlib.resources.abc import Traversable, TraversableResources
else:
    from importlib.abc import Traversable, TraversableResources

from piety.objects.world import Content, Modules


class Place(Traversable):
    """A file or folder in the image, by its path: `pkg/data/words.txt`; "" is the folder that holds all."""

    def __init__(self, modules: Modules, path: str) -> None:
        self._modules = modules
        self._path = "" if path == "." else path

    @property
    def name(self) -> str:
        return posixpath.basename(self._path)

    @property
    def parent(self) -> Place:
        return Place(self._modules, posixpath.dirname(self._path))

    # -- folders

    def iterdir(self) -> Iterator[Place]:
        if not self.is_dir():
            raise (NotADirectoryError if self.is_file() else FileNotFoundError)(f"{self} is no folder of the image")
        for name in sorted(self._names()):
            yield Place(self._modules, posixpath.join(self._path, name))

    def is_dir(self) -> bool:
        return not self._path or any(True for _ in self._names())

    def _names(self) -> Iterator[str]:
        """What lies directly in this folder."""
        folder, seen = f"{self._path}/" if self._path else "", set()
        for path in self._paths(folder):
            name = path[len(folder) :].partition("/")[0]
            if name not in seen:
                seen.add(name)
                yield name

    def _paths(self, folder: str) -> Iterator[str]:
        """The paths of modules (as far as they matter here) and files below a folder."""
        table, files = self._modules.table, self._modules.files
        package = folder.replace("/", ".")
        record = table.get(package[:-1])
        if record is not None and record.is_package:
            yield record.path
        for name in table.keys(package, f"{package[:-1]}/", excludemax=True) if folder else table.keys():
            deeper = "." in name[len(package) :]  # then only the folder counts, and the record need not be read
            yield name.replace(".", "/") if deeper else table[name].path
        yield from files.keys(folder, f"{folder[:-1]}0", excludemax=True) if folder else files.keys()

    def joinpath(self, *parts: Any) -> Place:
        return Place(self._modules, posixpath.normpath(posixpath.join(self._path, *map(str, parts))))

    def __truediv__(self, part: Any) -> Place:
        return self.joinpath(part)

    # -- files

    def is_file(self) -> bool:
        return self._content() is not None

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def _content(self) -> Content | None:
        found: Content | None = self._modules.files.get(self._path)
        if found is None and self._path.endswith(".py"):
            stem = self._path.removesuffix(".py")
            for name in (stem, posixpath.dirname(stem)):
                record = self._modules.table.get(name.replace("/", "."))
                if record is not None and record.path == self._path:
                    found = record.source
        return found

    def read_bytes(self) -> bytes:
        content = self._content()
        if content is None:
            raise (IsADirectoryError if self.is_dir() else FileNotFoundError)(f"there is no file {self}")
        return content.data

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        with self.open(encoding=encoding or "utf-8", errors=errors) as file:
            return str(file.read())

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        if mode not in ("r", "rt", "rb", "br"):
            raise io.UnsupportedOperation(f"{self} can only be read; code import takes new files into the image")
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, *args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)

    def __repr__(self) -> str:
        return f"image:{self._path}"


class Reader(TraversableResources):
    """The resources of one package: what lies in its folder."""

    def __init__(self, folder: Place) -> None:
        self._folder = folder

    def files(self) -> Place:
        return self._folder
