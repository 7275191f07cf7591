"""`_` and `it`: the value that the shell showed last; and the results that somebody still looks at.

They belong to the shell, so showing a value writes nothing.  But what is shown may be a part of something that is
stored, and then `_.append(1)` may not be lost.  So the variables and objects that it may be a part of stay in memory,
and count as touched by every turn that uses `_`.

When a turn that fails lets go of one of those, the value is no longer a part of it.  The names then stand for the
value of the same variable, if it was that of a variable; else they are forgotten.
"""

from __future__ import annotations

from typing import Any

from piety.objects.changes import Changes, is_immutable
from piety.objects.variables import MISSING, Variables

NAMES = ("_", "it")
RESULT = "result "  # begins the name of a result, which no code can say
RESULTS = 100  # that are kept


class Shown:
    """What `_` and `it` stand for."""

    def __init__(self, variables: Variables, changes: Changes) -> None:
        self._variables = variables
        self._changes = changes
        self._values: dict[str, Any] = {}
        self.is_used = False  # whether this turn has used or set them
        self._newest = 0  # the number of the newest result
        self._lives: list[Any] = []
        self._objects: list[Any] = []

    def get(self, name: str) -> Any:
        """What `name` stands for, used by the turn that runs; `MISSING` if nothing was shown."""
        if name in self._values:
            self.touch()
        return self.peek(name)

    def peek(self, name: str) -> Any:
        """The same without using it."""
        return self._values.get(name, MISSING)

    def touch(self) -> None:
        """This turn may change what is shown."""
        self.is_used = True
        self._variables.touch(self._lives)
        self._changes.touch(self._objects)

    def set(self, name: str, value: Any) -> None:
        self._values[name] = value
        self.is_used = True

    def show(self, value: Any) -> None:
        """At the end of a turn that showed `value`."""
        results = self._results()
        self._values = {**results, **dict.fromkeys(NAMES, value)}
        if not results:
            self._lives, self._objects = [], []
        self.is_used = True

    def keep(self, value: Any) -> str:
        """Keep what a turn has given, as long as the system runs; the name under which it is found."""
        self._newest += 1
        name = f"{RESULT}{self._newest}"
        self.set(name, value)
        for old in list(self._results())[:-RESULTS]:
            del self._values[old]
        return name

    def _results(self) -> dict[str, Any]:
        return {name: value for name, value in self._values.items() if name not in NAMES}

    def hold(self) -> list[Any]:
        """After a commit, find what the values may be a part of now; the objects whose parts have to stay in memory."""
        if all(map(is_immutable, self._values.values())):
            self._lives, self._objects = [], []
        else:
            lives, objects = self._variables.touched(), self._changes.touched()
            held = [live for live in self._lives if self._variables.has(live)]
            known = {*map(id, self._lives), *map(id, self._objects)}
            touched = {*map(id, lives), *map(id, objects)}
            if self.is_used or len(held) < len(self._lives) or known & touched:  # they may be a part of more now
                self._lives = list({id(live): live for live in (*held, *lives)}.values())
                self._objects = list({id(obj): obj for obj in (*self._objects, *objects)}.values())
        self.is_used = False
        return self._objects

    def forget(self) -> None:
        """The system stops: hold nothing."""
        self._values, self._lives, self._objects = {}, [], []

    def undo(self) -> list[Any]:
        """After a failure: see above; the objects whose parts have to stay in memory."""
        self.is_used = False
        gone = [live for live in self._lives if not self._variables.has(live)]
        if gone or not all(map(self._changes.has, self._objects)):
            for name, value in list(self._values.items()):
                if not is_immutable(value):
                    keys = [key for live in gone for key, each in live.values.items() if each is value]
                    self._values[name] = self._variables.value(keys[0]) if keys else MISSING
            self._values = {name: value for name, value in self._values.items() if value is not MISSING}
            self._lives = [now for live in self._lives if (now := self._variables.now(live)) is not None]
        return self._objects
