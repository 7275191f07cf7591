"""Snapshots: names for moments.

A snapshot is one small record, so it costs the same whatever the size of the image.  The moment is that of the turn
which has made it: its number is the number of the record, which is never written again.

    snapshot("before the clean-up", note="...")
    snapshots(); snapshots["before the clean-up"]; del snapshots["before the clean-up"]

The table hangs on the root, beside the world, where no rollback reaches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from piety.errors import PietyError
from piety.objects.changes import never_changes, watches_itself
from piety.objects.image import current
from piety.objects.moments import exactly, moment, shown, tid_at, time_of

if TYPE_CHECKING:
    from piety.objects.image import Image

_NEW = bytes(8)  # the number of the record of an object that is not stored yet


@watches_itself
class Snapshot(Persistent):
    """A named moment."""

    def __init__(self, name: str, note: str, who: str) -> None:
        for attribute, value in {"name": name, "note": note, "who": who, "when": time.time()}.items():
            super().__setattr__(attribute, value)

    name: str
    note: str
    who: str
    when: float  # seconds since the epoch

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith(("_p_", "_v_")):
            raise PietyError("a snapshot stays as it was made; delete it, and make another one")
        super().__setattr__(name, value)

    @property
    def tid(self) -> bytes:
        """The number of the turn that it names.  Raises `PietyError` in that turn itself."""
        self._p_activate()
        if self._p_serial == _NEW:
            raise PietyError(f"the snapshot {self.name!r} is of the turn that runs; it can be used in the next one")
        tid: bytes = self._p_serial
        return tid

    def __repr__(self) -> str:
        return f"<snapshot {self.name!r} of {shown(self.when)}>"


@never_changes
class Snapshots(Mapping[str, Snapshot]):
    """The snapshots of the image by name; `snapshots()` lists them."""

    @property
    def _table(self) -> Any:
        table = current().snapshots
        return {} if table is None else table

    def __getitem__(self, name: str) -> Snapshot:
        try:
            found: Snapshot = self._table[name]
        except (KeyError, TypeError):
            raise PietyError(f"there is no snapshot {name!r}; snapshots() lists those that are") from None
        return found

    def __delitem__(self, name: str) -> None:
        del self._table[self[name].name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._table))

    def __len__(self) -> int:
        return len(self._table)

    def __call__(self) -> Listing:
        """All of them, to look at."""
        return Listing(self)

    def __repr__(self) -> str:
        return f"<snapshots: {', '.join(self) or 'none'}>"


class Listing:
    """The snapshots as a table, the newest first: when, name, note."""

    def __init__(self, snapshots: Snapshots) -> None:
        self.snapshots = sorted(snapshots.values(), key=lambda each: each.when, reverse=True)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self.snapshots)

    def __len__(self) -> int:
        return len(self.snapshots)

    def __brief__(self) -> str:
        return f"<{len(self):,} snapshots>"

    def __repr__(self) -> str:
        width = max((len(each.name) for each in self), default=0)
        rows = [f"{shown(each.when)}  {each.name:{width}}  {each.note}".rstrip() for each in self]
        return "\n".join(rows) or "no snapshots"


snapshots = Snapshots()


def snapshot(name: str, note: str = "") -> Snapshot:
    """Name this moment, as it is when the turn that runs is done.  Raises `PietyError` if the name is taken."""
    image = current()
    if type(name) is not str or not name.strip() or not name.isprintable():
        raise PietyError(f"{name!r} is no name for a snapshot; take a text of one line")
    if name in snapshots:
        raise PietyError(
            f"there is a snapshot {name!r} already, of {shown(snapshots[name].when)}; "
            f"take another name, or del snapshots[{name!r}] first"
        )
    if image.snapshots is None:
        image.snapshots = OOBTree()
    made = image.snapshots[name] = Snapshot(name, note, image.who)
    image.end_batch()
    return made


class Moment:
    """A moment by the number of the last turn that it shows."""

    def __init__(self, tid: bytes, words: str) -> None:
        self.tid, self.words = tid, words

    @property
    def when(self) -> float:
        """Seconds since the epoch."""
        return time_of(self.tid)

    def __repr__(self) -> str:
        return self.words


def find_moment(image: Image, when: Any) -> Moment:
    """The moment of a snapshot (or its name), of a turn (its number), or of a time; see `moments.moment`.

    Raises `PietyError` if it is none.
    """
    if isinstance(when, bytes) and len(when) == 8:
        return Moment(when, exactly(when))
    if isinstance(when, str) and image.snapshots is not None and when in image.snapshots:
        when = image.snapshots[when]
    if isinstance(when, Snapshot):
        return Moment(when.tid, f"{when.name!r} of {shown(when.when)}")
    if isinstance(tid := getattr(when, "tid", None), bytes):  # a turn of the log, or a past
        return Moment(tid, getattr(when, "words", exactly(tid)))
    try:
        then = moment(when)
    except PietyError:
        if isinstance(when, str):
            raise PietyError(
                f"{when!r} is neither the name of a snapshot nor a time, such as 'yesterday 18:00', '3 hours ago' or "
                "'2026-11-26 18:00'"
            ) from None
        raise
    return Moment(tid_at(then), shown(then))
