"""The views that every object has, whatever its class says.

Each is told by the class alone whether it is of use, so that nothing is loaded to tell which views there are.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

from persistent import Persistent
from persistent.mapping import PersistentMapping
from ZODB.utils import u64

from piety.browser.brief import brief
from piety.browser.paging import has_values, is_btree
from piety.browser.views import Code, Form, Label, Picture, Plot, Table, View
from piety.objects.answering import Answering
from piety.objects.broken import is_missing
from piety.objects.entries import Entry, entry
from piety.objects.files import File, Folder, Link
from piety.objects.finding import Found, class_finder, spelled_fact
from piety.objects.following import as_of_this_turn
from piety.objects.image import Image, current
from piety.objects.moments import shown, time_of
from piety.objects.naming import described
from piety.objects.references import Instances, path_to, who_points_at
from piety.objects.revisions import history
from piety.objects.texts import Text
from piety.objects.workspace import NAME
from piety.objects.world import Module

LONGEST = 100_000  # characters of one text
LARGEST = 20_000_000  # bytes of a picture
NUMBERS = (int, float)

_GENERAL: list[tuple[str, float, Callable[[type], bool], Callable[[Any], Any]]] = []


def general(title: str, priority: float, applies: Callable[[type], bool]) -> Callable[[Any], Any]:
    """Mark a function as a view of all objects of the classes for which this is so."""

    def mark(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        _GENERAL.append((title, priority, applies, make))
        return make

    return mark


def general_views(obj: Any) -> list[View]:
    """Those that an object has by what it is."""
    kind = type(obj)
    return [
        View(title, priority, lambda make=make: make(obj))  # type: ignore[misc]
        for title, priority, applies, make in _GENERAL
        if _applies(applies, kind)
    ]


def _applies(applies: Callable[[type], bool], kind: type) -> bool:
    try:
        return applies(kind)
    except Exception:  # code of its metaclass
        return False


def is_of(*kinds: type) -> Callable[[type], bool]:
    """Whether a class is one of these."""
    return lambda kind: issubclass(kind, kinds)


def _has(name: str) -> Callable[[type], bool]:
    return lambda kind: callable(getattr(kind, name, None))


def _is_called(module: str, name: str) -> Callable[[type], bool]:
    """Of a library that may not be installed: its classes are known by their names."""
    return lambda kind: (module, name) in {(each.__module__.partition(".")[0], each.__name__) for each in kind.__mro__}


# -- what it holds


@general("Text", 50, lambda kind: issubclass(kind, (str, bytes, Text, File)) or hasattr(kind, "__text__"))
def _text(obj: Any) -> Any:
    if hasattr(type(obj), "__text__"):  # by which it is found, see `deriving.py`
        return str(obj.__text__())[:LONGEST]
    if isinstance(obj, File):
        if obj.media.startswith("image/") and obj.size < LARGEST:
            return Picture(obj.media, obj.read())
        found = obj.characters(LONGEST)
        return found or f"{obj.size:,} bytes of {obj.media}"
    return obj.decode("utf-8", "replace") if isinstance(obj, bytes) else obj


@general("Source", 50, is_of(Module))
def _module(obj: Module) -> Code:
    return Code(obj.source.data.decode("utf-8", "replace"))


@general("Target", 50, is_of(Link))
def _link(obj: Link) -> str:
    return f"it points to {obj.target}"


@general("Files", 50, is_of(Folder))
def _folder(obj: Folder) -> Table:
    return Table(
        ["name", "kind"], obj.table, lambda pair: (Label(pair[0]), Label(type(pair[1]).__name__)), lambda pair: pair[1]
    )


@general("Object", 50, lambda kind: kind is Entry)
def _entry(obj: Entry) -> Form:
    return Form([("object", obj.object), *obj.facts])


class _Numbered(Sequence[tuple[int, Any]]):
    """The items of a sequence with their places; only those that are looked at are asked for."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            start = place.indices(len(self._items))[0]
            return [(start + n, each) for n, each in enumerate(self._items[place])]
        return place, self._items[place]


