"""Importing modules from the image, as Python imports from files.

An `Importer` stands first in `sys.meta_path` while an image is open.  For a name that the image has it gives a module
whose source, compiled code and neighbouring files come from there: tracebacks, `inspect.getsource`, `runpy`,
`pkgutil` and `importlib.resources` work as usual.  Places in the image are written `image:pkg/mod.py`.

    Importer    finds the modules of one image, and knows those that are loaded
    Loader      loads one module, and answers what Python's tools ask about it
    Loaded      a module of the image that is loaded in this process

A module of the host that has the name of one in the image is put aside while the image is open.
"""

from __future__ import annotations

import contextlib
import importlib
import linecache
import marshal
import os
import posixpath
import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from typing import Any

from BTrees.OOBTree import OOBTree
from transaction.interfaces import NoTransaction

from piety.objects.compiling import CODE_TAG
from piety.objects.memory import Memory, Root
from piety.objects.redefine import Journal, Undo
from piety.objects.statemodules import State, StateModule, namespace_of
from piety.objects.threads import is_apart
from piety.objects.variables import MISSING, Space, Variables
from piety.objects.world import PLACE, Module, Modules

_HERE = os.getcwd()  # once: it is asked for at each load of a module


class Loaded:
    """A module of the image that is loaded in this process; `code` is what ran in it last."""

    def __init__(self, name: str, module: types.ModuleType, code: types.CodeType) -> None:
        self.name = name
        self.module = module
        self.namespace = namespace_of(module)
        self.code = code
        self.state: State | None = None

    @property
    def root(self) -> Root:
        """What belongs to its memory: the image has its variables."""
        names = None if self.state is None else self.state.space.names
        return Root(self.namespace, names or frozenset())


