"""Commands: everything that can be done at a desktop, each an object with a name, keys and a description.

    commands()                          all of them; what a key does is told by `F1` and the key
    commands["Open"].keys = "rows:enter o"   other keys, from now on, at every desktop
    @command("Water", key="w")          a command of your own: it is given the object of the column, in a turn,
    def water(plant): ...               and what it gives is shown in the next column

A key has a name, such as "o", "ctrl+s", "shift+up", "f2", "alt+left"; two that follow each other are written with a
dot between them, "ctrl+w.v", and several keys for one command with blanks.  "rows:enter" is a key among rows only,
"text:enter" one in a text; a character, where one can be typed, is typed.
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

ROWS, TEXT, LINE = "rows", "text", "line"  # where keys go


class Doing(NamedTuple):
    """A command, as a desktop knows it; `function` is given the desktop, and is None where the image has it."""

    name: str
    keys: tuple[str, ...]
    told: str
    function: Callable[..., Any] | None = None
    is_moving: bool = False  # whether it goes somewhere in a text, and selects the way there with Shift


BUILT_IN: dict[str, Doing] = {}


def built_in(name: str, keys: str = "", where: str = "", is_moving: bool = False) -> Callable[..., Any]:
    """Mark a function of ours as a command; its docstring tells what it does.

    `where` is that of the keys that say nothing of it.
    """

    def mark(function: Any) -> Any:
        own = tuple(f"{where}:{key}" if where and not _parted(key)[0] else key for key in keys.split())
        BUILT_IN[name] = Doing(name, own, _told(function), function, is_moving)
        return function

    return mark


def _told(function: Any) -> str:
    told = getattr(function, "__doc__", None)
    return told.strip().partition("\n")[0] if type(told) is str else ""


def _parted(key: str) -> tuple[str, str]:
    """Where a key is one of its own, nothing if anywhere, and the key."""
    where, colon, rest = key.partition(":")
    return (where, rest) if colon and rest and where in (ROWS, TEXT) else ("", key)


class Keys:
    """Which command a key means."""

    def __init__(self, doings: list[Doing]) -> None:
        self.doings = {each.name: each for each in doings}
        self._found = {_parted(key): each for each in doings for key in each.keys}
        self._begun = {key.partition(".")[0] for _where, key in self._found if "." in key[1:]}

    def find(self, key: str, where: str, is_only_there: bool = False) -> Doing | None:
        """The command of a key, where one is; a character that can be typed is never one of anywhere."""
        return self._found.get((where, key)) or (None if is_only_there else self._found.get(("", key)))

    def begins(self, key: str) -> bool:
        """Whether another key has to follow this one."""
        return key in self._begun


class Own(NamedTuple):
    """What the image has of a command: of one of its own all, of another one its keys."""

    keys: tuple[str, ...]
    function: Callable[[Any], Any] | None = None


def all_built_in() -> dict[str, Doing]:
    """Our own commands; the modules that have them may not be imported yet where there is no desktop."""
    import piety.browser.object_commands
    import piety.browser.pane_commands
    import piety.browser.text_commands
    import piety.browser.tool_commands  # noqa: F401

    return BUILT_IN


def doings_of(image: Image) -> list[Doing]:
    """All commands, as they are in the image; called in a turn."""
    known = all_built_in()
    own = {name: Own(*kept) for name, kept in (image.world.commands or {}).items()}
    found = [each._replace(keys=own[each.name].keys) if each.name in own else each for each in known.values()]
    return found + [Doing(name, each.keys, _told(each.function)) for name, each in own.items() if each.function]


def perform(image: Image, name: str, obj: Any) -> Any:
    """Do a command of the image; called in a turn that counts.  Raises `PietyError` if it was forgotten."""
    kept = (image.world.commands or {}).get(name)
    if kept is None:
        raise PietyError(f"the command {name!r} was forgotten")
    return Own(*kept).function(obj)  # type: ignore[misc]


@never_changes
class Command:
    """One command, to be looked at and changed."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def _doing(self) -> Doing:
        found = next((each for each in doings_of(current()) if each.name == self.name), None)
        if found is None:
            raise PietyError(f"the command {self.name!r} was forgotten")
        return found

    @property
    def keys(self) -> str:
        """Its keys, with blanks between them."""
        return " ".join(self._doing.keys)

    @keys.setter
    def keys(self, keys: str) -> None:
        _put(self.name, Own(_checked(keys), self._function_of_image))

    @property
    def function(self) -> Any:
        """What it calls."""
        return self._doing.function or self._function_of_image

    @property
    def _function_of_image(self) -> Any:
        kept = (current().world.commands or {}).get(self.name)
        return None if kept is None else Own(*kept).function

    @view("Command", priority=10)
    def _told(self) -> Form:
        doing = self._doing
        pairs = {"name": self.name, "does": doing.told, "keys": self.keys}
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
            sorted(doings_of(current())),
            lambda each: [Label(part) for part in (each.name, " ".join(each.keys), each.told)],
            lambda each: Command(each.name),
        )

    def __brief__(self) -> str:
        return f"<{len(doings_of(current())):,} commands>"

    def __repr__(self) -> str:
        rows = [(each.name, " ".join(each.keys), each.told) for each in sorted(doings_of(current()))]
        wide = [max(len(row[at]) for row in rows) for at in (0, 1)]
        return "\n".join(f"{name:{wide[0]}}  {keys:{wide[1]}}  {told}".rstrip() for name, keys, told in rows)


commands = Commands()


def command(name: str, key: str = "") -> Callable[[Any], Any]:
    """Make a function of the image a command: it is given the object of the column; see above."""
    if type(name) is not str or not name.strip():
        raise PietyError('a command has a name: @command("Water")')
    if name in all_built_in():
        raise PietyError(f'there is a command {name!r} already; for other keys: commands[{name!r}].keys = "..."')

    def mark(function: Any) -> Any:
        _put(name, Own(_checked(key), function))
        return function

    return mark


def _checked(keys: str) -> tuple[str, ...]:
    """Several keys, as they are written.  Raises `PietyError`."""
    for key in keys.split():
        if "." in _parted(key)[1][1:] and len(_parted(key)[1].partition(".")[0]) == 1:
            raise PietyError(f"{key!r}: the first of two keys is none that is typed; take one such as ctrl+w")
    return tuple(keys.split())


def _put(name: str, own: Own) -> None:
    world = current().world
    if world.commands is None:
        world.commands = OOBTree()
    if world.commands.get(name) != tuple(own):
        world.commands[name] = tuple(own)
