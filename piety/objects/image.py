"""An open image: its world, its turns, and what runs in them.

`turns.py` tells what a turn is, and what its end does in which order.
One process has the image at a time, and one image is open in a process at a time, because modules of the image live
in the process's `sys.modules`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from piety.errors import NewerFormat, NoImage, NoTurn, PietyError, PietyInUse, TooLate
from piety.objects.broken import find
from piety.objects.connection import ImageConnection, open_database
from piety.objects.importing import Importer
from piety.objects.interrupts import Interrupts
from piety.objects.plainvalues import PlainValues
from piety.objects.storage import ImageStorage, damaged
from piety.objects.threads import is_apart
from piety.objects.transactions import Transactions
from piety.objects.turns import Outcome, Pause, Turn, Turns, one_line
from piety.objects.variables import MISSING
from piety.objects.workspace import NAME, Evaluator
from piety.objects.world import FORMAT, World

if TYPE_CHECKING:
    from pathlib import Path

    from piety.objects.diff import Diff
    from piety.objects.findindex import FindIndex
    from piety.objects.modules import ModulesOf
    from piety.objects.past import Past
    from piety.objects.rollback import GoingBack
    from piety.objects.snapshots import Moment

IMAGE_FILE = "image/image.fs"  # in a home
FIND_INDEX = "image/find"  # how the names of the index's files begin
ROOT, SNAPSHOTS = "world", "snapshots"
PASTS = 20  # so many moments of the past are kept open


class Evaluate(Turn):
    """A source that is evaluated in the workspace as one turn."""

    def __init__(self, image: Image, source: str, user: str | None = None, show: bool = False) -> None:
        self._image = image
        self.source = source
        self.user = user
        self.show = show
        self.label = self.made = one_line(source) or "a turn"

    def work(self) -> Any:
        return self._image.run_source(self.source)


class Image:
    """An image that is open for this process alone.  `piety.open` makes these; close it, or use it in a `with`."""

    _open: Image | None = None  # the one of this process

    def __init__(self, home: str, create: bool = False) -> None:
        if Image._open is not None:
            raise PietyInUse(
                f"this process has the image in {Image._open._home} open, and can have one at a time; close that first",
                os.getpid(),
            )
        self._home: str = home
        self.notices: list[str] = []  # what there is to say about the last turn
        self.offer: Callable[[str], Any] = lambda name: MISSING  # what else code finds under a name, without an import
        self.system: Any = None  # the system that runs it, if one does
        self.touched: set[int] = set()  # the numbers of the tasks that turns did something to; for that system
        self.effects: set[int] = set()  # and of the effects that they asked for
        self.session = ""  # the name of the terminal that the turn comes from
        self.printed: list[tuple[str, str]] = []  # what the turn has written to terminals: session, text
        self._find_index: Any = None  # `findindex.FindIndex`, from the first question on
        self._archive_index: tuple[bytes, FindIndex] | None = None
        self._renames: dict[str, str] = {}
        self._pasts: dict[tuple[bytes, bool], ImageConnection] = {}  # those of the past that were used last
        self._db = open_database(f"{home}/{IMAGE_FILE}", self._find_class, create)
        try:
            self._connection: ImageConnection = self._db.open(Transactions())
            self._turns = Turns(self._connection, self._db.storage, user_name())
            if create:
                self._make_world()
            self.world: World = self._find_world()
            self._renames = dict(self.world.renames)
            turns = self._turns
            turns.evaluator = Evaluator(
                self.world.workspace, turns.variables, turns.shown, turns.undo_log.append, self._offer
            )
            turns.importer = Importer(self.world.modules, turns.variables, turns.undo_log.append)
        except BaseException as error:
            self._close_store()
            if create or isinstance(error, (NoImage, NewerFormat)) or not isinstance(error, Exception):
                raise
            # of what every image begins with, some record is damaged
            raise damaged(f"{home}/{IMAGE_FILE}", f"{type(error).__name__}: {error}") from error
        turns.before_write = self._tell_watchers
        self.plain_values = PlainValues(self, turns.variables)
        turns.variables.add(self.plain_values)
        turns.importer.install()
        sys.modules[NAME] = turns.evaluator.module
        self.world._p_deactivate()  # it was read before its objects could find their classes in the image
        Image._open = self

    def _make_world(self) -> None:
        with self._connection.transaction_manager as transaction:
            transaction.user, transaction.description = self._turns.user, "a new image"
            self._connection.root()[ROOT] = World()

    def _find_world(self) -> World:
        world = self._connection.root().get(ROOT)
        if not isinstance(world, World):
            raise NoImage(
                f"{self._home}/{IMAGE_FILE} is a ZODB file, but not an image of Piety; choose another home with --home"
            )
        if world.format > FORMAT:
            raise NewerFormat(
                f"the image in {self._home} has format {world.format}, and this Piety reads up to {FORMAT}; "
                "use a newer Piety"
            )
        return world

    @property
    def home(self) -> Path:
        """The folder of this system on the host."""
        from pathlib import Path

        return Path(self._home)

    @property
    def modules(self) -> ModulesOf:
        """The modules of the image: name to source.  Saving one is a turn."""
        from piety.objects.modules import ModulesOf

        return ModulesOf(self)

    @property
    def storage(self) -> ImageStorage:
        """The file in which the image lives."""
        return self._db.storage

    @property
    def find_index(self) -> FindIndex:
        """The index by which things are found; it may be behind, see `following.catch_up`."""
        if self._find_index is None:
            from piety.objects.findindex import FindIndex

            self._find_index = FindIndex(f"{self._home}/{FIND_INDEX}")
        return self._find_index

    def find_index_of(self, tid: bytes, tick: Callable[[int, int], None] | None = None) -> FindIndex:
        """The index of a moment that was packed away, made from its portable snapshot; the last one is kept.

        Raises `PietyError` if it has none.
        """
        from piety.objects.following import index_of_archive
        from piety.objects.past import archive_of
        from piety.objects.portable import no_tick

        if self._archive_index is None or self._archive_index[0] != tid:
            path = archive_of(self.storage, tid, self._home)
            self._close_archive_index()
            self._archive_index = tid, index_of_archive(self, path, tick or no_tick)
        return self._archive_index[1]

    def _close_archive_index(self) -> None:
        if self._archive_index is not None:
            self._archive_index[1].close()
            self._archive_index = None

    # -- within a turn

    @property
    def is_untouched(self) -> bool:
        """Whether the turn that runs has touched nothing since it began or paused."""
        return self._turns.is_untouched()

    def pause(self) -> Pause:
        """A place in the turn that runs, to which it can return; see `Turns.pause`."""
        return self._turns.pause()

    def return_to(self, pause: Pause) -> None:
        """Undo what the turn that runs has done since it paused there."""
        self._turns.return_to(pause)

    def assign(self, name: str, value: Any) -> None:
        """Give a variable of the workspace a value, as a part of the turn that runs."""
        self._turns.evaluator.namespace[name] = value

    # -- the past

    @property
    def connection(self) -> ImageConnection:
        """What turns read and write the objects with."""
        return self._connection

    @property
    def snapshots(self) -> Any:
        """The table of the snapshots, by name; None before the first."""
        return self._connection.root().get(SNAPSHOTS)

    @snapshots.setter
    def snapshots(self, table: Any) -> None:
        self._connection.root()[SNAPSHOTS] = table

    def end_batch(self) -> None:
        """The turn that runs is to be the last of its transaction, so that this names a moment right after it."""
        self._turns.ends_batch = True

    def definition(self, name: str) -> Any:
        """What code of the workspace finds under a name, but no variable; else `MISSING`."""
        return self._turns.evaluator.definition(name)

    def at(self, when: Any) -> Past:
        """The world as it was at a moment: a snapshot, a time, the number of a turn.  Raises `PietyError`."""
        from piety.objects.past import Past
        from piety.objects.snapshots import find_moment

        with contextlib.nullcontext() if self.in_turn else self.look():
            moment = find_moment(self, when)
        return Past(moment.tid, moment.words)

    def past(self, tid: bytes) -> ImageConnection:
        """A connection that reads what was there when the turn of this number was done, and cannot write."""
        from piety.objects.past import open_past

        key = tid, self.is_packed(tid)
        if (found := self._pasts.pop(key, None)) is None:
            found = open_past(self._db, tid, self._home)
        self._pasts[key] = found  # the last one used comes last
        if len(self._pasts) > PASTS:
            del self._pasts[next(iter(self._pasts))]  # it goes with the last of its objects
        return found

    @contextlib.contextmanager
    def world_at(self, moment: Moment | None) -> Iterator[ImageConnection]:
        """A connection that reads the world of a moment; None for what the turn that runs has made of it so far."""
        if moment is not None:
            yield self.past(moment.tid)
            return
        pause = self.pause()
        with self._connection.view(pause.saved) as view:
            yield view

    def diff(self, one: Any, other: Any = None, all: bool = False) -> Diff:
        """What is different between two moments, or between one and now; with `all`, also what is Piety's own."""
        from piety.objects.diff import Diff, Worlds, changed_between
        from piety.objects.snapshots import Moment, find_moment

        with contextlib.nullcontext() if self.in_turn else self.look():
            last = self.storage.lastTransaction()
            moments = find_moment(self, one), Moment(last, "now") if other is None else find_moment(self, other)

            def find(longest: int) -> list[Any]:
                with self.storage.log() as log:
                    oids = changed_between(log, moments[0].tid, moments[1].tid)
                with self.world_at(moments[0]) as before, self.world_at(moments[1]) as after:
                    for side in (before, after):  # what was packed away is told by the portable snapshot only
                        oids |= {oid for oid in side.oids_of_its_own() if not self.storage.has(oid)}
                    return Worlds(before, after, longest, all).differences(oids)

            return Diff(find)

    def is_packed(self, tid: bytes) -> bool:
        """Whether what was at the moment of this turn was packed away; a portable snapshot may have it still."""
        from piety.objects.past import is_packed

        return is_packed(self.storage, tid)

    def roll_back(self, when: Any, user: str | None = None) -> GoingBack:
        """Give everything the state that it had at a moment, in one turn; what was done, with what to say about it.

        Raises `PietyError` if there is no such moment.
        """
        from piety.objects import rollback

        with self.look():
            going = rollback.to_moment(self, when)
        rollback.go_back(self, going, user)
        return going

    def undo(self, turn: bytes | None = None, user: str | None = None) -> GoingBack:
        """Take back one turn, by its number, or the last one that has changed something; as `roll_back`.

        Raises `PietyError` if something later stands on it.
        """
        from piety.objects import rollback

        with self.look():
            going = rollback.of_turn(self, turn)
        rollback.go_back(self, going, user)
        return going

    def renew_names(self) -> None:
        """The world has another table of renamed classes."""
        self._renames = dict(self.world.renames)

    def close(self) -> None:
        """Let the image go.  What cannot be stored is lost now; closing twice is allowed."""
        if Image._open is not self:
            return
        if self.in_turn:
            raise PietyError("the image cannot be closed from within a turn; end the turn first")
        Image._open = None
        sys.modules.pop(NAME, None)
        self._turns.importer.remove()
        self._turns.close()
        self._pasts.clear()
        if self._find_index is not None:
            self._find_index.close()
        self._close_archive_index()
        self._close_store()

    def _close_store(self) -> None:
        with contextlib.suppress(AttributeError):  # opening failed before there was a connection
            self._connection.close()
        self._db.close()

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an open image belongs to its process; the name `image` has it in every turn")

    def __repr__(self) -> str:
        return f"<image in {self._home}>"

    # -- turns

    @property
    def interrupts(self) -> Interrupts:
        """Who hears a Ctrl-C."""
        return self._turns.interrupts

    @interrupts.setter
    def interrupts(self, interrupts: Interrupts) -> None:
        self._turns.interrupts = interrupts

    @property
    def running(self) -> Turn | None:
        """The turn of which the user's code has control now."""
        return self._turns.running

    @property
    def in_turn(self) -> bool:
        return bool(self._turns.label)

    @property
    def turn_number(self) -> int:
        """Tells the turn that runs from those before it."""
        return self._turns.number

    @property
    def who(self) -> str:
        """Who edits texts in the turn that runs: a person, with the terminal if there are several, or a task."""
        return f"{self._turns.who} at {self.session}" if self.session else self._turns.who

    @property
    def what(self) -> str:
        """What the turn that runs does, in one line."""
        return self._turns.label

    @contextlib.contextmanager
    def turn(self, label: str, user: str | None = None) -> Iterator[World]:
        """Run the block as one turn: all of it is committed, or (if it raises) none of it happened.

        `label` says what was done and `user` who did it (else the person who runs the process); both go into the log.
        Raises `CommitFailed` if the block ran but could not be written.  What is to be said about the turn, such as
        an object that cannot be stored, is then in `notices`.
        """
        self._require_open()
        self.notices = []
        with self._turns.one(label, user) as outcome:
            yield self.world
        self.notices = outcome.notices

    def run(
        self, turns: Iterable[Turn], stay_open: bool = False, done: list[tuple[Turn, Outcome]] | None = None
    ) -> list[tuple[Turn, Outcome]]:
        """Run several turns and commit them together, each behind its own savepoint; each with its outcome.

        Never raises for what a turn does; a Ctrl-C that comes when they are over is raised, and `done` has them all.
        With `stay_open` nobody but the caller may touch the image until it calls again: see `Turns.together`.
        """
        self._require_open()
        done = [] if done is None else done
        self._turns.together(turns, done, stay_open)
        return done

    def evaluate(self, source: str, user: str | None = None, show: bool = False) -> Outcome:
        """Evaluate Python source in the workspace as one turn.

        Never raises for what the source does: a source that fails, whatever it raises, leaves no trace, and its
        exception is in the outcome.  With `show` the value becomes `_` and `it`.
        A Ctrl-C that comes when the turn is over raises `TooLate`, which has the outcome.
        """
        self._require_open()
        done: list[tuple[Turn, Outcome]] = []
        try:
            self._turns.together((Evaluate(self, source, user, show),), done)
        except KeyboardInterrupt:
            raise TooLate(done[0][1]) from None
        return done[0][1]

    def number_of(self, obj: Any) -> bytes:
        """The number under which a persistent object is kept; a new one gets one, and is stored with this turn."""
        if obj._p_oid is None:
            self._connection.add(obj)
        number: bytes = obj._p_oid
        return number

    def _offer(self, name: str) -> Any:
        """What code of the workspace finds under a name that it has not made itself; else `MISSING`."""
        return self.world if name == "world" else self if name == "image" else self.offer(name)

    def _tell_watchers(self) -> None:
        """A turn ends: the tasks that watch an object which it has changed are told, as a part of it."""
        if (tasks := self.world.tasks) is not None:
            tasks.tell_watchers(self._connection.changed_objects())

    def _require_open(self) -> None:
        if Image._open is not self:
            raise NoTurn("the image is closed; open it again with piety.open")

    def run_source(self, source: str, /, **bound: Any) -> Any:
        """Run a source in the workspace, as a part of the turn that runs; the value of a last expression.

        The names that are `bound` stand for these values meanwhile, whatever there is of the name.
        """
        return self._turns.evaluator.run(source, bound)

    def keep_result(self, value: Any) -> str:
        """Keep what the turn that runs has given, as long as the image is open; a name for `result`."""
        return self._turns.shown.keep(value)

    def result(self, name: str) -> Any:
        """What was kept under a name, to be used in the turn that runs; else `MISSING`."""
        return self._turns.shown.get(name)

    def run_module(self, name: str, only_if_loaded: bool = False) -> None:
        """Run a module's source in this turn: in its namespace if it is imported already, else by importing it."""
        if self._turns.importer.is_loaded(name):
            self._turns.importer.run_again(name)
        elif not only_if_loaded:
            importlib.import_module(name)

    def source(self, name: str) -> str:
        """The source of a module, or of the workspace.  Raises `NoModule`."""
        return self._turns.evaluator.source() if name == NAME else self.modules[name]

    def names(self) -> list[str]:
        """The names of the workspace, without loading what they stand for."""
        return self._turns.evaluator.names()

    def peek(self, name: str) -> Any:
        """What a name of the workspace stands for if that is in memory, else `MISSING`; touches and loads nothing."""
        return self._turns.evaluator.peek(name)

    def show(self, value: Any, turn: Turn | None = None) -> str:
        """The repr of a value that a turn left, asked for in one that is always undone: looking changes nothing."""
        self._require_open()
        why = "KeyboardInterrupt"
        with contextlib.suppress(KeyboardInterrupt), self.look(turn):
            try:
                self._turns.shown.touch()
                return repr(value)
            except BaseException as error:  # the user's repr fails or is stopped; the value is there all the same
                why = type(error).__name__
                with contextlib.suppress(Exception):  # what the error says of itself is the user's code too
                    why += f": {one_line(str(error))}"
        return f"<{type(value).__qualname__} whose repr fails with {why}>"

    @contextlib.contextmanager
    def look(self, turn: Turn | None = None) -> Iterator[World]:
        """Read the image in the block, in a turn that is always undone; for a `turn` that is over, if for one."""
        self._require_open()
        with self._turns.looking(turn):
            yield self.world

    @contextlib.contextmanager
    def reading(self) -> Iterator[ImageConnection]:
        """A connection of its own, to read much with, in a turn that is always undone."""
        transactions = Transactions()
        with self.look():
            connection: ImageConnection = self._db.open(transactions)
            transactions.begin()
            try:
                yield connection
            finally:
                transactions.abort()
                connection.cacheMinimize()
                connection.close()

    # -- what the store asks

    def find_class(self, connection: Any, module: str, name: str) -> Any:
        """The class that goes by a name of some time in a module; a stand-in if there is none."""
        return self._find_class(connection, module, name)

    def _find_class(self, _connection: Any, module: str, name: str) -> Any:
        if (module, name) == (find.__module__, find.__name__):  # a record that was written while a class was missing
            return lambda module, name: self._find_class(None, module, name)
        renamed = self._renames.get(f"{module}:{name}")
        if renamed is not None:
            module, _, name = renamed.partition(":")
        return find(module, name)


def open_image() -> Image:
    """The image that is open in this process.  Raises `NoTurn` if none is."""
    if (image := Image._open) is None:
        raise NoTurn("no image is open; open one with piety.open")
    return image


def current() -> Image:
    """The image that is open in this process.  Raises `NoTurn` if none is, or no turn runs in it."""
    image = Image._open
    if image is None or not image.in_turn:
        raise NoTurn("this can be done in a turn only: at the shell, in a task, or in a `with image.turn(...)`")
    if is_apart():
        raise NoTurn("work on the host runs beside the turns, and has no image; let it give back what a turn can use")
    return image


def user_name() -> str:
    """Who runs this process."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return os.environ.get("USERNAME", "somebody")
