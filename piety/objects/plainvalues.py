"""Plain objects that were kept: they lie beside the variables, and may share parts with these.

An entry of a plain object that can be changed does not hold it itself: the same list in the record of the entry and in
that of a variable would come back as two.  So it is a value of a space of its own (see `variables.py`), under the
number of the entry; `world.plain` has the groups, as `world.workspace.variables` has those of the workspace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from BTrees.OOBTree import OOBTree

from piety.objects.variables import MISSING, Space

if TYPE_CHECKING:
    from piety.objects.image import Image
    from piety.objects.variables import Variables

NAME = "<entries>"  # no module can have this name
_NONE: dict[str, Any] = {}


class PlainValues(Space):
    """The plain objects of the entries of an open image, by number."""

    def __init__(self, image: Image, variables: Variables) -> None:
        self._image = image
        super().__init__(NAME, {}, None, None, variables)

    @property
    def table(self) -> Any:
        """The groups by number; that of the world, which may have another one after going back."""
        found = self._image.world.plain
        return _NONE if found is None else found

    @table.setter
    def table(self, _table: Any) -> None:
        """It is always that of the world."""

    def put(self, number: int, value: Any) -> None:
        """Hold an object."""
        if self._image.world.plain is None:
            self._image.world.plain = OOBTree()
        self._variables.assign(self, str(number), value)

    def get(self, number: int) -> Any:
        """The object; `MISSING` if it is not held any more."""
        name = str(number)
        return self.namespace[name] if name in self.namespace else self.fetch(name)

    def drop(self, number: int) -> None:
        """Hold it no more."""
        self.get(number)
        self._variables.assign(self, str(number), MISSING)


def value_then(world: Any, number: int) -> Any:
    """The object as another world has it; `MISSING` if it does not hold it."""
    group = None if world.plain is None else world.plain.get(str(number))
    return MISSING if group is None else group.values[f"{NAME}.{number}"]
