"""Going back: the whole system to a moment, or one turn.

Both write one forward turn, which gives each object that has changed the state of then.  So it costs what has changed
since, it is in the log like any turn, and going back to the moment before it brings all that it took away.

- Rolled back is everything but the snapshots, and what was typed at the shell: both tell what happened.
- Objects that were made later stay in the file, out of reach.
- One turn is undone only where nothing later stands on it.  Where a later turn has changed another key of the same
  BTree, both count (BTrees merge themselves, as at a conflict of two transactions).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ZODB.POSException import ConflictError
from ZODB.serialize import referencesf

from piety.errors import PietyError
from piety.objects.moments import exactly
from piety.objects.naming import described
from piety.objects.nodes import nodes
from piety.objects.portable import Portable, Tick, archived, no_tick
from piety.objects.snapshots import Moment, find_moment
from piety.objects.turnlog import LoggedTurn, Record, TurnLog
from piety.objects.turns import SYSTEM

if TYPE_CHECKING:
    from piety.objects.image import Image

NAMED = 20  # objects that are named, of many that change
SHOWN = 5  # turns that are named, of many that stand in the way


class Change:
    """An object that gets an earlier state: `serial` is the turn of its newest record, `state` the pickles of then."""

    __slots__ = ("oid", "place", "serial", "state")

    def __init__(self, oid: bytes, serial: bytes, place: int, state: bytes | None = None) -> None:
        self.oid, self.serial = oid, serial
        self.place = place  # of the record that has the state, if `state` is None
        self.state = state


class GoingBack:
    """What would be written to go back; nothing is, until `Image.go_back`.

    `moment` is when the world was as it will be, `turns` how many turns came after that, `later` the number of objects
    that will be out of reach.
    """

    def __init__(self, what: str, moment: Moment) -> None:
        self.what, self.moment = what, moment
        self.changes: list[Change] = []
        self.turns = self.later = 0
        self.notices: list[str] = []
        self.archive: Portable | None = None  # which has the states, if the image's file has not

    def states(self, log: TurnLog, tick: Tick) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Each object, the turn of its newest record, and the state that it gets."""
        for done, change in enumerate(self.changes):
            tick(done, len(self.changes))
            state = change.state
            if self.archive is not None:
                state = self.archive.load(change.oid)[0]
            elif state is None:
                state = log.state(log.record(change.place))
            if state is not None:
                yield change.oid, change.serial, state


def to_moment(image: Image, when: Any) -> GoingBack:
    """What it takes to have the whole world as it was at a moment.  Raises `PietyError` if that is before the image."""
    moment = find_moment(image, when)
    going = GoingBack(f"roll back to {moment.words}", moment)
    if image.is_packed(moment.tid):
        _to_archived(image, going)
        return going
    kept = kept_objects(image)
    newest: dict[bytes, bytes] = {}  # the objects that have changed since, with the turn of the newest record
    places: dict[bytes, int] = {}  # and where the last record before stands
    with image.storage.log() as log:
        turn = None
        for turn in log.backwards():
            if turn.tid <= moment.tid or turn.status == "p":
                break
            going.turns += 1
            for record in turn.records():
                newest.setdefault(record.oid, turn.tid)
                places[record.oid] = record.before
        else:
            if turn is not None:
                raise PietyError(f"this image begins at {exactly(turn.tid)}; there is nothing before that")
        for oid, place in places.items():
            if oid in kept:
                continue
            if not place:
                going.later += 1
            elif not _is_same(log, image.storage.place(oid), place):
                going.changes.append(Change(oid, newest[oid], place))
    return going


def _to_archived(image: Image, going: GoingBack) -> None:
    """The same where the past was packed away, with a snapshot that was written to a file.

    What of it is no longer in the image is made again, under its number.
    """
    image.past(going.moment.tid)  # which raises why it cannot be looked at
    path = archived(str(image.home), going.moment.tid)
    assert path is not None
    kept, then = kept_objects(image), set()
    going.archive = Portable(path)
    with image.storage.log() as log:
        for oid, _tid, record in going.archive.records():
            then.add(oid)
            newest = log.record(place) if (place := image.storage.place(oid)) else None
            if oid not in kept and (newest is None or log.state(newest) != record):
                going.changes.append(Change(oid, bytes(8) if newest is None else newest.tid, 0))
        going.turns = sum(1 for turn in log.backwards() if turn.status != "p")
    going.later = sum(1 for oid in image.storage.oids() if oid not in then and oid not in kept)


