"""Importing modules from the image, as Python imports from files.

An `Importer` stands first in `sys.meta_path` while an image is open.  For a name that the image has it gives a module
whose source, compiled code and neighbouring files come from there: tracebacks, `inspect.getsource`, `runpy`,
`pkgutil` and `importlib.resources` work as usual.  Places in the image are written `image:pkg/mod.py`.

A module that declares `__state__ = ("counter", "notes")` keeps those variables in the image: running its source gives
them their first values only, and after that they rest and are brought in like variables of the workspace.
"""

from __future__ import annotations

import builtins
import io
import linecache
import marshal
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, spec_from_loader
from typing import Any

from piety.objects.redefine import update_class, update_function
from piety.objects.variables import MISSING, RestingNames, Space, Variables
from piety.objects.workspace import CODE_TAG
from piety.objects.world import Content, Module, Modules

PLACE = "image:"

Journal = Callable[[Callable[[], object]], None]


class StateModule(types.ModuleType):
    """A module with `__state__`: its variables rest between turns, so attributes are looked up behind the namespace."""

    def __getattr__(self, name: str) -> Any:
        space: Space | None = self.__dict__.get("__piety__")
        value = space.fetch(name) if space is not None else MISSING
        if value is MISSING:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self.__dict__["__piety__"].names})


