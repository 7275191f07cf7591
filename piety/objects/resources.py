"""`importlib.resources` for packages in the image: the files that lie beside the code.

A `Place` is a folder or file of the image with the few methods of `importlib.resources.abc.Traversable`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import IO, Any

if sys.version_info >= (3, 12):
    from importlib.resources.abc import Traversable, TraversableResources
else:
    from importlib.abc import Traversable, TraversableResources

from piety.objects.world import Modules


class Reader(TraversableResources):
    """The resources of one package."""

    def __init__(self, modules: Modules, folder: str) -> None:
        self._modules = modules
        self._folder = folder

    def files(self) -> Place:
        return Place(self._modules, self._folder)


class Place(Traversable):
    """A file or folder in the image, by its path."""

    def __init__(self, modules: Modules, path: str) -> None:
        self._modules = modules
        self._path = path

    @property
    def name(self) -> str:
        return self._path.rpartition("/")[2]

    def _bytes(self) -> bytes | None:
        content = self._modules.files.get(self._path)
        if content is None and self._path.endswith(".py"):
            name = self._path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            record = self._modules.table.get(name)
            content = record.source if record is not None and record.path == self._path else None
        return None if content is None else content.data

    def iterdir(self) -> Iterator[Place]:
        below = f"{self._path}/"
        paths = [*self._modules.files.keys(below, f"{self._path}0")]
        paths += [record.path for record in self._modules.table.values() if record.path.startswith(below)]
        for name in sorted({path[len(below) :].partition("/")[0] for path in paths}):
            yield Place(self._modules, below + name)

    def is_file(self) -> bool:
        return self._bytes() is not None

    def is_dir(self) -> bool:
        return not self.is_file() and any(True for _ in self.iterdir())

    def joinpath(self, *parts: Any) -> Place:
        path = "/".join([self._path, *(str(part).strip("/") for part in parts)])
        return Place(self._modules, path)

    def __truediv__(self, part: Any) -> Place:
        return self.joinpath(part)

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, *args, **kwargs)

    def read_bytes(self) -> bytes:
        data = self._bytes()
        if data is None:
            raise FileNotFoundError(f"no file {self._path} in the image")
        return data

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict").replace("\r\n", "\n")

    def __repr__(self) -> str:
        return f"image:{self._path}"