def _is_sequence(kind: type) -> bool:
    return issubclass(kind, (Sequence, Found, Instances)) and not issubclass(kind, (str, bytes, bytearray, Text))


def _is_mapping(kind: type) -> bool:
    return issubclass(kind, (Mapping, PersistentMapping)) or (is_btree(kind) and has_values(kind))


@general("Items", 55, _is_mapping)
def _pairs(obj: Any) -> Table:
    return Table(["key", "value"], obj.data if isinstance(obj, PersistentMapping) else obj)


@general("Items", 55, _is_sequence)
def _sequence(obj: Any) -> Table:
    return Table(["", "value"], _Numbered(obj))


@general("Items", 55, lambda kind: issubclass(kind, Set) or (is_btree(kind) and not has_values(kind)))
def _set(obj: Any) -> Table:
    return Table(["value"], obj, lambda item: (item,))


# -- what others have agreed on


@general("Picture", 40, _has("_repr_png_"))
def _png(obj: Any) -> Picture:
    return Picture("image/png", obj._repr_png_())


@general("Figure", 40, _is_called("matplotlib", "Figure"))
def _figure(obj: Any) -> Picture:
    file = io.BytesIO()
    obj.savefig(file, format="png")
    return Picture("image/png", file.getvalue())


@general("Mime", 45, _has("_repr_mimebundle_"))
def _mimebundle(obj: Any) -> Any:
    found = obj._repr_mimebundle_()
    bundle = found[0] if type(found) is tuple else found
    for media in ("image/png", "image/jpeg"):
        if media in bundle:
            return Picture(media, bundle[media])
    return str(bundle.get("text/plain", bundle))


@general("Parts", 48, _has("__rich_repr__"))
def _rich(obj: Any) -> Form:
    pairs = []
    for each in obj.__rich_repr__():
        if type(each) is not tuple:
            pairs.append(("", each))
        elif len(each) < 3 or each[1] != each[2]:  # the third is the value that goes without saying
            pairs.append((str(each[0]), each[1]) if len(each) > 1 else ("", each[0]))
    return Form(pairs)


@general("Frame", 40, _is_called("pandas", "DataFrame"))
def _frame(obj: Any) -> Table:
    return Table(
        ["", *map(str, obj.columns)],
        range(len(obj)),
        lambda number: (obj.index[number], *obj.iloc[number]),
        lambda number: obj.iloc[number],
    )


@general("Array", 40, _is_called("numpy", "ndarray"))
def _array(obj: Any) -> Any:
    if obj.ndim != 2:
        return Table(["", "value"], range(len(obj)), lambda n: (n, obj[n])) if obj.ndim else str(obj)
    width = min(obj.shape[1], 20)
    return Table(["", *map(str, range(width))], range(len(obj)), lambda n: (n, *obj[n, :width]), lambda n: obj[n])


@general("Plot", 60, lambda kind: issubclass(kind, (list, tuple)) or _is_called("numpy", "ndarray")(kind))
def _plot(obj: Any) -> Any:
    numbers = [float(each) for each in obj[:10_000] if isinstance(each, NUMBERS) or hasattr(each, "dtype")]
    return Plot({"": numbers}) if numbers else "there are no numbers to plot"


# -- any object


def attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    """What hangs on an object by name; no property is asked."""
    kind = type(obj)
    if issubclass(kind, Persistent):
        obj._p_activate()
    if is_missing(kind):
        state = obj.__dict__.get("__Broken_state__")
        yield from state.items() if type(state) is dict else [("state", state)]
        return
    if dataclasses.is_dataclass(kind):
        names = {each.name for each in dataclasses.fields(kind)}
    else:
        names = set()
    for each in reversed(kind.__mro__):
        slots = vars(each).get("__slots__", ())
        names.update((slots,) if type(slots) is str else slots)
    own = _own_dict(obj)
    yield from own.items()
    for name in sorted(names - own.keys()):
        slot: Any = next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
        if type(slot).__name__ == "member_descriptor":
            try:
                yield name, slot.__get__(obj, kind)
            except AttributeError:  # it has no value
                continue