class Importer:
    """Finds and loads the modules of one image."""

    def __init__(self, modules: Modules, variables: Variables, journal: Journal) -> None:
        self._modules = modules
        self._variables = variables
        self._journal = journal
        self._loaded: dict[str, types.ModuleType] = {}

    def install(self) -> None:
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]
        sys.path_hooks.append(self._path_entry)

    def remove(self) -> None:
        """Take everything that came from the image out of the process."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            sys.path_hooks.remove(self._path_entry)
        for name in list(self._loaded):
            self.unload(name)
        for place in [place for place in sys.path_importer_cache if place.startswith(PLACE)]:
            del sys.path_importer_cache[place]

    def unload(self, name: str) -> None:
        module = self._loaded.pop(name, None)
        if sys.modules.get(name) is module:
            sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        if parent and getattr(sys.modules.get(parent), child, None) is module:
            delattr(sys.modules[parent], child)
        self._variables.remove(name)

    # -- a turn

    def begin(self) -> None:
        """Remember the namespaces of the loaded modules, and put them back if the turn fails."""
        before = [(vars(module), dict(vars(module))) for module in self._loaded.values()]
        if before:
            self._journal(lambda: [_restore(namespace, names) for namespace, names in before])

    # -- the protocol of sys.meta_path

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        record = self._modules.table.get(name)
        if record is None:
            return None
        spec = spec_from_loader(name, self, origin=PLACE + record.path, is_package=record.is_package)  # type: ignore[arg-type]
        if spec is not None:
            spec.has_location = True
            if record.is_package:
                spec.submodule_search_locations = [PLACE + name.replace(".", "/")]
        return spec

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        return StateModule(spec.name) if self._modules.table[spec.name].state else None

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__spec__.name if module.__spec__ is not None else module.__name__
        record = self._modules.table[name]
        if record.state:
            self._open_space(module, record)
        self._loaded[name] = module
        self._journal(lambda: self.unload(name))
        exec(self.get_code(name), module.__dict__)
        self._keep_stored(record, module)

    def _open_space(self, module: types.ModuleType, record: Module) -> Space:
        namespace = module.__dict__
        space = Space(record.name, namespace, record.variables, frozenset(record.state), self._variables)
        namespace["__builtins__"] = RestingNames(space.fetch)
        namespace["__piety__"] = space
        self._variables.add(space)
        return space

    def _keep_stored(self, record: Module, module: types.ModuleType) -> None:
        """The values in the image go before those that the source has just given."""
        for name in record.state:
            if name in record.variables:
                module.__dict__.pop(name, None)

    # -- what Python's tools ask a loader

    def get_source(self, name: str) -> str:
        return decode_source(self._record(name).source.data)

    def get_code(self, name: str) -> types.CodeType:
        record = self._record(name)
        content = record.code.get(CODE_TAG)
        if content is not None:
            return marshal.loads(content.data)  # type: ignore[no-any-return]
        return compile_module(record)

    def is_package(self, name: str) -> bool:
        return self._record(name).is_package

    def get_filename(self, name: str) -> str:
        return PLACE + self._record(name).path

    def get_data(self, path: str) -> bytes:
        """The bytes of a file in the image; `path` as in a module's `__file__`.  Raises FileNotFoundError."""
        place = path.removeprefix(PLACE)
        if (content := self._modules.files.get(place)) is not None:
            return content.data  # type: ignore[no-any-return]
        for name in (place.removesuffix(".py"), place.removesuffix("/__init__.py")):
            record = self._modules.table.get(name.replace("/", "."))
            if record is not None and record.path == place:
                return record.source.data  # type: ignore[no-any-return]
        raise FileNotFoundError(f"no file {path} in the image")

    def get_resource_reader(self, name: str) -> Any:
        from piety.objects.resources import Reader

        return Reader(self._modules, name.replace(".", "/")) if self.is_package(name) else None

    def _record(self, name: str) -> Module:
        record = self._modules.table.get(name)
        if record is None:
            raise ImportError(f"no module named {name!r} in the image", name=name)
        return record  # type: ignore[no-any-return]

    def _path_entry(self, place: str) -> Any:
        if not place.startswith(PLACE):
            raise ImportError(f"{place} is not in the image")
        return _PathEntry(self, place.removeprefix(PLACE))

    def children(self, folder: str) -> Iterator[tuple[str, bool]]:
        """The modules directly in a package: name and whether it is a package itself."""
        prefix = folder.replace("/", ".") + "."
        for name in self._modules.table.keys(prefix, prefix[:-1] + "/"):
            if "." not in name[len(prefix) :]:
                yield name[len(prefix) :], self._modules.table[name].is_package

    # -- new source for a module that runs

    def run_again(self, name: str) -> None:
        """Run a module's new source in its namespace; classes and functions stay the same objects.

        Names that the new source no longer defines go, if the old source had defined them.
        """
        module, record = self._loaded[name], self._modules.table[name]
        namespace = module.__dict__
        before = dict(namespace)
        self._journal(lambda: _restore(namespace, before))
        linecache.cache.pop(PLACE + record.path, None)
        self._journal(lambda: linecache.cache.pop(PLACE + record.path, None))
        if record.state and not isinstance(module, StateModule):
            module.__class__ = StateModule
        if record.state:
            self._open_space(module, record)
        plain = namespace["__builtins__"] if record.state else dict(vars(builtins))
        plain["__build_class__"] = self._class_builder(namespace, before)
        namespace["__builtins__"] = plain
        code = self.get_code(name)
        for old in [old for old, value in before.items() if getattr(value, "__module__", None) == name]:
            namespace.pop(old, None)
        exec(code, namespace)
        for each, value in list(namespace.items()):
            undo = update_function(before.get(each), value)
            if undo is not None:
                self._journal(undo)
                namespace[each] = before[each]
        if not record.state:
            namespace["__builtins__"] = before["__builtins__"]
        self._keep_stored(record, module)

    def _class_builder(self, namespace: dict[str, Any], before: dict[str, Any]) -> Callable[..., Any]:
        def build_class(body: Any, name: str, *bases: Any, **keywords: Any) -> Any:
            new = builtins.__build_class__(body, name, *bases, **keywords)
            old = before.get(name)
            if sys._getframe(1).f_locals is namespace and isinstance(old, type) and old.__module__ == new.__module__:
                undo = update_class(old, new)
                if undo is not None:
                    self._journal(undo)
                    return old
            return new

        return build_class

    def is_loaded(self, name: str) -> bool:
        return name in self._loaded


def compile_module(record: Module) -> types.CodeType:
    """Compile a module's source and keep the result with it.  Raises SyntaxError."""
    code = compile(record.source.data, PLACE + record.path, "exec", dont_inherit=True)
    record.code[CODE_TAG] = Content(marshal.dumps(code))
    return code


def _restore(namespace: dict[str, Any], names: dict[str, Any]) -> None:
    for name in set(namespace) - set(names):
        del namespace[name]
    namespace.update(names)


class _PathEntry:
    """What `pkgutil.iter_modules` asks for the modules of a package."""

    def __init__(self, importer: Importer, folder: str) -> None:
        self._importer = importer
        self._folder = folder

    def find_spec(self, name: str, target: Any = None) -> ModuleSpec | None:
        return self._importer.find_spec(name)

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        for name, is_package in self._importer.children(self._folder):
            yield prefix + name, is_package
