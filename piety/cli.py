"""The command line: one command a verb.

A command on a running system sends its verb over the socket; on a resting one it opens the image and does it here.  It
is the same function either way (`verbs.py`).

Exit status: 0 done; 1 what was asked for failed (the source raised, something is broken); 2 it could not be tried
(no home, a home in use, wrong usage), with one line that says what to do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import click

from piety import __version__, places, streams
from piety.errors import PietyError, SystemRuns
from piety.home import Home, say, status_of


class _Option(click.Option):
    """An option whose help is one clean line: click would clean it with `inspect`, which takes 5 ms to import."""

    def __init__(self, *names: Any, help: str, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.help = help


def _show_help(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(context.get_help(), color=context.color)
        context.exit()


_HELP = _Option(
    ["-h", "--help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_help, help="Show this and exit."
)  # fmt: skip


class _Command(click.Command):
    def get_help_option(self, ctx: click.Context) -> click.Option:
        return _HELP


class _Group(click.Group):
    command_class = _Command
    group_class = type  # a group within this one is of the same class

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return _HELP

    def invoke(self, ctx: click.Context) -> Any:
        """A person's mistake is one line, not a traceback."""
        ctx.exit(status_of(lambda: super(_Group, self).invoke(ctx) or 0))


_home = click.option(
    "--home", cls=_Option, metavar="PLACE", help="The home to use, instead of PIETY_HOME or the default one."
)


