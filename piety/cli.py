"""The command line: one command a verb, each a few lines over `Image`.

Exit status: 0 done; 1 what was asked for failed (the source raised, something is broken); 2 it could not be tried
(no home, a home in use, wrong usage), with one line that says what to do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import click

from piety import __version__, boot
from piety.errors import PietyError
from piety.objects.image import Image, Outcome


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
        try:
            return super().invoke(ctx)
        except PietyError as error:
            click.echo(f"piety: {error}", err=True)
            ctx.exit(2)
        except BrokenPipeError:  # the reader of our output went away: nothing to say, nobody to say it to
            sys.stderr.close()
            ctx.exit(1)


_home = click.option(
    "--home", cls=_Option, metavar="PLACE", help="The home to use, instead of PIETY_HOME or the default one."
)


def _with_image(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the open image of the home that was asked for."""

    def run(home: str | None, **arguments: Any) -> None:
        place = home or click.get_current_context().find_root().params.get("home") or None  # `--home ""` names none
        with _open(place) as image:
            command(image, **arguments)

    return _home(update_wrapper(run, command))


def _open(place: str | None) -> Image:
    """The image of a home; the default home is made at its first use, a named one is not."""
    if place is None and not boot.is_home(boot.default_home()):
        click.echo(f"piety: a new home at {boot.default_home()}", err=True)
        return boot.open(create=True)
    return boot.open(place)


@click.group(cls=_Group, invoke_without_command=True)
@click.option("--version", cls=_Option, is_flag=True, help="Print the version and exit.")
@_home
@click.pass_context
def piety(context: click.Context, home: str | None, version: bool) -> None:
    """A live Python system that goes on where it stopped.

    Without a command: resume the home in the shell.
    """
    if version:
        click.echo(f"piety {__version__}")
        context.exit()
    if context.invoked_subcommand is None:
        context.invoke(shell, home=home)


@piety.command()
@_home
def new(home: str | None) -> None:
    """Make a home with a new image; refuses one that is there."""
    place = home or click.get_current_context().find_root().params.get("home") or boot.default_home()
    boot.make(place).close()
    click.echo(f"a new home at {place}")


@piety.command("eval")
@click.argument("source", required=False)
@click.option("-f", "--file", cls=_Option, type=click.File("rb"), help="Read the source from a file.")
@_with_image
def evaluate(image: Image, source: str | None, file: Any) -> None:
    """Evaluate SOURCE as one turn; `-` reads it from the standard input."""
    if (source is None) == (file is None):
        raise click.UsageError("give a SOURCE, or -f FILE, or - for the standard input")
    if file is not None or source == "-":
        source = _decoded((file or sys.stdin.buffer).read())
    outcome = image.evaluate(source or "")
    _print(image, outcome)
    if outcome.error is not None:
        click.get_current_context().exit(1)


def _decoded(data: bytes) -> str:
    """Source text, in UTF-8 or what its first lines declare, as Python reads it."""
    from importlib.util import decode_source

    try:
        return decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise PietyError(f"the source is not text ({error}); save it as UTF-8") from error


def _print(image: Image, outcome: Outcome) -> None:
    click.echo(outcome.output, nl=False)
    for notice in outcome.notices:
        click.echo(f"note: {notice}", err=True)
    if outcome.error is not None:
        click.echo(outcome.traceback, nl=False, err=True)
    elif outcome.value is not None:
        click.echo(image.show(outcome.value))


@piety.command()
@_with_image
def shell(image: Image) -> None:
    """The line shell; from a pipe, each statement is a turn."""
    from piety.browser.shell import run

    click.get_current_context().exit(run(image))


@piety.group()
def code() -> None:
    """Modules in the image."""


@code.command("list")
@_with_image
def code_list(image: Image) -> None:
    """List the modules: name, lines, and the variables that persist."""
    for name in image.modules:
        record = image.world.modules.table[name]
        lines = record.source.data.count(b"\n")
        state = f"  state: {', '.join(record.state)}" if record.state else ""
        click.echo(f"{name:32} {lines:6} lines{state}")


@code.command("show")
@click.argument("name")
@_with_image
def code_show(image: Image, name: str) -> None:
    """Print the source of a module, or of the workspace."""
    click.echo(image.source(name), nl=False)


@code.command("import")
@click.argument("paths", nargs=-1, required=True)
@click.option(
    "--over-host", cls=_Option, is_flag=True, help="Let a module take the place of one that the host can import."
)
@_with_image
def code_import(image: Image, paths: tuple[str, ...], over_host: bool) -> None:
    """Take .py files and package folders into the image, in one turn."""
    try:
        names = image.modules.import_paths(paths, over_host=over_host)
    except SyntaxError as error:
        raise PietyError(f"{error.filename}, line {error.lineno}: {error.msg}; nothing was imported") from error
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    click.echo(f"imported {len(names)} module{'s' if len(names) != 1 else ''}: {shown}")


@code.command("export")
@click.argument("folder")
@_with_image
def code_export(image: Image, folder: str) -> None:
    """Write every module of the image to FOLDER, byte for byte."""
    click.echo(f"{len(image.modules.export(folder))} files in {folder}")


@piety.command()
@click.option("--json", "as_json", cls=_Option, is_flag=True, help="Print JSON.")
@_with_image
def info(image: Image, as_json: bool) -> None:
    """Objects, sizes, versions, the last turn."""
    from piety.objects.describe import describe_image

    facts = describe_image(image)
    if as_json:
        import json

        click.echo(json.dumps(facts, indent=2))
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            click.echo(f"{name.replace('_', ' '):{width}}  {value}")


@piety.command()
@_with_image
def check(image: Image) -> None:
    """Read every object, resolve every class, check every BTree; name what is broken."""
    from piety.objects.check import check_image

    broken = False
    for problem in check_image(image):
        broken = True
        click.echo(problem)
    if broken:
        click.get_current_context().exit(1)
    click.echo("nothing is broken")
