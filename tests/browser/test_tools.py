"""What a person works with at a desktop: code, tasks, failures, the past, what was kept; all as objects with views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from desktops import (
    BACKSPACE,
    CTRL_END,
    DOWN,
    END,
    ENTER,
    F1,
    F3,
    F5,
    F6,
    F7,
    F8,
    F9,
    F10,
    F12,
    HOME,
    LEFT,
    TAB,
    UP,
    Desk,
    ctrl,
)  # fmt: skip
from served import Served

import piety

ALT_LEFT = "\x1b[1;3D"

PLANTS = """\
class Plant:
    '''It grows.'''

    def __init__(self, name):
        self.name, self.height = name, 0

    def grow(self):
        '''One step.'''
        self.height += 1
        return self.height


def water(plants):
    for plant in plants:
        plant.grow()
"""


@pytest.fixture
def plants(running: Served, tmp_path: Path) -> Served:
    (tmp_path / "plants.py").write_text(PLANTS)
    done = running.piety("code", "import", str(tmp_path / "plants.py"))
    assert done.returncode == 0, done.stderr
    running.evaluate("import plants; basil = plants.Plant('basil')")
    return running


# -- code


def test_a_definition_is_edited_and_live_objects_follow(desks: Callable[..., Desk], plants: Served) -> None:
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(F3)
    desk.sees("plants ", "workspace ")
    desk.types(ctrl("g"), "Plant.grow", ENTER)
    desk.sees("│    def grow(self):", "Used by", "Versions")
    desk.types(DOWN, DOWN, END, "0")
    desk.sees("self.height += 10")
    assert plants.evaluate("basil.grow()") == "1\n"  # not saved yet
    desk.types(ctrl("s"))
    desk.sees("Plant.grow is saved, and runs")
    assert plants.evaluate("basil.grow()") == "11\n"
    desk.types(ctrl("n") * 5)
    desk.sees("import plants.py", "save ")
    desk.types(ENTER)
    desk.sees("-        self.height += 1 ", "+        self.height += 10")


def test_an_error_is_shown_at_its_line_and_the_text_stays(desks: Callable[..., Desk], plants: Served) -> None:
    """Also over a pulled plug; nothing of it runs."""
    desk = desks("code('plants', 'Plant.grow')")
    desk.sees("│    def grow(self):")
    desk.types(DOWN, DOWN, DOWN, END, " +", ctrl("s"))
    desk.sees("SyntaxError", "return self.height +")
    assert plants.evaluate("basil.grow()") == "1\n"
    plants.kill()
    plants.start()
    again = desks("code('plants', 'Plant.grow')")
    again.sees("return self.height +")
    again.types(CTRL_END, UP, END, " 1", ctrl("s"))
    again.sees("is saved, and runs")
    assert plants.evaluate("basil.grow()") == "3\n"


def test_the_cursor_goes_where_the_error_is(desks: Callable[..., Desk], plants: Served) -> None:
    desk = desks("code('plants')")
    desk.sees("Plant ")
    desk.types(TAB)
    desk.sees("class Plant:")
    desk.types(DOWN, DOWN, DOWN, DOWN, END, "\nnonsense(", HOME, BACKSPACE, "\n", CTRL_END, ctrl("s"))
    desk.sees("SyntaxError")
    desk.types("!")
    desk.until(lambda text: any("!" in line and ("nonsense" in line or "self.name" in line) for line in text.split("\n")))


def test_a_definition_is_not_saved_under_an_unsaved_module(desks: Callable[..., Desk], plants: Served) -> None:
    """What was written in the text of the whole module would be lost with it."""
    plants.evaluate("image.modules.text('plants').write('# not saved\\n')")
    desk = desks("code('plants', 'Plant.grow')")
    desk.sees("def grow")
    desk.types(END, "  # one", ctrl("s"))
    desk.sees("the text of module plants is edited and not saved")
    assert "# not saved" in plants.evaluate("str(image.modules.text('plants'))")
    assert "# one" not in plants.piety("code", "show", "plants").stdout


def test_a_failure_deep_in_a_long_module_is_shown_at_its_line(
    desks: Callable[..., Desk], running: Served, tmp_path: Path
) -> None:
    lines = [f"x{n} = {n}" for n in range(3_000)]
    (tmp_path / "long.py").write_text("\n".join(["def deep():", *(f"    {line}" for line in lines), "    1 / 0", ""]))
    assert running.piety("code", "import", str(tmp_path / "long.py")).returncode == 0
    running.evaluate("import long; t = spawn(message, lambda m: long.deep(), name='deep'); send(t, 1)")
    desk = desks("failures()")
    desk.sees("ZeroDivisionError")
    desk.types(ENTER)
    desk.sees("deep ", "1 / 0")
    desk.types(ENTER)
    desk.sees("    x2999 = 2999", "    1 / 0")


def test_a_definition_of_the_workspace_is_edited(desks: Callable[..., Desk], running: Served) -> None:
    """The views of what is on the screen follow."""
    desk = desks("lisp")
    desk.sees("│'l'")
    other = desks("code('', 'Note.letters')", name="other")
    other.sees("def letters(self)")
    other.types(CTRL_END, UP, END, BACKSPACE * 2, " + ('&',)]", ctrl("f"), "each,", ENTER)
    other.types(ctrl("s"))
    other.sees("SyntaxError")
    other.types(ctrl("a"), "    @view('Letters', priority=10)", ENTER, "def letters(self): return Table(['letter'], list('XYZ'))")
    other.types(ctrl("s"))
    other.sees("is saved, and runs")
    desk.sees("'X'", "'Y'", "'Z'")


def test_who_uses_a_name_and_who_defines_it(desks: Callable[..., Desk], plants: Served) -> None:
    desk = desks("code('plants', 'Plant.grow')")
    desk.sees("def grow")
    desk.types(ctrl("n") * 3)
    desk.sees("plants: water")
    desk.types(ENTER)
    desk.sees("for plant in plants:")
    desk.types(ALT_LEFT, TAB)
    desk.sees("Plant.grow  method")
    desk.types(ctrl("g"), "Plant", ENTER)
    desk.sees("class Plant:")
    desk.types(ctrl("n"), ctrl("n"))
    desk.sees("It grows.")


# -- tasks and failures


def test_a_task_is_seen_and_handled(desks: Callable[..., Desk], running: Served) -> None:
    running.evaluate("def tick(): print('tick')\nclock_task = spawn(every(3600), tick, name='clock')")
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(F6)
    desk.sees("clock", "waiting", "every(3600")
    desk.types("a")
    desk.sees("[Suspend]", "[Cancel]")
    desk.types(ENTER)
    desk.sees("suspended", "[Resume]")
    desk.types(ENTER)
    desk.sees("waiting", "[Suspend]")
    desk.types(TAB * 20)
    desk.types(LEFT, ENTER)
    desk.settles()  # else what was seen on the way would be taken for it
    desk.sees("waits for")
    desk.types(TAB)
    desk.sees("def tick(): print('tick')")
    running.evaluate("clock_task.cancel()")
    desk.types(ALT_LEFT)
    desk.sees("nothing")


def test_what_a_task_prints_is_seen(desks: Callable[..., Desk], running: Served) -> None:
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(F5)
    desk.sees("transcript()")
    running.evaluate("t = spawn(message, print, name='echo', out='transcript'); send(t, 'hello there')")
    desk.sees("hello there")


def test_a_failure_is_mended_and_tried_again(desks: Callable[..., Desk], running: Served) -> None:
    """From the list of them to the line where it went wrong, with what the names stood for."""
    running.evaluate("def halve(n):\n    part = n // 0\n    return part\ndef work(n):\n    done.append(halve(n))\ndone = []")
    running.evaluate("t = spawn(message, work, name='halver'); send(t, 42)")
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(F7)
    desk.sees("halver", "ZeroDivisionError")
    desk.types(ENTER)
    desk.sees("halve ", "part = n // 0")
    desk.types(ENTER)
    desk.sees("│    part = n // 0")
    desk.types(ctrl("n"))
    desk.sees("n  42")
    desk.types(ctrl("b"))
    desk.sees("│    part = n // 0")
    desk.types(END, BACKSPACE, "2", ctrl("s"))
    desk.sees("halve is saved, and runs")
    desk.types(ALT_LEFT, TAB)
    desk.sees("[Retry]")
    desk.types(ENTER)
    desk.sees("nothing")
    assert running.evaluate("done") == "[21]\n"


# -- the past


def test_everything_is_rolled_back_from_the_history(desks: Callable[..., Desk], running: Served) -> None:
    """And forward again; a snapshot says first what it would change."""
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(ctrl("g"), "Take a snapshot", ENTER)
    desk.sees("name of the snapshot")
    desk.types("before", ENTER)
    desk.until(lambda text: "before" in running.evaluate("snapshots"))
    running.evaluate("garden.clear()")
    running.evaluate("lisp.title = 'wrecked'")
    desk.sees("nothing")
    desk.types(F8)
    desk.sees("lisp.title = 'wrecked'", "garden.clear()")
    desk.types(TAB)
    desk.sees("before ")
    desk.types(ENTER, TAB)
    desk.sees("'lisp' -> 'wrecked'")
    desk.types(ctrl("n"))
    desk.sees("lisp")
    desk.types(ctrl("n"))
    desk.sees("[Roll everything back to here]")
    desk.types(ENTER)
    desk.sees("roll back to 'before'", "? y or n:")
    desk.types("y", ENTER)
    desk.sees("done: roll back")
    assert running.evaluate("(lisp.title, sorted(garden))") == "('lisp', ['note', 'sunny'])\n"
    desk.types(LEFT, "\x1b[Z")
    desk.sees("roll back to 'before'", "lisp.title = 'wrecked'")
    desk.types(DOWN, "a")
    desk.sees("[Undo this turn]")
    desk.types(DOWN, ENTER)
    desk.sees("? y or n:")
    desk.types("yes", ENTER)
    desk.sees("done: roll back")
    assert running.evaluate("lisp.title") == "'wrecked'\n"


def test_one_object_goes_through_time(desks: Callable[..., Desk], running: Served) -> None:
    """Earlier and later; what is different; and brought back."""
    for title in ("one", "two", "three"):
        running.evaluate(f"lisp.title = {title!r}")
    desk = desks("lisp")
    desk.types(TAB, TAB, TAB)
    desk.sees("title    'three'")
    desk.types("<")
    desk.sees("title    'two'")
    desk.types("<")
    desk.sees("title    'one'")
    desk.types(">")
    desk.sees("title    'two'")
    desk.types("=")
    desk.sees("'two' -> 'three'")
    desk.types(ALT_LEFT, "R")
    desk.sees("bring this state back?")
    desk.types("y", ENTER)
    desk.until(lambda text: running.evaluate("lisp.title") == "'two'\n")
    desk.sees("title    'two'")
    desk.types(">")
    desk.sees("this is how it is now")
    desk.types("<" * 20)
    desk.sees("this is the oldest that is known")


def test_a_fork_is_made(desks: Callable[..., Desk], running: Served, tmp_path: Path) -> None:
    running.evaluate("lisp.title = 'later'")
    desk = desks("turns()")
    desk.sees("lisp.title = 'later'")
    desk.types(DOWN, ctrl("g"), "Fork", ENTER, str(tmp_path / "fork"), ENTER)
    desk.sees("a new home at")
    with piety.open(tmp_path / "fork") as image:
        assert image.evaluate("lisp.title").value == "lisp"
    desk.types(ctrl("g"), "Fork", ENTER, str(tmp_path / "fork"), ENTER)
    desk.sees("there is a home at")


# -- finding


def test_what_was_kept_is_found_and_narrowed(desks: Callable[..., Desk], running: Served) -> None:
    running.evaluate("keep(lisp, project='lisp', author='eve'); keep(dear, project='letters', author='eve')")
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(F9, "author:eve", ENTER)
    desk.sees("<Note 'lisp'>", "<Note 'dear'>")
    desk.types(TAB)
    desk.sees("fact  ", "project", "letters", "lisp")
    desk.types(ctrl("w"), TAB)
    row = next(n for n, line in enumerate(desk.text.splitlines()) if "letters" in line and "project" in line[:9]) - 4
    desk.types(DOWN * row, ENTER)
    desk.sees("<Note 'dear'>")
    assert desk.text.splitlines()[4].count("<Note") == 1
    desk.types(F9, "author:", ENTER)
    desk.sees("the query ends too early")


# -- anything


def test_anything_is_searched(desks: Callable[..., Desk], plants: Served) -> None:
    """Commands, objects, code, texts, tasks, snapshots; and what a class finds itself."""
    plants.evaluate("texts.new('basil recipe'); snapshot('basil time'); spawn(message, print, name='basil task')")
    plants.evaluate(
        "class Shelf:\n"
        "    @search('On the shelf')\n"
        "    def on_it(self, words): return [each for each in ('basil pot', 'rake') if words in each]\n"
        "    @search('Endless')\n"
        "    def endless(self, words):\n"
        "        while True: pass\n"
        "    @search('Bad')\n"
        "    def bad(self, words): return 1 / 0\n"
        "shelf = Shelf()"
    )
    desk = desks("shelf")
    desk.sees("Shelf")
    desk.types(ctrl("g"), "basil")
    desk.sees(
        "'basil pot'", "object     basil",
        "text       basil recipe", "task       basil task", "snapshot   basil time", "takes more than 0.3 s", "fails",
    )  # fmt: skip
    desk.types(DOWN * 3)
    desk.types("\x1b")
    desk.sees_no_more("snapshot   basil time")
    desk.types(ctrl("g"), "water", ENTER)
    desk.sees("for plant in plants:")


def test_commands_are_objects(desks: Callable[..., Desk], running: Served) -> None:
    """They are listed, with their source; keys are changed live, and there are commands of one's own."""
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(F10)
    desk.sees("Back ", "rows:left rows:backspace alt+left ")
    desk.types(ctrl("w"), "c")
    desk.sees_no_more("rows:left rows:backspace")
    desk.types(F1, ctrl("w"), "z")
    desk.sees("ctrl+w.z: Zoom", "does  Give this pane the whole")
    desk.types(TAB)
    desk.sees("def zoom(desk")
    running.evaluate("commands['Zoom'].keys = 'ctrl+w.y'")
    running.evaluate(
        "@command('Shout', key='!')\n"
        "def shout(obj):\n"
        "    'Say it loud.'\n"
        "    obj['loud'] = 'HEY'\n"
        "    return 'said'"
    )
    desk.types(ALT_LEFT)
    desk.sees_no_more("def zoom")
    desk.types(F1, "!")
    while "Say it loud." not in desk.until(lambda text: "Say it loud." in text or "the key of no command" in text):
        desk.types(F12)  # a desktop learns of a command a moment later
        desk.sees_no_more("the key of no command")
        desk.types(F1, "!")
    desk.sees("Shout", "Say it loud.")
    desk.types(LEFT, "!")
    desk.sees("said", "'loud'")
    desk.types(ctrl("w"), "v")
    desk.sees("╭", "┏")
    desk.types(ctrl("w"), "z")  # which was the key before
    desk.settles()
    assert "╭" in desk.text
    desk.types(ctrl("w"), "y")
    desk.sees_no_more("╭")
    assert running.evaluate("commands['Zoom']") == "<command 'Zoom': ctrl+w.y>\n"
    assert "there is a command 'Zoom' already" in running.piety("eval", "command('Zoom')(print)").stderr
    running.evaluate("del commands['Shout']; del commands['Zoom']")
    assert running.evaluate("commands['Zoom'].keys") == "'ctrl+w.z'\n"


