"""The tour: what it tells a person to type gives what it shows, and its place lives on."""

from __future__ import annotations

import doctest
import runpy
from pathlib import Path
from typing import Any

from conftest import System

from piety.scheduler.system import System as RunningSystem

TOUR = Path(__file__).resolve().parents[1] / "image" / "tour.py"
CHAPTERS: tuple[str, ...] = runpy.run_path(str(TOUR))["CHAPTERS"]
STOP = next(number for number, text in enumerate(CHAPTERS) if text.startswith("Time to stop"))


def said(system: System, statement: str) -> str:
    """What the shell says to a statement: what was printed, notes, the end of a traceback or the value."""
    running = system.image.system or RunningSystem(system.image)
    while running.loop.pass_once():  # tasks get their turns before a person has typed the next statement
        pass
    outcome = system.image.evaluate(statement, show=True)
    notes = "".join(f"note: {notice}\n" for notice in outcome.notices)
    if outcome.error is not None:
        return f"Traceback (most recent call last):\n...\n{outcome.traceback.splitlines()[-1]}\n"
    return outcome.output + notes + (f"{system.image.show(outcome.value)}\n" if outcome.value is not None else "")


def examples(chapters: tuple[str, ...]) -> list[Any]:
    """The statements of chapters and what is shown below them."""
    return [example for text in chapters for example in doctest.DocTestParser().get_examples(text)]


def test_every_statement_gives_what_is_shown_below_it(system: System) -> None:
    """Typed in order, with a stop where the tour asks for one."""
    system.run("import tour")
    for chapters in (CHAPTERS[: STOP + 1], CHAPTERS[STOP + 1 :]):
        for example in examples(chapters):
            shown = said(system, example.source)
            assert doctest.OutputChecker().check_output(example.want, shown.expandtabs(), doctest.ELLIPSIS), (
                f"{example.source}{shown}"
            )
        system.resume()
    assert {"total", "shopping", "fido"}.isdisjoint(system.image.names())


def test_the_tour_begins_goes_on_and_goes_back(system: System) -> None:
    """And says so at its end."""
    assert CHAPTERS[0] in said(system, "import tour; tour.start()")
    assert CHAPTERS[1] in said(system, "tour.next()")
    assert CHAPTERS[0] in said(system, "tour.back()")
    assert "first chapter" in said(system, "tour.back()")
    assert CHAPTERS[1] in said(system, "tour.next()")


def test_the_tour_goes_on_where_it_was_left(system: System) -> None:
    """Its place is a variable that lives on."""
    said(system, "import tour; tour.start()")
    for _ in range(STOP):
        said(system, "tour.next()")
    system.resume()
    assert CHAPTERS[STOP + 1] in said(system, "tour.next()")
    said(system, f"tour.place = {len(CHAPTERS) - 1}")
    assert "last chapter" in said(system, "tour.next()")
    assert CHAPTERS[-2] in said(system, "tour.back()")


def test_the_tour_fits_on_a_screen() -> None:
    """No chapter needs scrolling, on a terminal of the usual width."""
    assert all(len(text.splitlines()) <= 40 and max(map(len, text.splitlines())) < 80 for text in CHAPTERS)


def test_every_chapter_but_the_stop_has_something_to_type() -> None:
    """One learns by typing."""
    assert [number for number, text in enumerate(CHAPTERS) if not examples((text,))] == [STOP]
