"""What a name that was begun may become.

Nothing here asks an object anything: no attribute is got, no property runs, nothing is loaded from the image, and no
variable counts as touched.  An object's own dictionary and the dictionaries of its classes are read as they lie in
memory, so a variable that was not used since the start, or an object that is still a ghost, shows less.
"""

from __future__ import annotations

import builtins
import keyword
import pkgutil
import re
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from itertools import islice
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from piety.objects.image import Image
from piety.objects.variables import MISSING

LOOKED_AT = 10_000  # names of one dictionary; a menu with more helps nobody

_CHAIN = re.compile(r"(?:^|[^\w.)\]}'\"])((?:[^\W\d]\w*\.)*)((?:[^\W\d]\w*)?)$")
_IMPORT = re.compile(r"\s*(?:from\s+|import\s+(?:.*,\s*)?)([\w.]*)$")
_FROM_IMPORT = re.compile(r"\s*from\s+([\w.]+)\s+import\s+\(?(?:.*[,\s])?(\w*)$")
_ALWAYS = frozenset((*keyword.kwlist, "match", "case", "world", "image", "_", "it"))

# How to read a class without asking its metaclass.
_mro: Any = vars(type)["__mro__"].__get__
_names_of: Any = vars(type)["__dict__"].__get__


def completions(image: Image, line: str) -> tuple[str, list[str]]:
    """For a line up to the cursor: the part of a name that is there, and the names that it may become."""
    if found := _FROM_IMPORT.match(line):
        module, begun = found.groups()
        imported = members(sys.modules[module]) if module in sys.modules else set()
        return _choose(begun, imported | _submodules(image, module))
    if found := _IMPORT.match(line):
        package, _, begun = found[1].rpartition(".")
        return _choose(begun, _submodules(image, package) if package else _modules(image))
    if (found := _CHAIN.search(line)) is None:
        return "", []
    path, begun = found.groups()
    with image.look():
        if not path:
            return _choose(begun, {*image.names(), *vars(builtins), *_ALWAYS})
        first, *others = path[:-1].split(".")
        value = image.peek(first)
        for name in others:
            value = attribute(value, name)
        return _choose(begun, set() if value is MISSING else members(value))


def _choose(begun: str, names: Iterable[str]) -> tuple[str, list[str]]:
    private = begun.startswith("_")
    return begun, sorted(name for name in names if name.startswith(begun) and (private or not name.startswith("_")))


# -- attributes


def members(value: Any) -> set[str]:
    """The names of a value's attributes, as far as they can be seen without asking it."""
    names = set(_strings(_own(value)))
    for kind in _classes(value):
        names.update(_strings(_names_of(kind)))
    return names


def attribute(value: Any, name: str) -> Any:
    """The value of an attribute if it simply lies there, else `MISSING`."""
    own = _own(value)
    if name in own:
        return own[name]
    for kind in _classes(value):
        if name in (there := _names_of(kind)):
            return _plain(there[name], value)
    return MISSING


def _plain(found: Any, value: Any) -> Any:
    """What was found in a class, if getting it would run nothing."""
    if type(found) is MemberDescriptorType:  # a slot
        try:
            return found.__get__(value)
        except (AttributeError, TypeError):
            return MISSING
    return MISSING if any("__get__" in _names_of(kind) for kind in _mro(type(found))) else found


def _classes(value: Any) -> tuple[type, ...]:
    """The classes in which a value's attributes are looked up; for a class, itself and its bases."""
    kinds: tuple[type, ...] = _mro(value if issubclass(type(value), type) else type(value))
    return kinds


def _own(value: Any) -> dict[Any, Any]:
    """The dictionary of a value's own attributes, empty if it is a ghost or has none."""
    for kind in _mro(type(value)):
        descriptor = _names_of(kind).get("__dict__")
        if descriptor is None:
            continue
        if type(descriptor) not in (GetSetDescriptorType, MemberDescriptorType):  # a property, say
            break
        own = descriptor.__get__(value)
        return own if type(own) is dict else {}
    return {}


def _strings(names: Iterable[Any]) -> list[str]:
    return [name for name in islice(names, LOOKED_AT) if type(name) is str]


# -- modules


def _modules(image: Image) -> set[str]:
    """Modules of the image and of the host that can be imported."""
    with image.look():
        ours = {name.partition(".")[0] for name in image.modules}
    return ours.union(sys.stdlib_module_names, (found.name for found in pkgutil.iter_modules(sys.path)))


def _submodules(image: Image, package: str) -> set[str]:
    with image.look():
        known = [*sys.modules, *image.modules]
    inside = {name[len(package) + 1 :].partition(".")[0] for name in known if name.startswith(f"{package}.")}
    return inside.union(found.name for found in pkgutil.iter_modules(_folders(package)))


def _folders(package: str) -> list[str]:
    """Where the host has a package's modules, found without importing it."""
    path: list[str] | None = None
    done = ""
    for name in package.split("."):
        done = f"{done}.{name}" if done else name
        spec = PathFinder.find_spec(done, path)
        if spec is None or spec.submodule_search_locations is None:
            return []
        path = list(spec.submodule_search_locations)
    return path or []
