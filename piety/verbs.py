"""What the commands do with an image.

A verb is a function of the open image, of something to say things with, and of plain arguments; it gives the exit
status.  So the same function serves a command on a resting system, which opens the image itself, and one on a running
system, which sends the name of the verb and the arguments over the socket (see `browser/server.py`).

What takes long is done in two steps: the verb gives, in place of the status, what is left to do: a function, which
needs no turn, so that turns go on meanwhile; or `More`, which needs some.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from piety.errors import PietyError
from piety.objects.image import Image
from piety.objects.turns import Outcome

Progress = Callable[[str, int, int], None]
Rest = Callable[[], int]  # what is left of a verb, to be done beside the turns; gives the exit status


class More:
    """What is left of a verb that needs turns again: other turns may come in between.  It gives what a verb gives."""

    def __init__(self, work: Callable[[Image], Any]) -> None:
        self.work = work


class Stopped(PietyError):
    """Whoever wanted it does not want it any more."""


class Say:
    """Where a verb says things: `out` is the standard output of whoever asked, `err` the standard error.

    `progress` is told what is being done, and how much of how much; it raises `Stopped` if nobody wants that any more.
    """

    def __init__(
        self, out: Callable[[str], object], err: Callable[[str], object], progress: Progress = lambda *_told: None
    ) -> None:
        self.out, self.err, self.progress = out, err, progress

    def doing(self, what: str) -> Callable[[int, int], None]:
        """The progress of one thing."""
        return partial(self.progress, what)


def evaluate(image: Image, say: Say, source: str) -> int:
    """Evaluate a source as one turn."""
    outcome = image.evaluate(source)
    if outcome.error is None and outcome.value is not None:
        outcome.shown = image.show(outcome.value)
    return tell(say, outcome)


def tell(say: Say, outcome: Outcome) -> int:
    """Say what came of a turn; the exit status."""
    say.out(outcome.output)
    for notice in outcome.notices:
        say.err(f"note: {notice}\n")
    if outcome.error is not None:
        say.err(outcome.traceback)
        return 1
    if outcome.value is not None:
        say.out(f"{outcome.shown}\n")
    return 0


def code_list(image: Image, say: Say) -> int:
    """List the modules: name, lines, and the variables that persist."""
    with image.look() as world:
        for name, record in world.modules.table.items():
            lines = record.source.data.count(b"\n")
            state = f"  state: {', '.join(record.state)}" if record.state else ""
            say.out(f"{name:32} {lines:6} lines{state}\n")
    return 0


def code_show(image: Image, say: Say, name: str) -> int:
    """Show the source of a module, or of the workspace."""
    with image.look():
        say.out(image.source(name))
    return 0


def code_import(image: Image, say: Say, paths: list[str], over_host: bool) -> int:
    """Take .py files and package folders into the image, in one turn; the paths are absolute."""
    try:
        names = image.modules.import_paths(paths, over_host=over_host)
    except SyntaxError as error:
        raise PietyError(f"{error.filename}, line {error.lineno}: {error.msg}; nothing was imported") from error
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    say.out(f"imported {len(names)} module{'s' if len(names) != 1 else ''}: {shown}\n")
    return 0


def code_export(image: Image, say: Say, folder: str, shown: str) -> int:
    """Write every module to a folder, of which `folder` is the absolute path and `shown` what the person wrote."""
    with image.look():
        say.out(f"{len(image.modules.export(folder))} files in {shown}\n")
    return 0


def info(image: Image, say: Say, as_json: bool) -> int:
    """Objects, sizes, versions, the last turn."""
    from piety.objects.describe import describe_image

    facts = describe_image(image)
    if as_json:
        import json

        say.out(json.dumps(facts, indent=2) + "\n")
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            say.out(f"{name.replace('_', ' '):{width}}  {value}\n")
    return 0


def check(image: Image, say: Say) -> int:
    """Read every object, resolve every class, check every BTree; name what is broken."""
    from piety.objects.check import check_image

    broken = False
    for problem in check_image(image, say.doing("checking")):
        broken = True
        say.out(f"{problem}\n")
    if not broken:
        say.out("nothing is broken\n")
    return int(broken)


def tasks(image: Image, say: Say, as_json: bool) -> int:
    """The tasks, as a table."""
    from piety.scheduler.listing import Listing

    with image.look() as world:
        rows = Listing(image).rows() if world.tasks is not None else []
        if as_json:
            import json

            say.out(json.dumps(rows, indent=2) + "\n")
        else:
            say.out(f"{Listing(image)!r}\n" if rows else "no tasks\n")
    return 0


# -- history


def log(
    image: Image, say: Say, most: int, ref: str | None, who: str | None, since: str | None, all: bool, as_json: bool
) -> int:
    """The turns, the newest first: when, who, what, and how many objects they have changed."""
    from piety.objects.history import Query, rows

    with image.look():
        found = rows(image, Query(ref, who, since, all), most)
        if as_json:
            import json

            say.out(json.dumps([row.facts() for row in found], indent=2) + "\n")
        else:
            for row in found:
                say.out(f"{row}\n")
    return 0


def snapshot(image: Image, say: Say, name: str, note: str, delete: bool) -> int:
    """Name this moment; or delete a snapshot."""
    from piety.objects import snapshots

    with image.turn(f"{'delete ' if delete else ''}snapshot {name}"):
        if delete:
            del snapshots.snapshots[name]
        else:
            snapshots.snapshot(name, note)
    say.out(f"the snapshot {name!r} is {'deleted' if delete else 'made'}\n")
    return 0


def snapshots(image: Image, say: Say, as_json: bool) -> int:
    """The snapshots, the newest first."""
    from piety.objects.snapshots import Listing
    from piety.objects.snapshots import snapshots as table

    with image.look():
        listing = Listing(table)
        if as_json:
            import json

            facts = [
                {"name": each.name, "note": each.note, "who": each.who, "when": each.when, "turn": each.tid.hex()}
                for each in listing
            ]
            say.out(json.dumps(facts, indent=2) + "\n")
        else:
            say.out(f"{listing!r}\n")
    return 0


def diff(image: Image, say: Say, one: str, other: str | None, all: bool, as_json: bool) -> int:
    """What is different between two moments, or between one and now."""
    found = image.diff(one, other, all)
    if as_json:
        import json

        facts = [
            {"sign": each.sign, "what": each.what, "lines": [line.removeprefix(": ") for line in each.lines]}
            for each in found
        ]
        say.out(json.dumps(facts, indent=2) + "\n")
    else:
        with image.look():
            say.out(f"{found.full if all else found!r}\n")
    return 0


def rollback(image: Image, say: Say, when: str, dry_run: bool) -> int:
    """Give everything the state that it had at a moment."""
    return _go_back(image, say, lambda back: back.to_moment(image, when), dry_run)


def undo(image: Image, say: Say, turn: str | None, dry_run: bool) -> int:
    """Take back the last turn that changed something, or one that is named by its time."""
    from piety.objects.history import turn_at

    return _go_back(image, say, lambda back: back.of_turn(image, turn and turn_at(image, turn)), dry_run)


def _go_back(image: Image, say: Say, find: Callable[[Any], Any], dry_run: bool) -> int:
    from piety.objects import rollback

    with image.look():
        going = find(rollback)
        for line in rollback.told(image, going):
            say.out(f"{line}\n")
    if not dry_run:
        rollback.go_back(image, going, tick=say.doing("going back"))
        for notice in going.notices:
            say.err(f"note: {notice}\n")
    return 0


def fork(image: Image, say: Say, when: str, place: str) -> Rest:
    """Make a home of its own, as this one was at a moment."""
    from piety import boot
    from piety.objects import transfer

    boot.require_free(place)
    with image.look():
        beginning = transfer.fork(image, when)

    def run() -> int:
        boot.found(place, beginning(say.doing("copying")))
        say.out(f"a new home at {place}\n")
        return 0

    return run


def export(image: Image, say: Say, when: str | None, path: str, shown: str) -> Rest:
    """Write a moment, or now, into a portable snapshot; `path` is absolute, `shown` what the person wrote."""
    from piety.objects import transfer

    with image.look():
        write = transfer.export(image, when, path)

    def run() -> int:
        write(say.doing("writing"))
        say.out(f"{os.path.getsize(path):,} bytes in {shown}\n")
        return 0

    return run


def pack(image: Image, say: Say, keep: str) -> Rest:
    """Let go of the past that is older than `keep`; snapshots of it are written to files first."""
    from piety.objects.transfer import Packing

    with image.look():
        packing = Packing(image, keep)
    say.err(f"{packing.plan}\n")

    def run() -> int:
        say.out(f"{packing.run(say.progress)}\n")
        return 0

    return run


def backup(image: Image, say: Say, folder: str) -> Rest:
    """Bring a backup in a folder up to date."""
    from piety.objects import transfer

    run_backup = transfer.backup(image, folder)

    def run() -> int:
        say.out(f"{run_backup()}\n")
        return 0

    return run


# -- finding


def keep(image: Image, say: Say, paths: list[str], facts: list[tuple[str, Any]]) -> More:
    """Keep files and folders of the host, in a turn for each portion; the paths are absolute."""
    from piety.objects.takingin import TakingIn

    given: dict[str, Any] = {}
    for name, value in facts:
        given.setdefault(name, []).append(value)
    taking = TakingIn(image, given, lambda line: say.err(f"{line}\n"), say.doing("keeping"))
    taking.begin(paths)

    def go_on(_image: Image) -> int | More:
        if taking.go_on():
            return More(go_on)
        counts = {"new": taking.new, "changed": taking.changed, "as they were": taking.same, "gone": taking.gone}
        say.out(", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing to keep")
        say.out("\n")
        return 1 if taking.left else 0

    return More(go_on)


def sync(image: Image, say: Say, paths: list[str]) -> More:
    """Make what was kept from these paths the same as what is there, both ways; what both have changed is left."""
    from piety.objects.syncing import WritingOut
    from piety.objects.takingin import TakingIn

    taking = TakingIn(image, {}, lambda line: say.err(f"{line}\n"))
    taking.begin(paths)

    def go_on(_image: Image) -> int | More:
        if taking.go_on():
            return More(go_on)
        writing = WritingOut(image, lambda line: say.err(f"{line}\n"))
        with image.turn("write out what was changed"):
            for path in paths:
                writing.run(path)
        counts = {"new": taking.new, "changed": taking.changed, "gone": taking.gone, "written out": writing.written}
        if told := ", ".join(f"{count:,} {what}" for what, count in counts.items() if count):
            say.out(f"{told}\n")
        return 1 if taking.left or writing.left else 0

    return More(go_on)


def find(image: Image, say: Say, query: str, as_of: str | None, facets: bool, most: int, as_json: bool) -> int:
    """What fulfils a query: a line each, or its facets."""
    import json

    from piety.objects.finding import find, line_of

    with image.look():
        found = find(query, at=as_of)
        if facets:
            listing = found.facets()
            say.out(f"{json.dumps(listing.as_dict(), indent=2) if as_json else listing!r}\n")
            return 0 if listing.count else 1
        count, rows, notes = found.rows(most, say.doing("reading the log"))
    for note in notes:
        say.err(f"note: {note}\n")
    if as_json:
        say.out(json.dumps({"found": count, "entries": rows}, indent=2) + "\n")
    else:
        for row in rows:
            say.out(f"{line_of(row)}\n")
        if count > len(rows):
            say.out(f"... and {count - len(rows):,} more\n")
    return 0 if count else 1


def show(
    image: Image, say: Say, ref: str, path: str, view: str | None, after: str | None, most: int, width: int
) -> int:
    """An object, and one of its views; `after` is the place from which on the rows of a table are shown."""
    from piety.browser.drawing import drawn, place_of
    from piety.objects.resolving import resolve

    with image.look():
        obj = resolve(image, ref, path)
        say.out(f"{drawn(obj, view, width, most, place_of(after))}\n")
    return 0


def take(image: Image, say: Say, refs: list[list[str]], folder: str, shown: str) -> int:
    """Write objects into a folder of the host, of which `folder` is the absolute path."""
    from piety.objects.resolving import resolve
    from piety.objects.takingin import take_out

    faults: list[str] = []
    with image.look():
        objects = [resolve(image, ref, path) for ref, path in refs]
        written = take_out(objects, folder, faults.append, say.doing("writing"))
    for fault in faults:
        say.err(f"{fault}\n")
    say.out(f"{written:,} file{'s' if written != 1 else ''} written into {shown}\n")
    return 1 if faults else 0


def forget(image: Image, say: Say, refs: list[list[str]]) -> int:
    """Remove entries; of a folder, also those of all that lies in it."""
    from piety.objects.resolving import resolve
    from piety.objects.takingin import forget_all

    with image.turn(f"forget {' '.join(ref for ref, _path in refs)}"):
        count = sum(forget_all(image, resolve(image, ref, path, is_entry=True), ref) for ref, path in refs)
    say.out(f"{count:,} entr{'ies' if count != 1 else 'y'} removed\n")
    return 0


def same(image: Image, say: Say, path: str) -> int:
    """What differs between a folder and what was kept of it; `path` is absolute."""
    from piety.objects.takingin import differences

    count = 0
    with image.look():
        for sign, place in differences(image, path):
            count += 1
            say.out(f"{sign} {place if place.isprintable() else repr(place)}\n")
    return 1 if count else 0


def sizes(image: Image, say: Say, since: str | None, as_json: bool) -> int:
    """Objects and bytes by class; with `since`, what came from then on."""
    from piety.objects.references import sizes

    with image.look():
        found = sizes(since)
        if as_json:
            import json

            say.out(json.dumps(found.rows, indent=2) + "\n")
        else:
            say.out(f"{found!r}\n")
    return 0


VERBS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        evaluate, code_list, code_show, code_import, code_export, info, check, tasks,
        log, snapshot, snapshots, diff, rollback, undo, fork, export, pack, backup,
        keep, sync, find, show, take, forget, same, sizes,
    )
}  # fmt: skip