class Importer:
    """Finds the modules of one image, and knows those that are loaded.

    `journal(undo)` is called for each change in memory that a failed turn must take back.
    """

    def __init__(self, modules: Modules, variables: Variables, journal: Journal) -> None:
        self.modules = modules
        self.variables = variables
        self.journal = journal
        self.loaded: dict[str, Loaded] = {}
        self._spaces: dict[str, Space] = {}  # by module, loaded or not, one for as long as the image is open
        self._hidden: dict[str, types.ModuleType] = {}  # the host's modules that are put aside
        self._tops = set(_top_level(modules))
        self.memory = Memory(journal)
        self._failed: list[tuple[str, str]] = []  # the modules whose lines are those of a source that failed, and where
        variables.find_space = self.space

    def ran(self) -> dict[str, tuple[Any, ...]]:
        """The modules that are loaded: what of the image they were made of."""
        return {name: _made_of(self.modules.table.get(name)) for name in self.loaded}

    def follow(self, ran: dict[str, tuple[Any, ...]]) -> Iterator[str]:
        """The image has other modules than those which `ran`: run those in their place, and let go of what is gone.

        Gives a line for each that fails: that one is loaded again when it is imported.
        """
        tops = set(_top_level(self.modules))
        for name in self._tops - tops:
            self.drop_top(name)
        for name in tops - self._tops:
            self._take_top(name)
        for name in [name for name in self._spaces if name not in self.loaded]:
            del self._spaces[name]
            self.variables.remove(name)
        for name, made_of in sorted(ran.items()):
            record = self.modules.table.get(name)
            if record is None and not self.is_folder(name):
                self.unload(name)
            elif record is not None and _made_of(record) != made_of:
                try:
                    self.run_again(name)
                except Exception as error:
                    self.unload(name)
                    yield f"module {name}: {type(error).__name__}: {error}"

    def install(self) -> None:
        sys.meta_path.insert(0, self)
        sys.path_hooks.insert(0, self._path_entry)
        self._hide_host(self._tops)

    def remove(self) -> None:
        """Take everything that came from the image out of the process."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            sys.path_hooks.remove(self._path_entry)
        self.unload_all()
        self.memory.forget()
        for place in [place for place in sys.path_importer_cache if place.startswith(PLACE)]:
            del sys.path_importer_cache[place]
        sys.modules.update(self._hidden)

    # -- names

    def add_top(self, name: str) -> None:
        """A new top-level module: from now on its name is the image's."""
        self._take_top(name)
        self.journal(lambda: self.drop_top(name))

    def _take_top(self, name: str) -> None:
        self._tops.add(name)
        self._hide_host({name})

    def drop_top(self, name: str) -> None:
        """A top-level module is gone: its name is the host's again."""
        self._tops.discard(name)
        for each in [each for each in self._hidden if each.partition(".")[0] == name]:
            sys.modules[each] = self._hidden.pop(each)

    def _hide_host(self, tops: set[str]) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in tops and name not in self.loaded]:
            self._hidden[name] = sys.modules.pop(name)

    # -- a turn

    def begin(self) -> None:
        """Remember what the loaded modules hold, and put it back if the turn fails."""
        while self._failed:
            self._show_lines_again(*self._failed.pop())
        self.memory.begin({name: loaded.root for name, loaded in self.loaded.items()})
        for loaded in self.loaded.values():
            if loaded.state is not None:
                loaded.state.bring_eager()

    def unload(self, name: str) -> None:
        """Take a module out of the process."""
        loaded = self.loaded.pop(name, None)
        if loaded is None:
            return
        sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        if parent and vars(sys.modules.get(parent, loaded.module)).get(child) is loaded.module:
            delattr(sys.modules[parent], child)
        if name in self._spaces:
            self._spaces[name].namespace = {}

    def unload_all(self) -> None:
        """Take all modules of the image out of the process."""
        for name in list(self.loaded):
            self.unload(name)

    def delete(self, name: str) -> None:
        """A module leaves the image; what was loaded of it comes back if the turn fails."""
        loaded, space = self.loaded.get(name), self.space(name)
        self.forget_variables(name, set(space.names or ()))
        self.unload(name)
        if loaded is not None:
            self.journal(lambda: self._put_back(loaded, space))
        if "." not in name:
            self.drop_top(name)
            self.journal(lambda: self._take_top(name))

    def _put_back(self, loaded: Loaded, space: Space) -> None:
        self.loaded[loaded.name] = loaded
        sys.modules[loaded.name] = loaded.module
        space.namespace = loaded.namespace

    def is_loaded(self, name: str) -> bool:
        return name in self.loaded

    def run_again(self, name: str) -> None:
        """Run the new source of a module that is loaded; see `rerunning.py`."""
        from piety.objects.rerunning import run_again

        run_again(self, name)

    def keep_lines(self, name: str) -> None:
        """The source of a module failed and is being taken back: tracebacks show it until the next turn begins."""
        record = self.modules.table[name]
        text, place = decode_source(record.source.data), PLACE + record.path
        linecache.cache[place] = (len(text), None, [f"{line}\n" for line in text.splitlines()], place)
        self._failed.append((name, record.path))

    def _show_lines_again(self, name: str, path: str) -> None:
        linecache.cache.pop(PLACE + path, None)
        if name in self.loaded:
            show_lines(self.modules.table[name].path, self.loaded[name].namespace)

    def locate(self, name: str) -> None:
        """Tell a loaded module where it lies: it became a package with its first child, say."""
        module, spec = self.loaded[name].module, self.find_spec(name)
        assert spec is not None
        module.__spec__, module.__file__, module.__package__ = spec, spec.origin, spec.parent
        if spec.submodule_search_locations is not None:
            module.__path__ = spec.submodule_search_locations

    # -- the protocol of sys.meta_path

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in self._tops:
            return None
        if is_apart():
            raise ImportError(
                f"{name} is not loaded, and work on the host cannot load a module of the image: "
                "import it in the workspace, or in the module that asks for the work",
                name=name,
            )
        record = self.modules.table.get(name)
        if record is None and not self.is_folder(name):
            return None
        spec = _Spec(name, Loader(self, name), is_package=record is None or record.is_package)  # type: ignore[arg-type]
        if record is not None:
            spec.origin = PLACE + record.path
            spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(PLACE + name.replace(".", "/"))
        return spec

    def is_folder(self, name: str) -> bool:
        """Whether something lies below this name, so that it can be imported without an `__init__.py`."""
        below, folder = name + ".", name.replace(".", "/") + "/"
        found = next(iter(self.modules.table.keys(below)), ""), next(iter(self.modules.files.keys(folder)), "")
        return found[0].startswith(below) or found[1].startswith(folder)

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """The top-level modules, for `pkgutil.iter_modules`: name, and whether it is a package."""
        for name in sorted(self._tops):
            yield prefix + name, self.modules.table[name].is_package

    def children(self, folder: str) -> Iterator[tuple[str, bool]]:
        """The modules directly in a package: name, and whether it is a package itself."""
        prefix = folder.replace("/", ".") + "."
        for name in self.modules.table.keys(prefix, prefix[:-1] + "/"):
            if "." not in name[len(prefix) :]:
                yield name[len(prefix) :], self.modules.table[name].is_package

    def _path_entry(self, place: str) -> Any:
        if not place.startswith(PLACE):
            raise ImportError(f"{place} is not in the image")
        return _PathEntry(self, place.removeprefix(PLACE))

    # -- variables that live on

    def space(self, name: str) -> Space:
        """The space of a module's variables; if the module is not loaded, they rest in it."""
        if name not in self._spaces:
            record = self.modules.table.get(name)
            table, names = (record.variables, record.state) if record is not None else (None, ())
            self._spaces[name] = Space(
                name, {}, OOBTree() if table is None else table, frozenset(names), self.variables
            )
            self.variables.add(self._spaces[name])
        return self._spaces[name]

    def open_state(self, loaded: Loaded, record: Module) -> None:
        """Give a module the variables of its `__state__`, or take the names of it that it no longer has."""
        if loaded.state is None and not record.state:
            return
        space = self.space(loaded.name)
        before = vars(space).copy()
        self.journal(lambda: vars(space).update(before))
        space.names, space.namespace = frozenset(record.state), loaded.namespace
        if record.variables is not None:
            space.table = record.variables
        if loaded.state is None:
            loaded.state = State(loaded.module, space)
            if not isinstance(loaded.module, StateModule):
                loaded.state.eager = None  # its functions cannot see what rests: they were made without
                loaded.module.__class__ = StateModule
            self.journal(lambda: _without_state(loaded))

    def forget_variables(self, name: str, names: set[str]) -> Undo:
        """Let variables go: they are no longer in the module's `__state__`, or the module goes."""
        space = self.space(name)
        gone = {each: space.namespace[each] for each in names if each in space.namespace}
        for each in names:  # what was brought in and is not there as the turn ends has been deleted
            value = space.fetch(each)
            gone.setdefault(each, value)
            space.namespace.pop(each, None)
        return lambda: space.namespace.update({each: value for each, value in gone.items() if value is not MISSING})


