"""An open image: its world, its turns, and what runs in them.

A *turn* is one event handled to the end as one transaction.  The order of a turn's end is what makes its promises hold:

    1. what lies in the workspace's namespace is sorted into definitions and variables
    2. objects that changed without saying so are found
    3. the variables that changed are given to their records
    4. the transaction is committed: it is on disk, whole
    5. memory is settled: what was touched goes back to rest
    6. only now does anything leave: values, output, notices

If anything fails before 4 is done, memory is brought back to what the image has, and the turn leaves no trace.
One process has the image at a time, and one image is open in a process at a time, because modules of the image live
in the process's `sys.modules`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` is made of, without enumerations that take time
import contextlib
import importlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from transaction import TransactionManager

from piety.errors import CommitFailed, NewerFormat, NoImage, NoTurn, PietyError, PietyInUse, TooLate
from piety.objects.broken import find
from piety.objects.changes import Changes, find_path
from piety.objects.importing import Importer
from piety.objects.lost import LostError, Volatiles
from piety.objects.shown import Shown
from piety.objects.store import ImageConnection, ImageStorage, damaged, open_database
from piety.objects.variables import Group, Variables
from piety.objects.workspace import NAME, Evaluator
from piety.objects.world import FORMAT, World

if TYPE_CHECKING:
    from pathlib import Path

    from piety.objects.modules import ModulesOf

IMAGE_FILE = "image/image.fs"  # in a home
ROOT = "world"


class Outcome:
    """What a turn left: the value of a last expression, what was printed, and the exception if it failed.

    `traceback` is its text as a person should see it; `notices` are lines about what was committed, such as a name
    that cannot be stored.
    """

    def __init__(self) -> None:  # no dataclass: importing that takes a tenth of the start
        self.value: Any = None
        self.output = ""
        self.error: BaseException | None = None
        self.traceback = ""
        self.notices: list[str] = []
        self.shown = ""  # the repr of the value, where somebody asked for it to be shown

    def __repr__(self) -> str:
        return f"<outcome: {'failed' if self.error is not None else 'done'}>"


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
        self._undo_log: list[Callable[[], object]] = []
        self._turn = ""  # the label of the turn that runs, or ""
        self._made = ""  # the first line of what it evaluates
        self._announced: set[tuple[Any, ...]] = set()
        self._volatiles = Volatiles()
        self._renames: dict[str, str] = {}
        self.user = _user()
        self._db = open_database(f"{home}/{IMAGE_FILE}", self._find_class, create)
        try:
            self._transactions = TransactionManager(explicit=True)
            self._connection: ImageConnection = self._db.open(self._transactions)
            self._connection.note = self._note
            self._changes = Changes(self._connection)
            self._variables = Variables(self._connection, self._changes)
            self._shown = Shown(self._variables, self._changes)
            if create:
                self._transactions.begin()
                self._connection.root()[ROOT] = World()
                self._commit("a new image")
            self.world: World = self._find_world()
            self._renames = dict(self.world.renames)
            self._evaluator = Evaluator(
                self.world.workspace,
                self._variables,
                self._shown,
                self._undo_log.append,
                {"world": self.world, "image": self},
            )
            self._importer = Importer(self.world.modules, self._variables, self._undo_log.append)
        except BaseException as error:
            self._close_store()
            if create or isinstance(error, (NoImage, NewerFormat)) or not isinstance(error, Exception):
                raise
            # of what every image begins with, some record is damaged
            raise damaged(f"{home}/{IMAGE_FILE}", f"{type(error).__name__}: {error}") from error
        self._importer.install()
        sys.modules[NAME] = self._evaluator.module
        self.world._p_deactivate()  # it was read before its objects could find their classes in the image
        Image._open = self

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

    def close(self) -> None:
        """Let the image go.  What cannot be stored is lost now; closing twice is allowed."""
        if Image._open is not self:
            return
        if self._turn:
            raise PietyError("the image cannot be closed from within a turn; end the turn first")
        Image._open = None
        sys.modules.pop(NAME, None)
        self._importer.remove()
        for each in (self._shown, self._variables, self._changes, self._volatiles):
            each.forget()
        self._close_store()

    def _close_store(self) -> None:
        with contextlib.suppress(AttributeError):  # opening failed before there was a connection
            self._transactions.abort() if self._turn else None
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
    def in_turn(self) -> bool:
        return bool(self._turn)

    @contextlib.contextmanager
    def turn(self, label: str, user: str | None = None) -> Iterator[World]:
        """Run the block as one turn: all of it is committed, or (if it raises) none of it happened.

        `label` says what was done and `user` who did it (else the person who runs the process); both go into the log.
        Raises `CommitFailed` if the block ran but could not be written.  What is to be said about the turn, such as
        an object that cannot be stored, is then in `notices`.
        """
        self._begin(label)
        try:
            with _Stoppable(self._mask):
                yield self.world
                self._find_changes()
            self._finish(user)
        except BaseException:
            self._undo()
            raise
        finally:
            self._end()

    def _begin(self, label: str) -> None:
        if Image._open is not self:
            raise NoTurn("the image is closed; open it again with piety.open")
        if self._turn:
            raise NoTurn(f"a turn is running already ({self._turn}); turns do not nest")
        self._mask = _hold_interrupts()
        self._turn = _one_line(label) or "a turn"
        self.notices = []
        self._undo_log.clear()
        try:
            self._transactions.begin()
            self._changes.begin()
            self._variables.begin()
            self._importer.begin()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        """The turn is over; a Ctrl-C that came too late for it comes now."""
        self._turn = self._made = ""
        _release_interrupts(self._mask)

    def _find_changes(self) -> None:
        self._evaluator.end_turn()
        self._changes.find()
        self._variables.gather()

    def _finish(self, user: str | None, shown: Any = None) -> None:
        self._commit(self._turn, user)
        self._variables.settle()
        self.notices = self._observe()
        if shown is not None:
            self._shown.show(shown)
        self._rest(self._shown.hold())

    def _commit(self, label: str, user: str | None = None) -> None:
        transaction = self._transactions.get()
        transaction.user = _one_line(user or self.user)
        transaction.description = label
        try:
            transaction.commit()
        except OSError as error:
            raise CommitFailed(
                f"the turn could not be written ({error.strerror or error}) and was undone; "
                "make room on the disk and do it again"
            ) from error
        self._db.storage.keep_index_fresh(len(self._changes.records))

    def _undo(self) -> None:
        """Bring memory back to what the image has."""
        self._variables.undo()
        self._changes.undo()
        self._transactions.abort()
        while self._undo_log:
            self._undo_log.pop()()
        self._rest(self._shown.undo())

    def _rest(self, leave: list[Any]) -> None:
        """The turn is over: what it touched goes back to rest, but for the objects to `leave` in memory."""
        self._evaluator.rest()
        self._variables.rest()
        self._changes.settle(leave)

    # -- evaluating

    def evaluate(self, source: str, user: str | None = None, show: bool = False) -> Outcome:
        """Evaluate Python source in the workspace as one turn.

        Never raises for what the source does: a source that fails, whatever it raises, leaves no trace, and its
        exception is in the outcome.  With `show` the value becomes `_` and `it`.
        A Ctrl-C that comes when the turn is over raises `TooLate`, which has the outcome.
        """
        outcome = Outcome()
        output = io.StringIO()
        self._made = _one_line(source)
        self._begin(self._made)
        try:
            there, sys.stdout = sys.stdout, output
            try:
                with _Stoppable(self._mask):
                    outcome.value = self._evaluator.run(source)
                    self._find_changes()
            finally:
                sys.stdout = there
            self._finish(user, outcome.value if show else None)
            outcome.notices = self.notices
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: they end the turn, not the system
            outcome.value, outcome.error = None, error
            try:
                outcome.traceback = _traceback(error)  # while the source of what the turn defined is there
            finally:
                self._undo()
        finally:
            outcome.output = output.getvalue()
            try:
                self._end()
            except KeyboardInterrupt:
                raise TooLate(outcome) from None
        return outcome

    def run_module(self, name: str, only_if_loaded: bool = False) -> None:
        """Run a module's source in this turn: in its namespace if it is imported already, else by importing it."""
        if self._importer.is_loaded(name):
            self._importer.run_again(name)
        elif not only_if_loaded:
            importlib.import_module(name)

    def source(self, name: str) -> str:
        """The source of a module, or of the workspace.  Raises `NoModule`."""
        return self._evaluator.source() if name == NAME else self.modules[name]

    def names(self) -> list[str]:
        """The names of the workspace, without loading what they stand for."""
        return self._evaluator.names()

    def peek(self, name: str) -> Any:
        """What a name of the workspace stands for if that is in memory, else `MISSING`; touches and loads nothing."""
        return self._evaluator.peek(name)

    def show(self, value: Any) -> str:
        """The repr of a value, asked for in a turn that is always undone: looking changes nothing."""
        with self.look():
            try:
                self._shown.touch()
                return repr(value)
            except BaseException as error:  # the user's repr fails or is stopped; the value is there all the same
                why = f"{type(error).__name__}: {_one_line(str(error))}"
                return f"<{type(value).__qualname__} whose repr fails with {why}>"

    @contextlib.contextmanager
    def look(self) -> Iterator[World]:
        """Read the image in the block, in a turn that is always undone."""
        self._begin("look")
        try:
            with _Stoppable(self._mask):
                yield self.world
        finally:
            self._undo()
            self._end()

    @contextlib.contextmanager
    def reading(self) -> Iterator[ImageConnection]:
        """A connection of its own, to read much with, in a turn that is always undone."""
        self._begin("read")
        transactions = TransactionManager(explicit=True)
        connection: ImageConnection = self._db.open(transactions)
        transactions.begin()
        try:
            with _Stoppable(self._mask):
                yield connection
        finally:
            transactions.abort()
            connection.cacheMinimize()
            connection.close()
            self._undo()
            self._end()

    # -- what the store asks

    def _note(self, obj: Any) -> Any:
        return self._volatiles.note(
            obj, f"turn {self._turn!r}", f"evaluate {self._made!r}" if self._made else "make it anew"
        )

    def _find_class(self, _connection: Any, module: str, name: str) -> Any:
        if (module, name) == (find.__module__, find.__name__):  # a record that was written while a class was missing
            return lambda module, name: self._find_class(None, module, name)
        renamed = self._renames.get(f"{module}:{name}")
        if renamed is not None:
            module, _, name = renamed.partition(":")
        return find(module, name)

    def _observe(self) -> list[str]:
        """What is to be said about the records just written; each thing is said once.

        The turn is committed, so nothing that user code does here may make it fail.
        """
        notices: list[str] = []
        try:
            self._observe_records(notices)
        except BaseException as error:  # a `__reduce__` or `__hash__` of the user's
            notices.append(
                f"there is more to be said of this turn, but looking failed with {type(error).__name__}: {error}"
            )
        return notices

    def _observe_records(self, notices: list[str]) -> None:
        for owner, leaf in self._changes.volatile:
            for name in (
                self._variables.owners(leaf) if owner is None or isinstance(owner, Group) else [self._path(owner, leaf)]
            ):
                if (name, self._volatiles.key(leaf)) not in self._announced:
                    self._announced.add((name, self._volatiles.key(leaf)))
                    what = self._volatiles.what(leaf)
                    notices.append(f"{name} holds {what}, which cannot be stored; it is there until the system stops")
        for name in self._evaluator.changed_code():
            if (name,) not in self._announced:
                self._announced.add((name,))
                notices.append(
                    f"{name} was set from outside its definition and is so until the system stops; write it in there"
                )
        for shared in self._changes.shared():
            paths = sorted(self._path(owner, shared.value) for owner in (shared.first, shared.second))
            for owner in (shared.first, shared.second):  # so that they share as long as they can
                self._variables.keep(owner) if isinstance(owner, Group) else self._changes.keep(owner)
            if tuple(paths) not in self._announced:
                self._announced.add(tuple(paths))
                notices.append(
                    f"{paths[0]} and {paths[1]} are the same {type(shared.value).__name__} in two records; "
                    "after a stop they will be two: keep it in one place, or make it persistent"
                )

    def _path(self, owner: Any, value: Any) -> str:
        if isinstance(owner, Group):
            return " = ".join(self._variables.owners(value)) or "a variable"
        path = find_path(owner, value) or _name(owner)
        return path.replace(_name(owner), "world", 1) if owner is self.world else path


