"""The views of what runs the system: tasks, failures, turns, snapshots, what was found.

So a list of tasks is an inspector on `tasks()`, as any other object has one, and what can be done with a task is an
action of it.
"""

from __future__ import annotations

from typing import Any

from piety.browser.general import general, is_of
from piety.browser.sources import code_of, definition_source, named_in, place_of
from piety.browser.views import Actions, BetweenTurns, Code, Form, Forward, Label, Table
from piety.objects import rollback
from piety.objects.diff import Diff
from piety.objects.finding import Found
from piety.objects.history import Row, Turns
from piety.objects.image import current
from piety.objects.moments import exactly, shown
from piety.objects.naming import described
from piety.objects.past import Past
from piety.objects.snapshots import Listing as Snapshots
from piety.objects.snapshots import Snapshot
from piety.objects.snapshots import snapshots as snapshot_table
from piety.objects.world import World
from piety.scheduler.failures import Failure, Failures, Frame
from piety.scheduler.listing import COLUMNS, shown_cell
from piety.scheduler.listing import Listing as TaskListing
from piety.scheduler.output import Transcript
from piety.scheduler.tasks import ENDED, Task

FEW = 20  # values of a fact that are shown

# -- tasks


@general("Tasks", 10, is_of(TaskListing))
def _tasks(obj: TaskListing) -> Table:
    return Table(
        [name for name in COLUMNS if name != "number"],
        obj,
        lambda task: [Label(shown_cell(name, obj.row(task)[name])) for name in COLUMNS if name != "number"],
        lambda task: task,
    )


@general("Task", 10, is_of(Task))
def _task(obj: Task) -> Form:
    row = TaskListing(current()).row(obj)
    failed = _failures_of(obj)
    pairs: list[tuple[str, Any]] = [(name, Label(shown_cell(name, row[name]))) for name in COLUMNS]
    pairs += [("does", getattr(obj, "action", None)), ("event", obj.event), ("enabled", obj.enabled)]
    pairs += [("prints to", obj.out), ("failure", failed[0])] if failed else [("prints to", obj.out)]
    return Form([*pairs, ("messages", obj.messages)])


def _failures_of(task: Task) -> list[Failure]:
    from piety.scheduler.failures import failures

    return [each for each in failures() if each.task is task]


@general("Code", 12, is_of(Task))
def _code_of_task(obj: Task) -> Any:
    action = getattr(obj, "action", None) or type(obj)
    return code_of(getattr(action, "__func__", action))


@general("Output", 14, is_of(Task))
def _output(obj: Task) -> Any:
    return obj.out if isinstance(obj.out, Transcript) else "what it prints goes nowhere, or to an object of yours"


@general("Actions", 16, is_of(Task))
def _actions_of_task(obj: Task) -> Actions:
    if obj.state in ENDED:
        return Actions({"Restart": obj.restart})
    found: dict[str, Any] = {"Resume": obj.resume} if obj.state == "suspended" else {"Suspend": obj.suspend}
    for each in _failures_of(obj):
        found |= {"Retry what failed": each.retry, "Discard what failed": each.discard}
    return Actions({**found, "Restart": obj.restart, "Cancel": obj.cancel})


# -- failures


@general("Failures", 10, is_of(Failures))
def _failures(obj: Failures) -> Table:
    return Table(
        ["task", "when", "about", "error"],
        obj,
        lambda each: [Label(part) for part in (str(each.task.name), shown(each.when), each.about, each.error)],
        lambda each: each,
    )


@general("Stack", 10, is_of(Failure))
def _stack(obj: Failure) -> Table:
    """The innermost step first: there it went wrong."""
    return Table(
        ["function", "line", "source"],
        list(reversed(obj.frames)),
        lambda each: (Label(each.function), each.line, Label(each.source)),
        lambda each: each,
    )