def _own_dict(obj: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return {}
    return {str(name): value for name, value in found.items() if not str(name).startswith(("_v_", "__Broken"))}


@general("Attributes", 70, lambda kind: kind.__module__ != "builtins" and not is_btree(kind))
def _attributes(obj: Any) -> Form:
    return Form(attributes(obj))


@general("Value", 75, lambda kind: kind.__module__ == "builtins")
def _value(obj: Any) -> str:
    return brief(obj, 2_000)


def _is_stored(kind: type) -> bool:
    return issubclass(kind, Persistent)


def _number(obj: Any) -> bytes | None:
    return obj._p_oid if isinstance(obj._p_oid, bytes) else None


@general("Facts", 80, _is_stored)
def _facts(obj: Any) -> Any:
    found = entry(obj)
    if found is None:
        return "it was not kept, so it has no facts"
    image = current()
    index, facts = image.find_index, dict[str, list[str]]()
    with as_of_this_turn(image, index):
        for name, value in Answering(index, class_finder(image)).facts(found.number):
            facts.setdefault(name, []).append(spelled_fact(image, index, name, value))
    return Form((name, Label(", ".join(values))) for name, values in facts.items())


@general("References", 82, _is_stored)
def _references(obj: Any) -> Any:
    from ZODB.serialize import referencesf

    image = current()
    if (oid := _number(obj)) is None or (record := image.connection.record(oid)) is None:
        return "it is not stored yet"
    numbers = list(dict.fromkeys(referencesf(record)))
    return Table(["object"], numbers, lambda each: (_told(image, each),), image.connection.get)


@general("Referred by", 84, _is_stored)
def _referred(obj: Any) -> Any:
    if _number(obj) is None:
        return "it is not stored yet"
    image = current()
    return Table(["object"], who_points_at(obj), lambda each: (_told(image, each._p_oid),), lambda each: each)


def _told(image: Image, oid: bytes) -> Label:
    record = image.connection.record(oid)
    return Label("gone" if record is None else described(image, oid, record))


@general("History", 86, _is_stored)
def _history(obj: Any) -> Any:
    if _number(obj) is None:
        return "it is not stored yet"
    return Table(
        ["when", "who", "what"],
        history(obj),
        lambda row: (Label(shown(time_of(row.tid))), Label(row.who), Label(row.what)),
        lambda row: row.past.get(obj),
    )


@general("Class", 90, lambda kind: kind.__module__ != "builtins")
def _class(obj: Any) -> Any:
    kind = type(obj)
    if is_missing(kind):
        return f"its class {kind.__module__}.{kind.__qualname__} cannot be found: {kind.reason}"
    image = current()
    name = kind.__qualname__.partition(".")[0]
    definition = image.world.workspace.definitions.get(name) if kind.__module__ == NAME else None
    if definition is not None:
        return Code(definition.source)
    import inspect

    try:
        return Code(inspect.getsource(kind))
    except (OSError, TypeError):
        return f"{kind.__module__}.{kind.__qualname__}, of which there is no source here"


@general("Raw", 95, _is_stored)
def _raw(obj: Any) -> Any:
    image = current()
    kind = type(obj)
    pairs: list[tuple[str, Any]] = [("class", Label(f"{kind.__module__}.{kind.__qualname__}"))]
    if (oid := _number(obj)) is not None and (taken := image.connection.take(oid)) is not None:
        record = image.connection.record(oid) or b""
        pairs += [("number", Label(f"{u64(oid):#x}")), ("bytes", len(record)), ("path", path_to(obj))]
        pairs += [("written", Label(shown(time_of(image.storage.load(oid)[1])))), ("state", taken[1])]
    return Form(pairs)