def _with_home(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the home that was asked for."""

    def run(home: str | None, **arguments: Any) -> int | None:
        return command(Home(home or click.get_current_context().find_root().params.get("home")), **arguments)

    return _home(update_wrapper(run, command))


@click.group(cls=_Group, invoke_without_command=True)
@click.option("--version", cls=_Option, is_flag=True, help="Print the version and exit.")
@click.option("--safe", cls=_Option, is_flag=True, help="Start with all tasks suspended, and call no hooks.")
@_home
@click.pass_context
def piety(context: click.Context, home: str | None, version: bool, safe: bool) -> int:
    """A live Python system that goes on where it stopped.

    Without a command: start the system if it rests, and attach this terminal to it.
    """
    if version:
        click.echo(f"piety {__version__}")
        context.exit()
    if safe and context.invoked_subcommand not in (None, "start", "run", "shell"):
        raise PietyError("--safe is how a system comes up: piety --safe, piety start --safe or piety run --safe")
    return _shell(Home(home)) if context.invoked_subcommand is None else 0


@piety.command()
@_home
def new(home: str | None) -> None:
    """Make a home with a new image; refuses one that is there."""
    from piety import boot

    place = places.absolute(home or click.get_current_context().find_root().params.get("home") or None)
    boot.make(place).close()
    click.echo(f"a new home at {place}")


# -- the system


@piety.command()
@click.option("--safe", cls=_Option, is_flag=True, help="Start with all tasks suspended, and call no hooks.")
@_with_home
def start(home: Home, safe: bool) -> None:
    """Start the system in a process of its own."""
    if home.running() is not None:
        raise SystemRuns(home.place)
    pid = home.start(safe=safe or _is_safe())
    click.echo(f"the system of {home.place} runs (process {pid})")


@piety.command()
@click.option("--now", cls=_Option, is_flag=True, help="Kill it, whatever it does; only the turn that runs is lost.")
@_with_home
def stop(home: Home, now: bool) -> None:
    """Let the system finish the turn that runs, and stop it."""
    from piety import daemon

    click.echo("stopped" if daemon.stop(home.place, now=now) else "no system runs")


@piety.command()
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_home
def status(home: Home, as_json: bool) -> int:
    """Tell whether the system runs, and what it does (exit status 1 if it rests)."""
    from piety import daemon

    found = daemon.status(home.place)
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(_told(home, found))
    return 0 if found is not None else 1


def _told(home: Home, status: dict[str, Any] | None) -> str:
    """A status as a person reads it."""
    if status is None:
        return "no system runs"
    from datetime import datetime

    since = datetime.fromtimestamp(status["started"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"the system runs since {since} (process {status['pid']})"]
    if status["running"] is not None:
        lines.append(f"a turn runs for {status['running_seconds']:.1f} s: {status['running']}")
    if status["hog"] is not None:
        lines.append(
            f"the last hog: {status['hog']['turn']}, {status['hog']['seconds']:.1f} s\n{status['hog']['stack']}"
        )
    if failed := status.get("failed"):
        lines.append(f"{failed} task{'s' if failed > 1 else ''} failed: {home.command('tasks')}")
    lines.append(f"terminals: {', '.join(status['terminals']) or 'none'}")
    return "\n".join([*lines, *(f"note: {notice}" for notice in status["notices"])])


@piety.command("run")
@click.option("--until-idle", cls=_Option, is_flag=True, help="End when nothing is ready or due.")
@click.option("--safe", cls=_Option, is_flag=True, help="Start with all tasks suspended, and call no hooks.")
@click.option("--ready", cls=_Option, type=int, hidden=True, help="A file to tell when it runs.")
@_with_home
def run_here(home: Home, until_idle: bool, safe: bool, ready: int | None) -> int:
    """Run the system in the foreground."""
    from piety import daemon

    home.make_at_first_use()
    return daemon.run(home.place, until_idle=until_idle, safe=safe or _is_safe(), ready=ready, tell=streams.tell)


@piety.command()
@click.option("--session", cls=_Option, metavar="NAME", help="Go on with a session, instead of the first free one.")
@_with_home
def attach(home: Home, session: str | None) -> int:
    """Make this terminal a front of the running system."""
    if session is not None and not (session.strip() and session.isprintable()):
        raise PietyError(f"{session!r} is no name of a session; give it one that can be read, or none")
    if not (os.isatty(0) and os.isatty(1)):
        raise PietyError("attach needs a terminal; from a pipe: piety shell")
    if home.running() is None:
        raise PietyError(f"no system runs in {home.place}; start it with: {home.command()}")
    return _attach(home, session)


@piety.command()
@click.argument("ref", required=False)
@click.option("--name", cls=_Option, default="desk", metavar="NAME", help="The desk, if there are several.")
@_with_home
def desk(home: Home, ref: str | None, name: str) -> int:
    """Make this terminal a desktop: objects side by side, from REF on, or where it was left."""
    if not (os.isatty(0) and os.isatty(1)):
        raise PietyError("desk needs a terminal; from a pipe: piety show")
    home.make_at_first_use()
    if home.running() is None:
        home.start_if_it_rests(safe=_is_safe())
    return _attach(home, None, _as_text(name), ref and _as_text(ref))


@piety.command()
@_with_home
def interrupt(home: Home) -> None:
    """Stop the turn that is running now."""
    from piety import daemon

    label = daemon.interrupt(home.place)
    click.echo("no turn runs" if label is None else f"interrupted: {label}")


@piety.command()
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@click.option("--watch", cls=_Option, is_flag=True, help="Show them again each second, until Ctrl-C.")
@_with_home
def tasks(home: Home, as_json: bool, watch: bool) -> int:
    """Show the tasks: number, name, state, what they wait for, turns, time, failures, next due."""
    return _watch(home) if watch else home.perform("tasks", as_json=as_json)


def _watch(home: Home) -> int:
    import time

    from piety.browser import remote

    try:
        while (connection := home.running()) is not None:
            click.clear()
            click.echo("Each second; to leave: Ctrl-C\n")
            remote.perform(connection, "tasks", as_json=False)
            time.sleep(1)
        raise PietyError(f"no system runs in {home.place}; what rests does not change: {home.command('tasks')}")
    except KeyboardInterrupt:
        click.echo()
        return 0


# -- the shell


@piety.command("eval")
@click.argument("source", required=False)
@click.option("-f", "--file", cls=_Option, type=click.File("rb"), help="Read the source from a file.")
@_with_home
def evaluate(home: Home, source: str | None, file: Any) -> int:
    """Evaluate SOURCE as one turn; `-` reads it from the standard input."""
    if (source is None) == (file is None):
        raise click.UsageError("give a SOURCE, or -f FILE, or - for the standard input")
    if file is not None or source == "-":
        source = _decoded((file or sys.stdin.buffer).read())
    return home.perform("evaluate", source=_as_text(source or ""))


def _as_text(argument: str) -> str:
    """An argument as it is.  Raises `PietyError` if its bytes were no text: Python keeps those as half characters."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return _decoded(argument.encode("utf-8", "surrogateescape"))
    return argument


def _decoded(data: bytes) -> str:
    """Source text, in UTF-8 or what its first lines declare, as Python reads it."""
    from importlib.util import decode_source

    try:
        # From Python 3.14 on a NUL is refused there; here it is to fail as other mistakes in a source do.
        return data.decode() if b"\0" in data else decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise PietyError(f"the source is not text: {_what_is_wrong(data) or error}; save it as UTF-8") from error


def _what_is_wrong(data: bytes) -> str | None:
    """What is no UTF-8 in a source, if anything is."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"line {line} has the byte 0x{data[error.start]:02x}, which is no UTF-8"
    return None


@piety.command()
@_with_home
def shell(home: Home) -> int:
    """The line shell; from a pipe, each statement is a turn."""
    return _shell(home)


def _is_safe() -> bool:
    """Whether `piety --safe` was said."""
    return bool(click.get_current_context().find_root().params.get("safe"))


def _shell(home: Home) -> int:
    if _is_safe() and home.running() is not None:
        raise PietyError(
            f"the system of {home.place} runs already, with its tasks; to stop it: {home.command('stop --now')}"
        )
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        if home.running() is None:
            home.start_if_it_rests(safe=_is_safe())
        return _attach(home, None)
    return _read_statements(home)


def _read_statements(home: Home) -> int:
    """The shell from a pipe; its exit status."""
    from piety.browser.shell import enter, read
    from piety.browser.wire import Wire

    there = home.reach()
    if isinstance(there, Wire):
        there.close()
        return read(lambda source: _enter_there(home, source))
    with there as image:
        return read(lambda source: enter(image, say(), source))


def _enter_there(home: Home, source: str) -> int:
    from piety.browser import remote

    connection = home.running()
    if connection is None:
        raise remote.Stopped("the system stopped; what it reported done is done")
    return remote.perform(connection, "enter", source=source)


def _attach(home: Home, session: str | None, desk: str | None = None, ref: str | None = None) -> int:
    from piety.browser import attach, wire

    try:
        status = attach.attach(home.place, session, desk, ref)
    except wire.Gone:
        raise PietyError(
            f"the system of {home.place} stopped in this moment; start it with: {home.command()}"
        ) from None
    return status


@piety.command()
@click.argument("name", metavar="NAME|FILE")
@click.option("-s", "--silent", cls=_Option, is_flag=True, help="Do not tell how many bytes are read and written.")
@_with_home
def ed(home: Home, name: str, silent: bool) -> int:
    """Edit a text of the image, or a file, with the line editor; also from a pipe."""
    from piety.browser.editing import Typed, edit
    from piety.browser.wire import Wire

    if sys.stdout is not None and not sys.stdout.isatty():  # bytes that are no characters are passed on
        sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    there = home.reach()
    if isinstance(there, Wire):
        from piety.browser import remote

        return remote.perform(there, "ed", Typed(), name=_as_text(name), folder=os.getcwd(), is_silent=silent)
    with there as image:
        return edit(image, say(), _as_text(name), os.getcwd(), silent)


# -- modules


@piety.group()
def code() -> None:
    """Modules in the image."""


@code.command("list")
@_with_home
def code_list(home: Home) -> int:
    """List the modules: name, lines, and the variables that persist."""
    return home.perform("code_list")


@code.command("show")
@click.argument("name")
@_with_home
def code_show(home: Home, name: str) -> int:
    """Print the source of a module, or of the workspace."""
    return home.perform("code_show", name=name)


@code.command("import")
@click.argument("paths", nargs=-1, required=True)
@click.option(
    "--over-host", cls=_Option, is_flag=True, help="Let a module take the place of one that the host can import."
)
@_with_home
def code_import(home: Home, paths: tuple[str, ...], over_host: bool) -> int:
    """Take .py files and package folders into the image, in one turn."""
    return home.perform("code_import", paths=list(map(os.path.abspath, paths)), over_host=over_host)


@code.command("export")
@click.argument("folder")
@_with_home
def code_export(home: Home, folder: str) -> int:
    """Write every module of the image to FOLDER, byte for byte."""
    return home.perform("code_export", folder=os.path.abspath(folder), shown=folder)


# -- asking an image how it is


@piety.command()
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_home
def info(home: Home, as_json: bool) -> int:
    """Objects, sizes, versions, the last turn."""
    return home.perform("info", as_json=as_json)


@piety.command()
@_with_home
def check(home: Home) -> int:
    """Read every object, resolve every class, check every BTree; name what is broken."""
    return home.perform("check")


# -- finding


def _fact(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Facts as they are written: name=value."""
    found = []
    for text in texts:
        name, equals, value = _as_text(text).partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"{text!r} is no fact; write name=value")
        found.append((name, _value(value)))
    return found


