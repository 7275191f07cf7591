"""Commands: everything that can be done at a desktop, each an object with a name, keys and a description.

    commands()                          all of them; what a key does is told by `F1` and the key
    commands["Open"].keys = "enter o"   other keys, from now on, at every desktop
    @command("Water", key="w")          a command of your own: it is given the object of the column, in a turn,
    def water(plant): ...               and what it gives is shown in the next column

A key has a name, such as "o", "ctrl+s", "shift+up", "f2", "alt+left"; two that follow each other are written with a
dot between them, "ctrl+w.v", and several keys for one command with blanks.  `where` tells when the keys are its own:
in "rows", in a "text", or anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from BTrees.OOBTree import OOBTree

from piety.browser.views import Code, Form, Label, Table, view
from piety.errors import PietyError
from piety.objects.changes import never_changes
from piety.objects.image import current

if TYPE_CHECKING:
    from piety.objects.image import Image

ANYWHERE, ROWS, TEXT, LINE = "anywhere", "rows", "text", "line"


class Doing(NamedTuple):
    """A command, as a desktop knows it; `function` is given the desktop, and is None where the image has it."""

    name: str
    keys: tuple[str, ...]
    where: str
    told: str
    function: Callable[..., Any] | None = None
    is_moving: bool = False  # whether it goes somewhere in a text, and selects the way there with Shift


BUILT_IN: dict[str, Doing] = {}


def built_in(name: str, keys: str = "", where: str = ANYWHERE, is_moving: bool = False) -> Callable[..., Any]:
    """Mark a function of ours as a command; its docstring tells what it does."""

    def mark(function: Any) -> Any:
        told = (function.__doc__ or "").strip().partition("\n")[0]
        BUILT_IN[name] = Doing(name, tuple(keys.split()), where, told, function, is_moving)
        return function

    return mark


class Keys:
    """Which command a key means."""

    def __init__(self, doings: list[Doing]) -> None:
        self.doings = {each.name: each for each in doings}
        self._found = {(each.where, key): each for each in doings for key in each.keys}
        self._begun = {key.partition(".")[0] for each in doings for key in each.keys if "." in key[1:]}

    def find(self, key: str, where: str, is_only_there: bool = False) -> Doing | None:
        """The command of a key, where one is; a character that can be typed is never one of anywhere."""
        return self._found.get((where, key)) or (None if is_only_there else self._found.get((ANYWHERE, key)))

    def begins(self, key: str) -> bool:
        """Whether another key has to follow this one."""
        return key in self._begun


class Own(NamedTuple):
    """What the image has of a command: of one of its own all, of another one its keys."""

    keys: tuple[str, ...]
    where: str = ANYWHERE
    function: Callable[[Any], Any] | None = None


def doings_of(image: Image) -> list[Doing]:
    """All commands, as they are in the image; called in a turn."""
    own: dict[str, Any] = dict(image.world.commands or {})
    found = [each._replace(keys=own[each.name][0]) if each.name in own else each for each in BUILT_IN.values()]
    for name, (keys, where, function) in own.items():
        if function is not None:
            told = (getattr(function, "__doc__", None) or "").strip().partition("\n")[0]
            found.append(Doing(name, keys, where, told))
    return found


def perform(image: Image, name: str, obj: Any) -> Any:
    """Do a command of the image; called in a turn that counts."""
    return image.world.commands[name][2](obj)


@never_changes
class Command:
    """One command, to be looked at and changed."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def _doing(self) -> Doing:
        return next(each for each in doings_of(current()) if each.name == self.name)

    @property
    def keys(self) -> str:
        """Its keys, with blanks between them."""
        return " ".join(self._doing.keys)

    @keys.setter
    def keys(self, keys: str) -> None:
        _put(self.name, Own(tuple(keys.split()), self._doing.where, self._function_of_image))

    @property
    def function(self) -> Any:
        """What it calls."""
        return self._doing.function or self._function_of_image

    @property
    def _function_of_image(self) -> Any:
        kept = (current().world.commands or {}).get(self.name)
        return None if kept is None else kept[2]

    @view("Command", priority=10)
    def _told(self) -> Form:
        doing = self._doing
        pairs = {"name": self.name, "does": doing.told, "keys": self.keys, "works in": doing.where}
        return Form((name, Label(value)) for name, value in pairs.items())

    @view("Source", priority=15)
    def _source(self) -> Code:
        from piety.browser.sources import code_of

        return code_of(self.function)

    def __repr__(self) -> str:
        return f"<command {self.name!r}: {self.keys or 'no key'}>"


@never_changes
class Commands(Mapping[str, Command]):
    """All commands by name; `commands()` lists them."""

    def __getitem__(self, name: str) -> Command:
        if name not in {each.name for each in doings_of(current())}:
            raise PietyError(f"there is no command {name!r}; commands() lists those that are")
        return Command(name)

    def __delitem__(self, name: str) -> None:
        """Forget a command of the image, or what it has changed of another one."""
        if name not in (current().world.commands or {}):
            raise PietyError(f"there is nothing to forget of a command {name!r}")
        del current().world.commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter([each.name for each in doings_of(current())])

    def __len__(self) -> int:
        return len(doings_of(current()))

    def __call__(self) -> Listing:
        """All of them, to look at."""
        return Listing()

    def __repr__(self) -> str:
        return f"<{len(self)} commands>"


class Listing:
    """The commands as a table: name, keys, what they do."""

    @view("Commands", priority=10)
    def table(self) -> Table:
        """A row for each."""
        return Table(
            ["command", "keys", "does"],
            doings_of(current()),
            lambda each: [Label(part) for part in (each.name, " ".join(each.keys), each.told)],
            lambda each: Command(each.name),
        )

    def __repr__(self) -> str:
        rows = [(each.name, " ".join(each.keys), each.told) for each in doings_of(current())]
        wide = [max(len(row[at]) for row in rows) for at in (0, 1)]
        return "\n".join(f"{name:{wide[0]}}  {keys:{wide[1]}}  {told}".rstrip() for name, keys, told in rows)


commands = Commands()


def command(name: str, key: str = "", where: str = ANYWHERE) -> Callable[[Any], Any]:
    """Make a function of the image a command: it is given the object of the column; see above."""
    if where not in (ANYWHERE, ROWS, TEXT):
        raise PietyError(f"where={where!r}: a key is that of a command in {ROWS!r}, in a {TEXT!r}, or {ANYWHERE!r}")
    if name in BUILT_IN:
        raise PietyError(f'there is a command {name!r} already; for other keys: commands[{name!r}].keys = "..."')

    def mark(function: Any) -> Any:
        _put(name, Own(tuple(key.split()), where, function))
        return function

    return mark


def _put(name: str, own: Own) -> None:
    world = current().world
    if world.commands is None:
        world.commands = OOBTree()
    if world.commands.get(name) != tuple(own):
        world.commands[name] = tuple(own)