class Loader:
    """Loads one module of the image.

    A folder without an `__init__.py` is a package too: one without source.
    """

    def __init__(self, importer: Importer, name: str) -> None:
        self._importer = importer
        self._name = name

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        record = self._importer.modules.table.get(self._name)
        return StateModule(self._name) if record is not None and record.state else None

    def exec_module(self, module: types.ModuleType) -> None:
        importer, record, code = self._importer, self._importer.modules.table.get(self._name), self.get_code()
        loaded = importer.loaded.get(self._name)
        if is_new := loaded is None or loaded.module is not module:
            loaded = importer.loaded[self._name] = Loaded(self._name, module, code)
            importer.journal(lambda: importer.unload(self._name))
        if record is not None:
            show_lines(record.path, loaded.namespace)
            importer.open_state(loaded, record)
        try:
            run(loaded, code)
        except BaseException:
            if is_new:
                importer.unload(self._name)
            raise

    # -- what Python's tools ask a loader; they may call a module that runs as a program `__main__`

    def get_source(self, _name: str = "") -> str:
        record = self._importer.modules.table.get(self._name)
        return "" if record is None else decode_source(record.source.data)

    def get_code(self, _name: str = "") -> types.CodeType:
        record = self._importer.modules.table.get(self._name)
        if record is None:
            return compile("", "<no source>", "exec")
        kept = next((data for tag, data in record.code if tag == CODE_TAG), None)
        return compile_module(record) if kept is None else marshal.loads(kept)

    def is_package(self, _name: str = "") -> bool:
        record = self._importer.modules.table.get(self._name)
        return record is None or record.is_package

    def get_filename(self, _name: str = "") -> str:
        record = self._importer.modules.table.get(self._name)
        if record is None:
            raise ImportError(f"{self._name} is a folder of the image, and has no source", name=self._name)
        return PLACE + record.path

    def get_data(self, path: str) -> bytes:
        """The bytes of a file in the image; `path` as in a module's `__file__`.  Raises FileNotFoundError."""
        return self._place(posixpath.normpath(path.removeprefix(PLACE))).read_bytes()

    def get_resource_reader(self, _name: str = "") -> Any:
        from piety.objects.resources import Reader

        folder = self._name if self.is_package() else self._name.rpartition(".")[0]
        return Reader(self._place(folder.replace(".", "/")))

    def _place(self, path: str) -> Any:
        from piety.objects.resources import Place

        return Place(self._importer.modules, path)


