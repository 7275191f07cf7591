"""Turns: each one event handled to the end, as a transaction that happens whole or leaves no trace.

The order of a turn's end is what makes its promises hold:

    1. what lies in the workspace's namespace is sorted into definitions and variables
    2. objects that changed without saying so are found
    3. the variables that changed are given to their records
    4. the transaction is committed: it is on disk, whole
    5. memory is settled: what was touched goes back to rest
    6. only now does anything leave: values, output, notices

An interrupt stops the user's code, and only that, wherever it gets control: in the turn itself, in 2, where an object
is asked for its state in 4, and where an error is asked for its text.  `running` names the turn then.

If anything fails before 4 is done, memory is brought back to what the image has, and the turn leaves no trace.

Turns that are ready at the same time are committed together, because most of a small turn's time is its commit.  Then
4 is a savepoint for all but the last of them, so that one that fails is undone alone; 5 follows each savepoint, and 6
waits for the commit.  If that fails, all of them are undone.  A turn that changes nothing and says nothing needs none
of this, and costs a few function calls.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any

from piety.errors import CommitFailed, NoTurn
from piety.objects.changes import Changes
from piety.objects.connection import ImageConnection, Rewriting
from piety.objects.importing import Importer
from piety.objects.interrupts import Interrupts, of_this_thread
from piety.objects.lost import Volatiles
from piety.objects.notices import Notices
from piety.objects.printing import Printed
from piety.objects.saved import Kept
from piety.objects.shown import Shown
from piety.objects.storage import ImageStorage
from piety.objects.variables import Variables
from piety.objects.workspace import Evaluator

# Seconds for which what modules hold in memory need not be looked at again, while turns touch nothing else: if one of
# them fails then, what the ones just before it did in that memory, and only there, goes back with it.
FRESH = 0.01
DESCRIPTION = 500  # characters of the log's line about turns that were committed together
SYSTEM = "the system"  # who has made the turns of the system itself


class Outcome:
    """What a turn left: the value of a last expression, what was printed, and the exception if it failed.

    `traceback` is its text as a person should see it; `notices` are lines about what was committed, such as a name
    that cannot be stored, or about what could not be undone; `shown` is the repr of the value, where somebody asked
    for it.
    """

    def __init__(self, value: Any = None, output: str = "", error: BaseException | None = None) -> None:
        self.value = value  # no dataclass: importing that takes a tenth of the start
        self.output = output
        self.error = error
        self.traceback = ""
        self.notices: list[str] = []
        self.shown = ""
        self.is_void = False  # it was undone because of what was to be committed with it: nothing can be told from it
        self.prompt: str | None = None  # what a terminal shows next, if that is not the shell's

    def __repr__(self) -> str:
        return f"<outcome: {'failed' if self.error is not None else 'done'}>"


QUIET = Outcome()  # of each turn that has changed nothing, printed nothing and has no value


class Turn:
    """Something to do as a turn.  Subclasses say what."""

    label = "a turn"  # for the log, one line
    user: str | None = None  # who wants it; else the person who runs the process
    who: str | None = None  # who edits texts in it, if not the user
    made = ""  # the source that it evaluates, one line
    show = False  # whether its value becomes `_`
    runs_user_code = True  # else no Ctrl-C is for it
    since = 0.0  # when it got control, in seconds of `perf_counter`

    def work(self) -> Any:
        """What to do: user code, or what calls it."""
        raise NotImplementedError

    def is_undone(self) -> None:
        """Called when the turn has failed and was taken back; others may follow before `is_done`."""

    def is_done(self, outcome: Outcome) -> None:
        """Called by a loop when the turn is on disk, or was undone."""


class Pause:
    """A place in a turn to which it can return: a savepoint, and how memory was.

    `written` are the objects that the turn had written since the pause before, `saved` all that is in the savepoint.
    """

    def __init__(self, savepoint: Any, written: set[bytes], saved: dict[bytes, Kept]) -> None:
        self.savepoint = savepoint
        self.written, self.saved = written, saved
        self.mark = 0  # in the undo log
        self.notices: list[str] = []


class _Look(Turn):
    label = "a look"


class Turns:
    """Runs the turns of one open image.

    `undo_log` takes what brings memory back if the turn that runs fails.  `before_write` is called at the end of each
    turn that changed something, as a part of it.
    """

    def __init__(self, connection: ImageConnection, storage: ImageStorage, user: str) -> None:
        self._connection = connection
        self._storage = storage
        self._transactions = connection.transaction_manager
        self.user = user
        self.interrupts: Interrupts = of_this_thread()
        self.running: Turn | None = None  # the turn whose code, the user's, has control now
        self._turn: Turn | None = None  # the turn that runs, or whose changes are written; None between turns
        self.number = 0  # of the turn that runs, in this process; turns that touch nothing may share one
        self.undo_log: list[Callable[[], object]] = []
        self.volatiles = Volatiles()
        self.changes = Changes(connection)
        self.variables = Variables(connection, self.changes)
        self.shown = Shown(self.variables, self.changes)
        self.evaluator: Evaluator  # set by the image, when it has found its world
        self.importer: Importer
        self.before_write: Callable[[], None] = lambda: None
        self._notices = Notices(self)
        self._output = Printed()
        self._is_open = False  # whether a transaction is
        self._is_fresh = False  # whether it is as good as new: nothing was done in it
        self._fresh_until = 0.0
        self._is_unsettled = False  # whether the last turn has touched something, and memory is not settled yet
        self._used_names = True  # whether the turn has used a name of the workspace, or a variable of a module
        self._savepoint: Any = None  # where the transaction stood after the last turn that changed something
        self._written: set[bytes] = set()  # the objects that the transaction has written up to there
        self.ends_batch = False  # whether the turn that runs is to be the last of its transaction
        self._pauses: list[Pause] = []  # of the turn that runs
        self._mark = self._base = 0  # where the undo log of the turn begins, and its own part of that
        connection.note = self._note
        connection.users_code = _UsersCode(self)

    @property
    def label(self) -> str:
        """Of the turn that runs; "" between turns."""
        return "" if self._turn is None else self._turn.label

    @property
    def who(self) -> str:
        """Who edits texts in the turn that runs."""
        turn = self._turn
        return self.user if turn is None else turn.who or turn.user or self.user

    def _note(self, obj: Any) -> Any:
        made = "" if self._turn is None else self._turn.made
        how = f"evaluate {made!r}" if made else "make it anew"
        return self.volatiles.note(obj, f"turn {self.label!r}", how)

    # -- one turn, around a block

    @contextlib.contextmanager
    def one(self, label: str, user: str | None) -> Iterator[Outcome]:
        """Run the block as one turn; the outcome gets what there is to say about it."""
        outcome, turn = Outcome(), Turn()
        turn.label = one_line(label) or turn.label
        self._begin(turn)
        try:
            self._allow()
            try:
                yield outcome
                self._find_changes()
            finally:
                self._hold()
            self._commit(turn.label, user or self.user)
            self._settle(turn, outcome)
        except BaseException:
            self._hold()
            self._undo()
            raise
        finally:
            self._end()

    @contextlib.contextmanager
    def looking(self, turn: Turn | None = None) -> Iterator[None]:
        """Run the block as a turn that is always undone; for a turn that is over, if something of it is to be shown."""
        self._begin(turn or _Look())
        try:
            self._allow()
            try:
                yield
            finally:
                self._hold()
        finally:
            self._hold()
            self._undo()
            self._end()

    # -- several turns

    def together(self, turns: Iterable[Turn], done: list[tuple[Turn, Outcome]], stay_open: bool = False) -> None:
        """Run turns and commit them together; `done` gets each with its outcome.

        Never raises for what a turn does; one that fails is undone alone.  With `stay_open` the transaction stays open
        if nothing was written in it: for a loop that goes on at once, and lets nobody else in between.
        Raises KeyboardInterrupt for a Ctrl-C that came too late for the last turn; `done` is filled then.
        """
        waiting = iter(turns)
        turn = next(waiting, None)
        if turn is None:
            return
        self._begin(turn, go_on=True)
        self._output.put_on()
        written = first = len(done)  # the place of the turn that is being written, of the first of its transaction
        try:
            while turn is not None:
                written = len(done)
                done.append((turn, self._run(turn)))
                if self.ends_batch:
                    self._finish(done[first:], stay_open=False)
                    first = len(done)
                turn = next(waiting, None)
                if turn is not None and not self._is_open:
                    self._end()
                    self._begin(turn)
                elif turn is not None and self._is_unsettled:
                    self._save()
                    self._settle(*done[-1])
                    self._prepare()
            if self._is_open:
                self._finish(done[first:], stay_open)
            self._is_fresh = self._is_open and len(self.undo_log) == self._base and not self._is_unsettled
        except BaseException as error:  # of the store: nothing of all this is on disk
            self._hold()
            self._undo()
            done += [(each, QUIET) for each in (turn, *waiting) if each is not None]
            others = error if isinstance(error, CommitFailed) else _of_another(done[written][0], error)
            for place, (each, outcome) in enumerate(done[first:], first):
                why = error if place == written else others
                done[place] = each, self._unwritten(outcome, why, is_void=why is others)
        finally:
            self._output.put_off()
            self._end()

    def _run(self, turn: Turn) -> Outcome:
        interrupts, output = self.interrupts, self._output
        self._turn = turn
        sys.stdout = output  # whatever the turn before has put there
        try:
            if turn.runs_user_code:
                turn.since, self.running = perf_counter(), turn
                interrupts.allow()
            try:
                value = turn.work()
                if self._pauses or not self.is_untouched() or (turn.show and value is not None):
                    self._find_changes()
                    self._is_unsettled = True
            finally:
                interrupts.hold()
                self.running = None
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: they end the turn, not the system
            self._hold()
            outcome = self._fail(error, output)
            turn.is_undone()
            return outcome
        if value is None and not self._is_unsettled and not output.tell():
            return QUIET
        return Outcome(value, output.take())

    def _fail(self, error: BaseException, output: Printed) -> Outcome:
        outcome = Outcome(None, output.take(), error)
        outcome.traceback = self._told(error)  # while the source of what the turn defined is there
        output.take()
        self._return(self._savepoint, self._mark, self._pauses)
        outcome.notices = self._notices.about_the_undone()
        self._prepare()
        return outcome

    def _return(self, savepoint: Any, mark: int, pauses: Iterable[Pause]) -> None:
        """Bring the image back to a savepoint, and memory to that mark in the undo log."""
        self._let_go_of_changes()
        for pause in pauses:
            self.variables.let_go(pause.written)
            self.changes.let_go(pause.written)
        if savepoint is not None:
            savepoint.rollback()
        else:
            self._transactions.abort()
            self._transactions.begin()
        self._take_back(mark)

    def _told(self, error: BaseException) -> str:
        """The text of an error, as a person should see it."""
        from piety.objects.tracebacks import traceback_of

        try:
            self._allow()
            try:
                return traceback_of(error)
            finally:
                self._hold()
        except BaseException as why:  # the user's code: what an error says of itself
            self._hold()
            return f"{type(error).__name__}, and its text fails with {type(why).__name__}\n"

    def _unwritten(self, outcome: Outcome, error: BaseException, is_void: bool) -> Outcome:
        """The outcome of a turn that had ended, or had not begun, and then could not be written."""
        if outcome.error is None:
            outcome = Outcome(None, outcome.output, error)
            outcome.traceback = self._told(error)
        outcome.is_void = is_void
        return outcome

    def _finish(self, done: list[tuple[Turn, Outcome]], stay_open: bool) -> None:
        if self._newest() is not None or self._connection.has_changes():
            turn = done[0][0]
            label, user = turn.label, turn.user or self.user
            if len(done) > 1:
                told = [turn for turn, outcome in done if _is_told(turn, outcome)] or [turn for turn, _outcome in done]
                label = "; ".join(dict.fromkeys(turn.label for turn in told))
                user = ", ".join(dict.fromkeys(turn.user or self.user for turn in told))
            self._commit(one_line(label, DESCRIPTION), user)
        elif not stay_open:
            self._transactions.abort()
            self._is_open = False
        if self._is_unsettled:
            self._settle(*done[-1])

    # -- within a turn

    def pause(self) -> Pause:
        """Save what the turn that runs has done so far, and let memory rest as at its end; then it goes on.

        What is brought into the namespace is fetched again at its next use.  Plain objects stay the same ones, so that
        what a function still holds of them can be changed after the pause.
        """
        self._find_changes()
        self._hold()
        try:
            if self._connection.has_changes():
                savepoint = _written_or_told(self._transactions.savepoint)
            else:
                savepoint = self._newest()
            pause = Pause(savepoint, set(self.changes.records), self._connection.saved())
            self._written |= pause.written
            self.variables.settle()
            pause.notices = self._notices.about_this_turn()
            held = self.changes.held()
            self._rest([*self.shown.hold(), *held])
            self._go_on(pause)
            self.changes.touch(held)
        finally:
            self._allow()
        return pause

    def return_to(self, pause: Pause) -> None:
        """Undo what the turn that runs has done since it paused there."""
        self._hold()
        try:
            place = self._pauses.index(pause)
            later, self._pauses[place:] = self._pauses[place + 1 :], []
            self._return(pause.savepoint, pause.mark, later)
            self._go_on(pause)
        finally:
            self._allow()

    def _go_on(self, pause: Pause) -> None:
        mark, ends_batch, pauses = self._mark, self.ends_batch, [*self._pauses, pause]
        pause.mark = len(self.undo_log)
        self._prepare()
        self._mark, self.ends_batch, self._pauses = mark, ends_batch, pauses

    def _newest(self) -> Any:
        """The newest savepoint of the transaction, or None."""
        return self._pauses[-1].savepoint if self._pauses else self._savepoint

    # -- going back

    def rewrite(self, states: Iterable[tuple[bytes, bytes, bytes]], label: str, user: str | None) -> list[bytes]:
        """Give objects other states, in a turn of its own; the objects.  See `Rewriting`."""
        turn = Turn()
        turn.label, turn.runs_user_code = one_line(label), False
        self._begin(turn)
        rewriting = Rewriting(self._connection, states)
        try:
            self._transactions.get().join(rewriting)
            self._commit(turn.label, user or self.user)
        except BaseException:
            self._undo()
            raise
        else:
            self.variables.let_go(rewriting.oids)
            self.changes.let_go(rewriting.oids)
            self._transactions.begin()  # it reads what was written
            self._transactions.abort()
            self._rest(self.shown.undo())
        finally:
            self._end()
        return rewriting.oids

    # -- the parts of a turn

    def _begin(self, turn: Turn, go_on: bool = False) -> None:
        """Begin a transaction, or (to `go_on`) use the one that was left open, as nothing was done in it."""
        if self._turn is not None:
            raise NoTurn(f"a turn is running already ({self.label}); turns do not nest")
        self.interrupts.begin()
        self._turn = turn
        is_fresh, self._is_fresh = self._is_fresh, False
        if go_on and is_fresh and perf_counter() < self._fresh_until:
            return
        try:
            if not self._is_open:
                self._transactions.begin()
                self._is_open = True
            self._savepoint = None
            self._written.clear()
            self.undo_log.clear()
            self._prepare()
        except BaseException:
            self._end()
            raise

    def _prepare(self) -> None:
        """The next turn of a transaction can begin."""
        self._pauses = []
        self.ends_batch = False
        self.number += 1
        self._is_unsettled = False
        self._used_names = True  # as long as it is not known
        self._mark = len(self.undo_log)
        self.changes.begin()
        self.variables.begin()
        self.importer.begin()
        self.evaluator.begin()
        self._base = len(self.undo_log)
        self._fresh_until = perf_counter() + FRESH

    def is_untouched(self) -> bool:
        """Whether the turn has touched nothing: then there is nothing to compare, to write or to put to rest.

        Asked after each turn, so it looks for itself: asking each part would take a tenth of a quiet turn.  What else
        they know of is here already: a variable that is fetched is touched, and to delete a definition is in the log.
        """
        variables, evaluator = self.variables, self.evaluator
        return not (
            len(self.undo_log) != self._base
            or self._connection.has_changes()
            or self.changes._touched
            or variables._touched
            or (variables._declared and variables.is_touched())
            or evaluator._used
            or len(evaluator.namespace) != len(evaluator._python_names)
            or self.shown.is_used
        )

    def _allow(self) -> None:
        """The user's code gets control, and can be stopped."""
        if (turn := self._turn) is not None:
            turn.since, self.running = perf_counter(), turn
            self.interrupts.allow()

    def _hold(self) -> None:
        """It has control no more.  Called once more where it may have been stopped: just then, in the first call."""
        self.interrupts.hold()
        self.running = None

    def _find_changes(self) -> None:
        self._used_names = self._uses_names()
        if self._used_names:
            self.evaluator.end_turn()
        self.evaluator.is_over = True
        self.changes.find()
        if self._used_names:
            self.variables.gather()
        self.before_write()

    def _uses_names(self) -> bool:
        return self.evaluator.is_touched() or self.variables.is_touched()

    def _save(self) -> None:
        """Keep what the turn changed, if the ones that follow fail."""
        if self._connection.has_changes():
            self._savepoint = _written_or_told(self._transactions.savepoint)
        else:
            self._savepoint = self._newest()

    def _commit(self, label: str, user: str) -> None:
        transaction = self._transactions.get()
        transaction.user, transaction.description = one_line(user), label
        _written_or_told(transaction.commit)
        self._is_open = False
        self._storage.keep_index_fresh(len(self._written) + len(self.changes.records))

    def _settle(self, turn: Turn, outcome: Outcome) -> None:
        """The turn is written: remember what the image has of it now, and what is to be said about it."""
        self._written.update(self.changes.records)
        self.variables.settle()
        outcome.notices = self._notices.about_this_turn()
        if self._pauses:
            earlier = [notice for pause in self._pauses for notice in pause.notices]
            outcome.notices = list(dict.fromkeys([*earlier, *outcome.notices]))
        if turn.show and outcome.value is not None:
            self.shown.show(outcome.value)
        self._rest(self.shown.hold())

    def _rest(self, leave: list[Any]) -> None:
        """What the turn touched goes back to rest, but for the objects to `leave` in memory."""
        if self._used_names or self._uses_names():
            self.evaluator.rest()
            self.variables.rest()
        self.changes.settle(leave)

    def _undo(self) -> None:
        """Bring memory back to what the image has."""
        self._let_go_of_changes()
        self.variables.let_go(self._written)
        self.changes.let_go(self._written)
        self._transactions.abort()
        self._is_open = False
        self._take_back(0)

    def _let_go_of_changes(self) -> None:
        self.variables.undo()
        self.changes.undo()

    def _take_back(self, mark: int) -> None:
        while len(self.undo_log) > mark:
            self.undo_log.pop()()
        self._rest(self.shown.undo())

    def _end(self) -> None:
        """The turn is over; a Ctrl-C that came too late for it comes now."""
        self._turn = None
        self.interrupts.end()

    def close(self) -> None:
        """Hold nothing any more."""
        if self._is_open:
            self._transactions.abort()
            self._is_open = False
        for each in (self.shown, self.variables, self.changes, self.volatiles):
            each.forget()