def of_turn(image: Image, tid: bytes | None = None) -> GoingBack:
    """What it takes to undo one turn, or the last one that changed something.

    Raises `PietyError` if there is none, or if something later stands on it.
    """
    with image.storage.log() as log:
        kept = kept_objects(image)
        turn, later = _find(log, tid, kept)
        going = GoingBack(_undone(turn.what), Moment(turn.tid, exactly(turn.tid)))
        going.turns = 1
        made, in_the_way = set(), dict.fromkeys(later, False)
        for record in turn.records():
            if record.oid in kept:
                continue
            if not record.before:
                going.later += 1
                made.add(record.oid)
                continue
            newest = log.record(image.storage.place(record.oid))
            if newest.tid == turn.tid or _is_same(log, newest.place, record.place):
                going.changes.append(Change(record.oid, newest.tid, record.before))
            elif (state := _merged(image, log, record, newest)) is not None:
                going.changes.append(Change(record.oid, newest.tid, 0, state))
            else:
                in_the_way.update((each, True) for each in later if each.tid == newest.tid)
        if made:
            own = kept | made | {change.oid for change in going.changes}
            last = {record.oid: each for each in reversed(later) for record in each.records() if record.oid not in own}
            for oid, each in last.items():
                if _refers(log.state(log.record(image.storage.place(oid))), made):
                    in_the_way[each] = True
    if blocking := [each for each, does in in_the_way.items() if does]:
        told = "; ".join(f"{exactly(each.tid)} {each.who}: {each.what}" for each in blocking[:SHOWN])
        more = f"; and {len(blocking) - SHOWN} more" if len(blocking) > SHOWN else ""
        raise PietyError(f"{turn.what!r} cannot be undone alone, because of what came later: {told}{more}")
    return going


def _undone(what: str) -> str:
    """What it is called to undo this."""
    for done, undone in (("undo of ", "redo of "), ("redo of ", "undo of ")):
        if what.startswith(done):
            return undone + what.removeprefix(done)
    return f"undo of {what}"


def _find(log: TurnLog, tid: bytes | None, kept: set[bytes]) -> tuple[LoggedTurn, list[LoggedTurn]]:
    """A turn by its number, or the last one that changed something; and those that came after it."""
    later: list[LoggedTurn] = []
    for turn in log.backwards():
        if tid is None:
            is_it = changes_something(turn, kept)
        else:
            is_it = turn.tid <= tid
        if turn.status == "p":
            raise PietyError("the turns before this were packed away; none of them can be undone")
        if is_it:
            if turn.place <= 4:
                break
            return turn, later
        later.append(turn)
    raise PietyError("nothing to undo: the image is as it was made")


def changes_something(turn: LoggedTurn, kept: set[bytes]) -> bool:
    """Whether a turn of the log is one of a person or a task, and has changed what a rollback reaches."""
    return turn.who != SYSTEM and any(record.oid not in kept for record in turn.records())


def kept_objects(image: Image) -> set[bytes]:
    """The objects that no rollback reaches: the root, the snapshots, and what was typed at the shell."""
    found = {image.connection.root()._p_oid}
    for table in (image.snapshots, image.world.history):
        for oid in nodes(image.connection.take, table._p_oid) if table is not None else ():
            found |= {oid, *referencesf(image.storage.load(oid)[0])}
    return found


def _is_same(log: TurnLog, one: int, other: int) -> bool:
    first, second = log.record(one), log.record(other)
    if first.length and second.length and first.length != second.length:
        return False
    return log.state(first) == log.state(second)


def _merged(image: Image, log: TurnLog, record: Record, newest: Record) -> bytes | None:
    """The state without what a turn did and with what came later; None if it cannot be told what that is."""
    before, now = log.state(log.record(record.before)), log.state(newest)
    try:
        merged: bytes = image.storage.tryToResolveConflict(record.oid, newest.tid, record.tid, before, now)
    except ConflictError:
        return None
    return merged


def _refers(state: bytes | None, made: set[bytes]) -> bool:
    return state is not None and not made.isdisjoint(referencesf(state))


def told(image: Image, going: GoingBack) -> Iterator[str]:
    """What going back changes, in lines."""
    if not going.changes:
        yield f"nothing has changed since {going.moment.words}"
        return
    later = f"; {_count(going.later, 'object')} made later will be out of reach" if going.later else ""
    yield f"{going.what}: {_count(len(going.changes), 'object')} of {_count(going.turns, 'turn')} change{later}"
    names: dict[str, None] = {}
    for change in going.changes:
        if len(names) == NAMED:
            yield "  ..."
            break
        record = image.connection.record(change.oid)
        if record is not None and not _is_inner(record):
            names[described(image, change.oid, record)] = None
            yield f"  {list(names)[-1]}"


def _is_inner(record: bytes) -> bool:
    """Whether this is a part of a table or a text, of which nobody has heard."""
    return record.startswith((b"\x80\x03cBTrees.", b"\x80\x03cpiety.objects.rope", b"\x80\x03cpiety.objects.edits"))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def go_back(image: Image, going: GoingBack, user: str | None = None, tick: Tick = no_tick) -> None:
    """Write it; what memory holds of code, tasks and timers follows.  `going.notices` has what is to be said of that.

    `tick` is told how many objects of how many are written, and may raise to stop it.  Raises `CommitFailed` if it
    cannot be written.  Then nothing has changed.
    """
    if not going.changes:
        return
    turns = image._turns
    with image.look():
        modules, definitions = turns.importer.ran(), turns.evaluator.ran()
    with image.storage.log() as log:
        turns.rewrite(going.states(log, tick), going.what, user)
    try:
        with image.turn("the code follows", SYSTEM):
            image.renew_names()
            going.notices += turns.importer.follow(modules)
            going.notices += turns.evaluator.follow(definitions)
    except BaseException:  # it was stopped: all code is loaded anew when it is used
        turns.importer.unload_all()
        turns.evaluator.defined.clear()
        raise
    if image.system is not None:
        image.system.follow(going.moment.when)