class _Spec(ModuleSpec):
    cached = None  # the compiled code is not in a file


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


def run(loaded: Loaded, code: types.CodeType) -> None:
    """Run a module's code in its namespace; the values that its variables have go before those that it gives them."""
    if loaded.state is None:
        _call(exec, code, loaded.namespace)
    else:
        with loaded.state.first_values():
            _call(exec, code, loaded.namespace)
        loaded.state.learn(code, loaded.module)
    loaded.code = code


# Python leaves importlib's own frames that end in this call out of tracebacks; what belongs to it by the name of its
# file goes with them.  So an error in a module looks as if the module had come from a file.
_call = importlib._bootstrap._call_with_frames_removed  # type: ignore[attr-defined]
for _each in (Loader.exec_module, run):
    _each.__code__ = _each.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")


def compile_source(data: Any, path: str, flags: int = 0) -> Any:
    """Compile a source, or a syntax tree of it.  Raises SyntaxError, whatever is wrong with it."""
    try:
        return compile(data, PLACE + path, "exec", flags, dont_inherit=True)
    except (ValueError, MemoryError, RecursionError) as error:  # NUL characters, or nested too deep
        raise SyntaxError(str(error) or "the source is nested too deep", (PLACE + path, 1, None, None)) from None


def compile_module(record: Module) -> types.CodeType:
    """Compile a module's source and keep the result with it.  Raises SyntaxError."""
    code: types.CodeType = compile_source(record.source.data, record.path)
    others = [each for each in record.code if each[0] != CODE_TAG]
    with contextlib.suppress(NoTransaction):  # imported between turns, and Python has changed: nothing is written now
        record.code = ((CODE_TAG, marshal.dumps(code)), *others[:1])
    return code


def show_lines(path: str, namespace: dict[str, Any]) -> None:
    """Let Python's tools read a module's source (anew)."""
    place = PLACE + path
    linecache.cache.pop(place, None)
    if linecache.lazycache(place, namespace):
        linecache.cache[f"{_HERE}/{place}"] = linecache.cache[place]  # pdb asks for it so, to set a breakpoint


def _made_of(record: Module | None) -> tuple[Any, ...]:
    return () if record is None else (record, record.source, record.is_package, record.state, record.variables)


def _without_state(loaded: Loaded) -> None:
    """A module that had no `__state__` before has none again."""
    if loaded.state is not None and loaded.state.eager is None:
        loaded.module.__class__ = types.ModuleType
    loaded.state = None


def _top_level(modules: Modules) -> Iterator[str]:
    name = next(iter(modules.table), None)
    while name is not None:
        top = name.partition(".")[0]
        yield top
        name = next((each for each in modules.table.keys(f"{top}/") if each.partition(".")[0] != top), None)
