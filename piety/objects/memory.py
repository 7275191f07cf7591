"""What modules hold in memory as a turn begins, so that a turn that fails can put it back.

The image restores what is stored.  Modules hold more: a cache in a plain global, the attributes of a class, a list that
is a default argument.  That is remembered as a turn begins (`mementos.py`), and put back in place if the turn fails.
A memento that is still good serves the next turn too, so a turn pays for looking, and seldom for remembering.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from piety.objects.redefine import Journal

if TYPE_CHECKING:
    from piety.objects.mementos import Memento


class Root:
    """A namespace whose memory is remembered, without what hangs on the names to `skip`.

    With `is_put_back`, a failure gives it the same names again.
    """

    def __init__(self, namespace: dict[str, Any], skip: frozenset[str] = frozenset(), is_put_back: bool = True) -> None:
        self.namespace, self.skip, self.is_put_back = namespace, skip, is_put_back


class Memory:
    """The memory of several namespaces, by the names of their modules.

    `journal(undo)` is called at each `begin`, with what puts everything back.  `not_put_back` collects what is to be
    said of the things where that failed.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._mementos: dict[str, Memento] = {}
        self._held: list[Memento] = []  # those to which a failure of this turn goes back
        self.not_put_back: list[str] = []

    def begin(self, roots: dict[str, Root]) -> None:
        """Remember what hangs on these namespaces now."""
        self._remember({name: root for name, root in roots.items() if root.namespace})
        self._held = held = list(self._mementos.values())
        if held:
            self._journal(lambda: _restore_all(held))

    def begin_again(self, roots: dict[str, Root]) -> None:
        """What has changed since `begin` did not come from the turn: go back to what is now, if it fails."""
        self._remember(roots)
        self._held[:] = self._mementos.values()

    def _remember(self, roots: dict[str, Root]) -> None:
        known = self._mementos
        if not roots and not known:
            return
        good = {name: known[name] for name, root in roots.items() if name in known and known[name].is_good(root)}
        if len(good) == len(roots) == len(known):  # as nearly always
            return
        new = {name: self.memento(name, root) for name, root in roots.items() if name not in good}
        if not _code(memento for name, memento in known.items() if name not in good) <= _code(new.values()):
            # what was left to the module that defines it may have to be found from another one now
            good, new = {}, {name: self.memento(name, root) for name, root in roots.items()}
        self._mementos = {name: good[name] if name in good else new[name] for name in roots}

    def memento(self, name: str, root: Root) -> Memento:
        """What hangs on one namespace now."""
        from piety.objects.mementos import Memento  # a short command has nothing to remember

        return Memento(name, root, self.not_put_back.append)

    def forget(self) -> None:
        """The system stops: hold nothing."""
        self._mementos.clear()
        self._held.clear()

    def is_as_before(self) -> bool:
        """Whether nothing has changed since `begin`."""
        return all(memento.is_good() for memento in self._held)

    def holds(self, code: Any) -> bool:
        """Whether this class or function is remembered."""
        return any(id(code) in memento.code for memento in self._held)

    def changed(self) -> Iterator[tuple[str, str]]:
        """What has changed since `begin`; see `Memento.changed`."""
        return chain.from_iterable(memento.changed() for memento in self._held)


def _code(mementos: Iterable[Memento]) -> set[int]:
    return set().union(*(memento.code for memento in mementos))


def _restore_all(mementos: Iterable[Memento]) -> None:
    for memento in mementos:
        memento.restore()