@general("Actions", 12, is_of(Failure))
def _actions_of_failure(obj: Failure) -> Actions:
    return Actions({"Retry": obj.retry, "Discard": obj.discard})


@general("Traceback", 14, is_of(Failure))
def _traceback(obj: Failure) -> str:
    return obj.traceback


@general("Output", 16, is_of(Failure))
def _output_of_failure(obj: Failure) -> str:
    return obj.output or "it had printed nothing"


@general("Task", 18, is_of(Failure))
def _task_of_failure(obj: Failure) -> Forward:
    return Forward(obj.task)


@general("Source", 10, is_of(Frame))
def _source_of_frame(obj: Frame) -> Any:
    """The definition in which it went wrong, at the line: to be mended there."""
    definition, found = place_of(obj.file, obj.line)
    if found is not None and (definition is None or definition.name.rpartition(".")[2] == obj.function):
        return found
    if (named := named_in(obj.file, obj.function)) is not None:  # it was changed since, and stands elsewhere
        return definition_source(named)
    import linecache

    source = "".join(linecache.getlines(obj.file))
    return (
        Code(source, "python", line=obj.line - 1) if source else f"{obj.source}\n\nThere is no more of {obj.file} here."
    )


@general("Values", 12, is_of(Frame))
def _values(obj: Frame) -> Form:
    return Form([(name, Label(value)) for name, value in obj.names.items()])


@general("Definition", 14, is_of(Frame))
def _definition_of_frame(obj: Frame) -> Any:
    found, _code = place_of(obj.file, obj.line)
    return "it is none of the image" if found is None else Forward(found, "Used by")


# -- turns and snapshots


@general("Turns", 10, is_of(Turns))
def _turns(obj: Turns) -> Table:
    return Table(
        ["when", "who", "what", "objects"],
        obj,
        lambda row: (Label(exactly(row.tid)), Label(row.who), Label(row.what), row.objects),
        lambda row: row,
    )


@general("Variables", 10, is_of(World))
def _variables_of_world(obj: World) -> Table:
    """The names of the workspace."""
    image = current()
    return Table(["name", "value"], list(obj.workspace.variables), lambda name: (Label(name), image.run_source(name)))


@general("Snapshots", 12, is_of(Turns))
def _snapshots_beside(_obj: Turns) -> Table:
    return _table_of(Snapshots(snapshot_table))


@general("Snapshots", 10, is_of(Snapshots))
def _snapshots(obj: Snapshots) -> Table:
    return _table_of(obj)


def _table_of(found: Snapshots) -> Table:
    return Table(
        ["name", "when", "note"],
        found.snapshots,
        lambda each: [Label(part) for part in (each.name, shown(each.when), each.note)],
        lambda each: each,
    )


def _before(tid: bytes) -> bytes:
    return (int.from_bytes(tid, "big") - 1).to_bytes(8, "big")


@general("Differences", 10, is_of(Diff))
def _differences(obj: Diff) -> Code:
    return Code(repr(obj), "diff")


@general("Turn", 10, is_of(Row))
def _turn(obj: Row) -> Form:
    return Form(
        [("when", Label(exactly(obj.tid))), ("who", Label(obj.who)), ("what", Label(obj.what)),
         ("objects", obj.objects), ("then", obj.past)]
    )  # fmt: skip


@general("Change", 12, is_of(Row))
def _change(obj: Row) -> Code:
    """What the turn has changed."""
    return Code(repr(current().diff(_before(obj.tid), obj.tid)), "diff")


@general("Objects", 14, is_of(Row))
def _objects(obj: Row) -> Table:
    image = current()

    def told(oid: bytes) -> list[Label]:
        record = image.connection.record(oid)
        return [Label("gone" if record is None else described(image, oid, record))]

    return Table(["object"], obj.numbers(), told, image.connection.get)


@general("Since", 16, is_of(Row))
def _since(obj: Row) -> Code:
    return Code(repr(current().diff(obj.tid)), "diff")