def test_an_object_is_named_and_its_reference_copied(desks: Callable[..., Desk], running: Served) -> None:
    desk = desks("garden")
    desk.sees("'note'")
    desk.types(DOWN, ENTER)
    desk.sees("'l'")
    desk.types("c")
    desk.sees("copied: 0x")
    desk.types("n", "my note", ENTER)
    desk.sees("'my note' is no name")
    desk.types("n", "mine", ENTER)
    desk.until(lambda text: running.evaluate("'mine' in globals()") == "True\n")
    assert running.evaluate("mine is lisp") == "True\n"
    desk.types("p")
    desk.sees("variable ")


def test_the_plain_shell_can_do_it_too(plants: Served) -> None:
    """For screen readers, and when all else fails."""
    plants.evaluate("def bad(n): return n / 0\nt = spawn(message, bad, name='bad'); send(t, 1); keep(basil, bed='sunny')")
    plants.evaluate("snapshot('now')")
    for source, seen in {
        "tasks()": "bad ", "failures()": "ZeroDivisionError", "failures()[0]": "return n / 0", "turns()": "def bad(n)",
        "snapshots()": "now ", "find('bed:sunny')": "plants.Plant", "code": "plants ", "code('plants')": "grow",
        "code('plants', 'Plant.grow')": "self.height += 1", "commands()": "Back ", "world": "basil",
        "at('now')": "basil",
    }.items():  # fmt: skip
        assert seen in plants.evaluate(f"show({source})"), source
    assert "plants: water" in plants.evaluate("show(code('plants', 'Plant.grow'), 'used by')")
    plants.evaluate("code('plants', 'Plant.grow').edit().replace('= 1', '= 5')")
    assert plants.evaluate("code('plants', 'Plant.grow').save()") == "'Plant.grow is saved, and runs'\n"
    assert plants.evaluate("basil.grow()") == "5\n"
    plants.evaluate("code('', 'bad').edit().set('def bad(n): return n')")
    plants.evaluate("code('', 'bad').save(); failures()[0].retry()")
    assert plants.evaluate("failures()") == "no failures\n"


