"""The source of a module as a text."""

from __future__ import annotations

import pytest

import piety
from tests.conftest import System


def test_a_draft_runs_when_it_is_saved(system: System) -> None:
    """Not before; and over a restart it is still a draft."""
    system.run("image.modules['notes'] = 'n = 1\\n'", "t = image.modules.text('notes')", "t.replace('1', '2')")
    system.resume()
    assert system.run("import notes", "notes.n") == 1
    assert system.show("t") == "<the text of module notes, not saved: 1 lines>"
    assert system.run("t.save(), notes.n, t.is_saved, image.modules['notes']") == (6, 2, True, "n = 2\n")


def test_a_draft_that_fails_stays_and_the_module_goes_on(system: System) -> None:
    """Also one that is no Python."""
    system.run("image.modules['notes'] = 'n = 1\\n'", "import notes", "t = image.modules.text('notes')")
    for source, error in ("n = 2; 1 / 0\n", ZeroDivisionError), ("n = (\n", SyntaxError):
        system.run(f"t.set({source!r})")
        assert isinstance(system.fail("t.save()"), error)
        assert system.run("notes.n, str(t), image.modules['notes']") == (1, source, "n = 1\n")
    system.run("t.reload()")
    assert system.run("str(t), t.is_saved") == ("n = 1\n", True)


def test_the_text_follows_what_is_saved_otherwise(system: System) -> None:
    """With a log of who did it; a failed save leaves the draft alone."""
    system.run("image.modules['notes'] = 'n = 1\\nm = 1\\n'", "t = image.modules.text('notes')", "mark = t.mark(1)")
    system.run("image.modules['notes'] = 'n = 2\\nm = 1\\n'")
    assert system.run("str(t), mark.line, t.history()[0].what") == (
        "n = 2\nm = 1\n", 1, "image.modules['notes'] = 'n = 2\\nm = 1\\n'",
    )  # fmt: skip
    system.fail("image.modules['notes'] = '1 / 0'")
    assert system.run("str(t)") == "n = 2\nm = 1\n"
    system.run("t.undo(); t.save()", "import notes")
    assert system.run("notes.n") == 1


def test_bytes_of_a_source_are_kept(system: System, tmp_path: object) -> None:
    """Also those that are no UTF-8."""
    data = b"# coding: latin-1\r\nname = '\xe9'\r\n"
    system.image.modules.save("notes", data)
    text = system.image.modules.text("notes")
    with system.image.turn("edit"):
        text.insert(0, 0, "#")
        text.undo()
        text.save()
    with system.image.turn("look") as world:
        assert world.modules.table["notes"].source.data == data
    with pytest.raises(piety.PietyError, match="no module 'other'"):
        system.image.modules.text("other")