@general("Actions", 18, is_of(Row))
def _actions_of_turn(obj: Row) -> Actions:
    return Actions({"Undo this turn": lambda: _undo(obj), "Roll everything back to here": lambda: _roll_back(obj.tid)})


@general("Snapshot", 10, is_of(Snapshot))
def _snapshot(obj: Snapshot) -> Form:
    return Form(
        [("name", Label(obj.name)), ("when", Label(shown(obj.when))), ("who", Label(obj.who)),
         ("note", Label(obj.note)), ("then", Past(obj.tid, repr(obj.name)))]
    )  # fmt: skip


@general("Since", 12, is_of(Snapshot))
def _since_snapshot(obj: Snapshot) -> Code:
    return Code(repr(current().diff(obj.tid)), "diff")


@general("Rolling back", 14, is_of(Snapshot))
def _rolling_back(obj: Snapshot) -> str:
    return "\n".join(rollback.told(current(), rollback.to_moment(current(), obj)))


@general("Actions", 16, is_of(Snapshot))
def _actions_of_snapshot(obj: Snapshot) -> Actions:
    def delete() -> None:
        del snapshot_table[obj.name]

    return Actions({"Roll everything back to here": lambda: _roll_back(obj.name), "Delete": delete})


def _undo(row: Row) -> BetweenTurns:
    return BetweenTurns(lambda image: _gone(image.undo(row.tid)), "undo")


def _roll_back(when: bytes | str) -> BetweenTurns:
    question = next(rollback.told(current(), rollback.to_moment(current(), when)))
    return BetweenTurns(lambda image: _gone(image.roll_back(when)), "roll back", question)


def _gone(going: Any) -> str:
    notices = "".join(f"\nnote: {notice}" for notice in going.notices)
    return f"done: {going.what}, {len(going.changes):,} objects; the turn before this one brings it back{notices}"


@general("Variables", 10, is_of(Past))
def _variables(obj: Past) -> Table:
    names = list(obj.world.workspace.variables)
    return Table(["name", "value"], names, lambda name: (Label(name), obj[name]), lambda name: obj[name])


@general("Texts", 12, is_of(Past))
def _texts(obj: Past) -> Table:
    found = {} if obj.texts is None else obj.texts
    return Table(["name", "text"], list(found), lambda name: (Label(name), found[name]), lambda name: found[name])


@general("Modules", 14, is_of(Past))
def _modules(obj: Past) -> Table:
    found = obj.modules
    return Table(["name", "lines"], list(found), lambda name: (Label(name), found[name].count("\n")), found.get)


@general("Workspace", 16, is_of(Past))
def _workspace(obj: Past) -> Code:
    return Code(obj.source)


@general("Since", 18, is_of(Past))
def _since_past(obj: Past) -> Code:
    return Code(repr(current().diff(obj.tid)), "diff")


@general("Actions", 20, is_of(Past))
def _actions_of_past(obj: Past) -> Actions:
    return Actions({"Roll everything back to here": lambda: _roll_back(obj.tid)})


# -- what was found


@general("Results", 10, is_of(Found))
def _results(obj: Found) -> Table:
    return Table(["object"], obj, lambda each: (each,))


@general("Facets", 12, is_of(Found))
def _facets(obj: Found) -> Table:
    """Each fact with its values; what is opened is what has that one."""
    found = obj.facets()
    rows = [(name, value, count) for name in found for value, count in list(found[name].items())[:FEW]]
    return Table(
        ["fact", "value", "entries"],
        rows,
        lambda row: (Label(row[0]), Label(row[1]), row[2]),
        lambda row: obj.with_fact(row[0], row[1]),
    )


@general("Words", 14, is_of(Found))
def _words(obj: Found) -> Any:
    """Where the words were found."""
    return Table(["object", "where"], obj.snippets(), lambda row: (row[0], Label(row[1])), lambda row: row[0])
