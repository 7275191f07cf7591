"""Search everything: what there is of a name, whatever its kind.

Objects by variable and by what they were kept with, definitions, modules, tasks, texts, snapshots, commands.  First
comes what the object that one is in finds itself, if its class says how:

    class Garden:
        @search("Plants")
        def plants(self, words): return [plant for plant in self.all if words in plant.name]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from piety.browser.brief import TooLong, brief, in_time
from piety.browser.choosing import Choice
from piety.browser.commands import doings_of
from piety.browser.inspecting import Address, find
from piety.errors import PietyError
from piety.objects.definitions import WORKSPACE, definitions
from piety.objects.finding import find as find_entries

if TYPE_CHECKING:
    from piety.objects.image import Image

FEW = 20  # of each kind
PATIENCE = 0.3  # seconds that the search of one class may take

_MARK = "__search__"


def search(title: str) -> Callable[[Any], Any]:
    """Mark a method as a way to search from an object of its class: given words, it gives objects."""
    if type(title) is not str:
        raise PietyError('a search has a title: @search("Plants")')

    def mark(method: Any) -> Any:
        if type(method) is not FunctionType:
            raise PietyError(f"@search marks methods of a class, and {method!r} is none")
        setattr(method, _MARK, title)
        return method

    return mark


class Hit(NamedTuple):
    """Something that the object that one is in has found itself."""

    here: Address
    words: str
    method: str
    number: int


def object_of(image: Image, hit: Hit) -> Any:
    """What was found; called in a turn.  Raises `PietyError` if it is not found any more."""
    obj = find(image, hit.here)
    for place, each in enumerate(_found(getattr(type(obj), hit.method), obj, hit.words)):
        if place == hit.number:
            return each
    raise PietyError("it is not found any more")


def anything(image: Image, words: str, here: Address) -> list[Choice]:
    """What there is of some words; what begins with them comes first."""
    with image.look():
        own = [*_own(image, words, here)]
        found = [each for each in own if each.meant is not None]
        for kind in (_commands, _variables, _texts, _tasks, _snapshots, _definitions, _modules):
            found += islice(_fitting(kind(image), words), FEW)
        found += _entries(image, words)
        found += [each for each in own if each.meant is None]
    return found


def _fitting(choices: Iterator[Choice], words: str) -> list[Choice]:
    """Those in whose names all words are, those that begin so first."""
    parts = words.casefold().split()
    fitting = [each for each in choices if all(part in each.name.casefold() for part in parts)]
    return sorted(fitting, key=lambda each: not each.name.casefold().startswith(words.casefold()))


def _own(image: Image, words: str, here: Address) -> Iterator[Choice]:
    """What the object that one is in finds itself."""
    try:
        obj = find(image, here)
    except Exception:  # it is not there: nothing is found from it
        return
    methods: dict[str, Any] = {}
    for kind in type(obj).__mro__:
        for name, method in vars(kind).items():
            methods.setdefault(name, method)  # a subclass that has another method of the name hides one
    for name, method in methods.items():
        title = vars(method).get(_MARK) if type(method) is FunctionType else None
        if title is not None:
            try:
                objects = in_time(partial(_found, method, obj, words), PATIENCE)
                told = [Choice(title, brief(each), "", Hit(here, words, name, n)) for n, each in enumerate(objects)]
            except TooLong:
                told = [Choice(title, f"takes more than {PATIENCE:g} s")]
            except Exception as error:
                told = [Choice(title, f"fails: {type(error).__name__}", brief(error))]
            yield from told


def _found(method: Any, obj: Any, words: str) -> list[Any]:
    return list(islice(method(obj, words), FEW))


def _commands(image: Image) -> Iterator[Choice]:
    for each in doings_of(image):
        yield Choice("command", each.name, f"{' '.join(each.keys):12} {each.told}", each)


def _variables(image: Image) -> Iterator[Choice]:
    for name in image.world.workspace.variables:
        yield Choice("object", name, "", Address(name))


def _texts(image: Image) -> Iterator[Choice]:
    for name in image.world.texts or ():
        yield Choice("text", name, "", Address(f"texts[{name!r}]"))


def _tasks(image: Image) -> Iterator[Choice]:
    from piety.scheduler.tasks import is_broken

    tasks = image.world.tasks
    for number, task in () if tasks is None else tasks.table.items():
        if not is_broken(task):
            yield Choice("task", str(task.name), task.state, Address(f"tasks()[{number}]"))


def _snapshots(image: Image) -> Iterator[Choice]:
    for name, each in (image.snapshots or {}).items():
        yield Choice("snapshot", name, each.note, Address(f"snapshots[{name!r}]"))


def _definitions(image: Image) -> Iterator[Choice]:
    for each, part in definitions(image):
        ref = f"code({each.module!r}, {each.name!r}{f', {each.at}' if each.at else ''})"
        yield Choice(part.kind, each.name, f"{each.module or WORKSPACE}  {part.told}", Address(ref))


def _modules(image: Image) -> Iterator[Choice]:
    for name in image.modules:
        yield Choice("module", name, "", Address(f"code({name!r})"))


def _entries(image: Image, words: str) -> Iterator[Choice]:
    """What was kept, by its words and facts."""
    if not words.strip():
        return
    try:
        for number, each in enumerate(islice(find_entries(words), FEW)):
            yield Choice("kept", brief(each), "", Address(f"find({words!r})[{number}]"))
    except PietyError:  # as it is written so far, it is no query
        return