def test_looking_at_all_tools_changes_nothing(desks: Callable[..., Desk], plants: Served) -> None:
    """All views of each: what is written is what the desk shows."""
    plants.evaluate("def bad(n): return n / 0\nt = spawn(message, bad, name='bad'); send(t, 1); keep(lisp, project='x')")
    plants.evaluate("snapshot('now'); texts.new('letter', 'dear')")
    desk = desks("garden")
    desk.sees("'sunny'")
    for ref in ("code", "tasks()", "failures()", "turns()", "snapshots()", "find('')", "transcript()", "commands()",
                "texts['letter']", "world", "basil", "code('plants', 'Plant')"):  # fmt: skip
        other = desks(ref, name="looking")
        for _ in range(9):
            other.types(ctrl("n"))
            other.settles()
            other.types(DOWN, "\x1b[C")
            other.settles()
            other.types(ALT_LEFT)
        other.leaves()
    desk.leaves()
    plants.piety("stop")
    with piety.open(plants.home) as image, image.storage.log() as log:
        turns = [(turn.who, turn.what) for turn in log.backwards()]
    at = next(n for n, (_who, what) in enumerate(turns) if what.startswith("snapshot('now')"))
    written = {part for _who, what in turns[:at] for part in what.split("; ")}
    assert written <= {"desk", "the turn loop", "start", "stop"}

