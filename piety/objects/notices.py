"""What is to be said about a turn.

About the records that it has written, each thing once:

- a name that holds what cannot be stored
- a class or function that was changed from outside its definition
- a plain object that stands in two records, and would come back as two

And if one before it was undone: what modules hold in memory, and could not be put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from piety.objects.changes import Shared, find_path
from piety.objects.connection import name_of
from piety.objects.variables import Group
from piety.objects.world import World

if TYPE_CHECKING:
    from piety.objects.turns import Turns


class Notices:
    """Knows what was said already about the turns of one open image."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._said: set[tuple[Any, ...]] = set()

    def about_this_turn(self) -> list[str]:
        """What is to be said now, when the turn is written; nothing that user code does here may make it fail."""
        notices = self.about_the_undone()
        try:
            for key, notice in self._all():
                if key not in self._said:
                    self._said.add(key)
                    notices.append(notice)
        except BaseException as error:  # a `__reduce__` or `__hash__` of the user's
            from piety.objects.tracebacks import in_one_line

            notices.append(f"there is more to be said of this turn, but looking failed with {in_one_line(error)}")
        return notices

    def about_the_undone(self) -> list[str]:
        """What could not be put back when a turn was undone, and has not been told yet."""
        told: list[str] = []
        for memory in (self._turns.evaluator.memory, self._turns.importer.memory):
            told += memory.not_put_back
            memory.not_put_back.clear()
        return told

    def _all(self) -> Iterator[tuple[tuple[Any, ...], str]]:
        turns = self._turns
        for owner, leaf in turns.changes.volatile:
            for name in self._names(owner, leaf):
                what = turns.volatiles.what(leaf)
                yield (
                    (name, turns.volatiles.key(leaf)),
                    f"{name} holds {what}, which cannot be stored; it is there until the system stops",
                )
        for name in turns.evaluator.changed_code():
            yield (
                (name,),
                f"{name} was set from outside its definition and is so until the system stops; write it in there",
            )
        for shared in turns.changes.shared():
            first, second = paths = self._keep(shared)
            yield (
                paths,
                f"{first} and {second} are the same {type(shared.value).__name__} in two records; "
                "after a stop they will be two: keep it in one place, or make it persistent",
            )

    def _names(self, owner: Any, leaf: Any) -> list[str]:
        if isinstance(owner, Group):
            return self._turns.variables.owners(leaf)
        return [self._path(owner, leaf)]

    def _keep(self, shared: Shared) -> tuple[str, ...]:
        """See that two records share an object as long as they can; the paths to it."""
        owners = (shared.first, shared.second)
        paths = sorted(self._path(owner, shared.value) for owner in owners)
        for owner in owners:
            self._turns.variables.keep(owner) if isinstance(owner, Group) else self._turns.changes.keep(owner)
        return tuple(paths)

    def _path(self, owner: Any, value: Any) -> str:
        if isinstance(owner, Group):
            return " = ".join(self._turns.variables.owners(value)) or "a variable"
        path = find_path(owner, value) or name_of(owner)
        return path.replace(name_of(owner), "world", 1) if type(owner) is World else path