def _value(text: str) -> Any:
    """A number, if it is written as one; else the text."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if value == value and "_" not in text:
            return value
    return text


def _places(refs: tuple[str, ...]) -> list[list[str]]:
    """References, each with what it is as a path from here."""
    return [[_as_text(ref), os.path.abspath(ref)] for ref in refs]


@piety.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--fact", "facts", cls=_Option, multiple=True, callback=_fact, metavar="NAME=VALUE", help="A fact of each."
)
@click.option("--tag", "tags", cls=_Option, multiple=True, metavar="TAG", help="A tag of each.")
@click.option("--watch", cls=_Option, is_flag=True, help="Then keep both the same, until Ctrl-C.")
@_with_home
def keep(home: Home, paths: tuple[str, ...], facts: list[tuple[str, Any]], tags: tuple[str, ...], watch: bool) -> int:
    """Make objects of files and folders, to be found by what they are."""
    facts = [*facts, *(("tag", _as_text(tag)) for tag in tags)]
    places = list(map(os.path.abspath, paths))
    if not watch:
        return home.perform("keep", paths=places, facts=facts)
    from piety.hostwatch import Watching

    with Watching(home, places) as watching:  # from the first on, so that nothing is missed
        home.perform("keep", paths=places, facts=facts)
        return watching.run()


class _Find(_Command):
    """`find` has no short options: `-tag:done` is a part of its query."""

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return _Option(
            ["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_help, help="Show this and exit."
        )


@piety.command(cls=_Find, context_settings={"ignore_unknown_options": True})
@click.argument("query", nargs=-1, type=click.UNPROCESSED, metavar="QUERY...")
@click.option("--as-of", "as_of", cls=_Option, metavar="T", help="As of a snapshot or a time.")
@click.option("--facets", cls=_Option, is_flag=True, help="The facts of what is found, to narrow it by.")
@click.option("--most", cls=_Option, type=int, default=50, metavar="N", help="So many at most (50); 0 for all.")
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_home
def find(home: Home, query: tuple[str, ...], as_of: str | None, facets: bool, most: int, as_json: bool) -> int:
    """Find what was kept (exit status 1 if nothing is): kind:note tag:draft '"some words"' 'size>99' -tag:done"""
    words, when = _as_text(" ".join(query)), as_of and _as_text(as_of)
    return home.perform("find", query=words, as_of=when, facets=facets, most=most, as_json=as_json)


@piety.command()
@click.argument("ref")
@click.option("--view", cls=_Option, metavar="TITLE", help="This view of it, instead of the first.")
@click.option("--after", cls=_Option, metavar="PLACE", help="The rows of a table from there on.")
@click.option("--most", cls=_Option, type=int, default=50, metavar="N", help="So many lines at most (50); 0 for all.")
@_with_home
def show(home: Home, ref: str, view: str | None, after: str | None, most: int) -> int:
    """Show an object: 0x1f, a variable, world.notes, or the path of a file that was kept."""
    from shutil import get_terminal_size

    width = get_terminal_size((100, 24)).columns
    asked = {"view": view and _as_text(view), "after": after and _as_text(after), "most": most, "width": width}
    return home.perform("show", ref=_as_text(ref), path=os.path.abspath(ref), **asked)


@piety.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@click.option("--to", "folder", cls=_Option, required=True, metavar="FOLDER", help="Where to write them.")
@_with_home
def take(home: Home, refs: tuple[str, ...], folder: str) -> int:
    """Write objects to the host again, byte for byte, with their names and times."""
    return home.perform("take", refs=_places(refs), folder=os.path.abspath(folder), shown=folder)


@piety.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@_with_home
def forget(home: Home, refs: tuple[str, ...]) -> int:
    """Remove entries; `piety undo` brings them back."""
    return home.perform("forget", refs=_places(refs))


@piety.command()
@click.argument("path", metavar="FOLDER")
@_with_home
def same(home: Home, path: str) -> int:
    """Tell what differs between a folder and what was kept of it (exit status 1 if anything does).

    "+" was not kept, "-" is gone, "!" is another, "~" has another mode or time.
    """
    return home.perform("same", path=os.path.abspath(path))


@piety.command()
@click.option("--since", cls=_Option, metavar="T", help="What came and went since a snapshot or a time.")
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_home
def sizes(home: Home, since: str | None, as_json: bool) -> int:
    """Show objects and bytes by class."""
    return home.perform("sizes", since=since and _as_text(since), as_json=as_json)


# -- history


@piety.command()
@click.option("-n", "most", cls=_Option, type=int, default=20, metavar="N", help="So many turns (20).")
@click.option("--object", "ref", cls=_Option, metavar="REF", help="Those that have changed this: 0x1f, x, world.notes.")
@click.option("--who", cls=_Option, metavar="W", help="Those of this person or task.")
@click.option("--since", cls=_Option, metavar="T", help="Those since a time, or since a snapshot.")
@click.option(
    "--all", "all_turns", cls=_Option, is_flag=True, help="Also those of the system, and of the shell's history."
)
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_home
def log(
    home: Home, most: int, ref: str | None, who: str | None, since: str | None, all_turns: bool, as_json: bool
) -> int:
    """Show the turns, the newest first: when, who, what, objects changed."""
    return home.perform("log", most=most, ref=ref, who=who, since=since, all=all_turns, as_json=as_json)


@piety.command()
@click.argument("name")
@click.option("-m", "note", cls=_Option, default="", metavar="NOTE", help="What to know about it.")
@click.option("--delete", cls=_Option, is_flag=True, help="Delete the snapshot of this name.")
@_with_home
def snapshot(home: Home, name: str, note: str, delete: bool) -> int:
    """Name this moment."""
    return home.perform("snapshot", name=_as_text(name), note=_as_text(note), delete=delete)


@piety.command()
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_home
def snapshots(home: Home, as_json: bool) -> int:
    """Show the snapshots."""
    return home.perform("snapshots", as_json=as_json)


@piety.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="[B]", required=False)
@click.option(
    "--all", "all_things", cls=_Option, is_flag=True, help="Also large values to their end, and what is Piety's own."
)
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_home
def diff(home: Home, one: str, other: str | None, all_things: bool, as_json: bool) -> int:
    """Show what is different between two moments: snapshots, times or turns; B is now."""
    return home.perform("diff", one=_as_text(one), other=other and _as_text(other), all=all_things, as_json=as_json)


@piety.command()
@click.argument("when", metavar="NAME|TIME|TURN")
@click.argument("place", metavar="NEWHOME")
@_with_home
def fork(home: Home, when: str, place: str) -> int:
    """Make a home of its own, as this one was at a moment."""
    return home.perform("fork", when=_as_text(when), place=places.absolute(place))


@piety.command()
@click.argument("words", nargs=-1, metavar="[NAME|TIME|TURN] FILE")
@_with_home
def export(home: Home, words: tuple[str, ...]) -> int:
    """Write a moment, or now, into a file that `piety import` makes a home of."""
    if not 1 <= len(words) <= 2:
        raise click.UsageError("say the file, and before it the moment if it is not now")
    when, path = _as_text(words[0]) if len(words) == 2 else None, _as_text(words[-1])
    return home.perform("export", when=when, path=os.path.abspath(path), shown=path)


@piety.command("import")
@click.argument("path", metavar="FILE|FOLDER")
@_home
def import_(path: str, home: str | None) -> None:
    """Make a home of a file that `piety export` wrote, or of a backup."""
    from piety import transport

    transport.take_in(path, places.absolute(home or click.get_current_context().find_root().params.get("home") or None))


@piety.command()
@click.option("--keep", cls=_Option, default="30 days", metavar="DURATION", help="Keep what was since then (30 days).")
@_with_home
def pack(home: Home, keep: str) -> int:
    """Let go of the past that is older; snapshots of it are written to files first."""
    return home.perform("pack", keep=_as_text(keep))


@piety.command()
@click.argument("folder")
@_with_home
def backup(home: Home, folder: str) -> int:
    """Bring a backup in a folder up to date; `piety import` makes a home of it."""
    return home.perform("backup", folder=os.path.abspath(_as_text(folder)))


@piety.command()
@click.argument("when", metavar="NAME|TIME|TURN")
@click.option("--dry-run", cls=_Option, is_flag=True, help="Only say what would change.")
@_with_home
def rollback(home: Home, when: str, dry_run: bool) -> int:
    """Give the whole system the state of a snapshot or a time."""
    return home.perform("rollback", when=_as_text(when), dry_run=dry_run)


@piety.command()
@click.argument("turn", required=False)
@click.option("--dry-run", cls=_Option, is_flag=True, help="Only say what would change.")
@_with_home
def undo(home: Home, turn: str | None, dry_run: bool) -> int:
    """Take back the last turn that changed something, or the one of this time, as the log shows it."""
    return home.perform("undo", turn=turn and _as_text(turn), dry_run=dry_run)