def _name(owner: Any) -> str:
    return f"{type(owner).__qualname__} {int.from_bytes(owner._p_oid, 'big'):#x}"


def _one_line(text: str) -> str:
    lines = text.strip().splitlines()
    return "" if not lines else lines[0][:200] + (" ..." if len(lines) > 1 or len(lines[0]) > 200 else "")


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return os.environ.get("USERNAME", "somebody")


class _Stoppable:
    """The part of a turn that runs user code: Ctrl-C stops it, and nothing else of the turn."""

    def __init__(self, mask: Any) -> None:
        self._mask = mask

    def __enter__(self) -> None:
        try:
            _release_interrupts(self._mask)
        except BaseException:
            _hold_interrupts()
            raise

    def __exit__(self, *_exc: object) -> None:
        _hold_interrupts()


def _hold_interrupts() -> Any:
    """Keep Ctrl-C waiting; what to give to `_release_interrupts`."""
    if threading.current_thread() is threading.main_thread() and hasattr(_signal, "pthread_sigmask"):
        return _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
    return None


def _release_interrupts(before: Any) -> None:
    if before is not None:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _traceback(error: BaseException) -> str:
    """What a person should see of an error: one line for a `PietyError`, else the traceback of the user's own code.

    An error with no frame of the user's in it is a bug of ours, and says so with all its frames.
    """
    if isinstance(error, PietyError):
        return f"{error}\n"
    import traceback

    told = traceback.TracebackException.from_exception(error)
    users = [frame for frame in told.stack if not frame.filename.startswith(_OURS)]
    if not users and not isinstance(error, (SyntaxError, KeyboardInterrupt)):
        return "This is a bug of Piety; the turn was undone.\n" + "".join(told.format())
    users = [frame for frame in users if not frame.filename.startswith("<frozen importlib")] or users
    for_users = isinstance(error, (LostError, SyntaxError, ImportError)) or told.stack[-1].name == "__getattr__"
    if not users or for_users or told.stack[-1].filename == users[-1].filename:
        told.stack[:] = users  # what raised is the user's code, or is meant for it
    else:
        told.stack[:] = told.stack[told.stack.index(users[0]) :]
    return "".join(told.format())


_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
