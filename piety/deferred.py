"""Modules that are executed at their first use instead of at their import, so that a short command starts fast.

    with deferring("traceback", "inspect"):
        import click  # its "import inspect" executes nothing yet

An `import` inside the block that reaches a named module puts a *deferred module* into `sys.modules`: the right object
under the right name, but not yet executed.  The first access to an attribute executes it, in place; from then on it is
an ordinary module.  So identity, pickling by name and imports in any order stay as they are, and only the moment of
execution moves.  `from X import y` is a use.  Modules imported before the block are left alone, and after the block
nothing stays behind in `sys.meta_path`.

`importlib.util.LazyLoader` cannot serve here: with it a second `import X` already executes X (the import statement
reads `X.__spec__`), and before Python 3.12.3 a second thread can see a module half executed.
"""

from __future__ import annotations

import gc
import sys
from _thread import RLock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# What our imports import, but a short command does not use.
SELDOM = ("ast", "inspect", "traceback")

_waiting: dict[ModuleType, list[Any]] = {}  # deferred module -> [lock, function that executes it, is it at work?]


class DeferredModule(ModuleType):
    """A module that is executed when it is first used."""

    def __getattribute__(self, name: str) -> Any:
        if name not in ("__spec__", "__class__"):  # these the import statement itself reads
            _execute(self)
        return ModuleType.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "__class__":
            _execute(self)
        ModuleType.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _execute(self)
        ModuleType.__delattr__(self, name)

    def __repr__(self) -> str:
        _execute(self)
        return ModuleType.__repr__(self)


def defer(module: ModuleType, run: Callable[[ModuleType], object]) -> None:
    """Make `module` a deferred module, to be executed by `run(module)`."""
    _waiting[module] = [RLock(), run, False]
    module.__class__ = DeferredModule


def _execute(module: ModuleType) -> None:
    """Execute a deferred module now, once; other threads wait until that is done."""
    entry = _waiting.get(module)
    if entry is None:
        return
    lock, run, _at_work = entry
    with lock:
        if entry[2] or module not in _waiting:  # called from within `run`, or just done elsewhere
            return
        entry[2] = True
        try:
            run(module)
        finally:
            entry[2] = False  # a failed import may be tried again, as always
        module.__class__ = ModuleType
        del _waiting[module]


@contextmanager
def deferring(*names: str) -> Iterator[None]:
    """Within the block, imports of the modules `names` are deferred, and so are BTrees' families."""
    finder = _Finder({**dict.fromkeys(names, _defer_module), "BTrees": _execute_btrees})
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def starting() -> Iterator[None]:
    """Import quickly within the block; for a process of our own only, not for one that imports us.

    There is no garbage to look for while importing, and what was imported lives as long as the process: `freeze` tells
    the collector so, which mostly saves it the work of tearing every class apart at exit.
    """
    gc.disable()
    try:
        with deferring(*SELDOM):
            yield
    finally:
        gc.freeze()
        gc.enable()


class _Finder:
    def __init__(self, actions: dict[str, Callable[[ModuleType], None]]) -> None:
        self._actions = actions  # module name -> what is called instead of the loader's exec_module

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name not in self._actions:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._actions[name])  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, real: Any, action: Callable[[ModuleType], None]) -> None:
        self._real, self._action = real, action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._real
        self._action(module)


def _defer_module(module: Any) -> None:
    defer(module, module.__loader__.exec_module)


def _execute_btrees(package: Any) -> None:
    """Execute the package BTrees with its 22 families of tree classes deferred.

    `BTrees/__init__` makes the module of each family with `create_module(prefix)`, nearly a millisecond and a shared
    library each.  That function alone is replaced while the package's own code runs.  If BTrees is not built this way
    any more, it is executed as it is.
    """
    run = package.__loader__.exec_module
    try:
        from BTrees import _module_builder as builder

        create_module = builder.create_module
    except (ImportError, AttributeError):
        run(package)
        return
    made: dict[str, ModuleType] = {}

    def promise(prefix: str) -> ModuleType:
        made[prefix] = ModuleType(f"BTrees.{prefix}BTree")
        return made[prefix]

    builder.create_module = promise
    try:
        run(package)
    except (AttributeError, KeyError):  # it looks into the modules it makes
        made.clear()
    finally:
        builder.create_module = create_module
    if not made:
        run(package)
        return
    package.create_module = create_module

    def make(module: ModuleType) -> None:
        prefix = object.__getattribute__(module, "__dict__")["__name__"].removeprefix("BTrees.").removesuffix("BTree")
        module.__dict__.update(vars(create_module(prefix)))

    for module in made.values():
        defer(module, make)