class _UsersCode:
    """Around asking an object of the user for its state, to be written."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        turn = self._turns._turn
        if turn is not None and turn.runs_user_code:  # none runs when a new image is made
            self._turns._allow()

    def __exit__(self, *_exc: object) -> None:
        if self._turns._turn is not None:
            self._turns._hold()


def one_line(text: str, longest: int = 200) -> str:
    """The first line of a text, for the log."""
    text = text.strip()
    if len(text) <= longest and text.isprintable():  # no line ends, as mostly
        return text
    lines = text.splitlines()
    more = len(lines) > 1 or (bool(lines) and len(lines[0]) > longest)
    return "" if not lines else lines[0][:longest] + (" ..." if more else "")


def _is_told(turn: Turn, outcome: Outcome) -> bool:
    """Whether the log names a turn among those that are committed with it: it has done something, for somebody."""
    return turn.user != SYSTEM and outcome is not QUIET and outcome.error is None


def _written_or_told(write: Callable[[], Any]) -> Any:
    try:
        return write()
    except OSError as error:
        raise CommitFailed(
            f"the turn could not be written ({error.strerror or error}) and was undone; "
            "make room on the disk and do it again"
        ) from error


def _of_another(turn: Turn, error: BaseException) -> CommitFailed:
    return CommitFailed(
        f"the turn was undone because one beside it, {turn.label!r}, could not be written "
        f"({type(error).__name__}); do it again"
    )
