"""The command line as a person uses it: what is printed where, and the exit status."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import piety

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A home that is there."""
    home = tmp_path / "home"
    piety.open(home, create=True).close()
    return home


def run(home: Path | None, *arguments: str, stdin: str = "", cwd: Path | None = None, **environment: str) -> Run:
    named = {"PIETY_HOME": str(home)} if home is not None else {}
    kept = {name: value for name, value in os.environ.items() if name != "PIETY_HOME"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "piety", *arguments],
        env={**kept, **named, **environment},
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_eval_prints_output_and_value(place: Path) -> None:
    """What was printed comes first, then the repr of a last expression; None is not shown."""
    done = run(place, "eval", "print('hello'); 'a' + 'b'")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n'ab'\n", "")
    assert run(place, "eval", "None").stdout == ""


def test_eval_goes_on_in_the_next_process(place: Path) -> None:
    """What one process evaluates is there for the next."""
    run(place, "eval", "total = 40 + 2")
    assert run(place, "eval", "total").stdout == "42\n"


def test_eval_that_fails_exits_with_1_and_the_traceback(place: Path) -> None:
    """A failed turn is told with the traceback of the user's code alone, and leaves no trace."""
    done = run(place, "eval", "x = 5\nprint('so far')\n1 / 0")
    assert (done.returncode, done.stdout) == (1, "so far\n")
    assert done.stderr.startswith('Traceback (most recent call last):\n  File "<statement 1>", line 3')
    assert "piety" not in done.stderr
    assert "NameError" in run(place, "eval", "x").stderr


def test_traceback_shows_the_source_of_what_the_failed_turn_defined(place: Path) -> None:
    """Each frame has its line, also of a function that is gone with the turn."""
    done = run(place, "eval", "def f(x):\n    return 1 / x\nf(0)")
    assert "    return 1 / x\n" in done.stderr
    assert "    f(0)\n" in done.stderr


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import numpyy", "    import numpyy\n"),
        ("class K:\n    y = 1 / 0", "    y = 1 / 0\n"),
        ("def f(x=1/0): pass", "1/0"),
    ],
)
def test_definition_that_fails_is_shown(place: Path, source: str, line: str) -> None:
    """An import, class or function that fails while it is made has its own line in the traceback."""
    assert line in run(place, "eval", source).stderr


@pytest.mark.parametrize("source", ["import tour; tour.nxt()", "image.modules['k'] = 'x = ('"])
def test_mistakes_in_modules_show_nothing_of_ours(place: Path, source: str) -> None:
    """A mistyped name of a module, or a module saved with a syntax error: the user's line, and what is wrong."""
    told = run(place, "eval", source).stderr
    assert "piety/objects" not in told
    assert source in told


def test_new_leaves_the_rights_of_a_folder_that_was_there(tmp_path: Path) -> None:
    """A folder that Piety makes is its owner's alone; of one that was there only the image is."""
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    there.chmod(0o755)
    run(None, "new", "--home", str(there))
    run(None, "new", "--home", str(tmp_path / "fresh"))
    modes = [path.stat().st_mode & 0o777 for path in (there, there / "image", tmp_path / "fresh")]
    assert modes == [0o755, 0o700, 0o700]


@pytest.mark.parametrize("by", ["new", "at first use", "from Python"])
def test_no_home_is_made_among_other_things(tmp_path: Path, by: str) -> None:
    """They are left alone; one line says what to type instead, and that works."""
    place = tmp_path / "my things"
    place.mkdir()
    (place / "notes").write_text("mine")
    if by == "from Python":
        with pytest.raises(piety.errors.NotEmpty) as raised:
            piety.open(place, create=True)
        told = f"piety: {raised.value}\n"
    else:
        done = run(place, *(["new"] if by == "new" else ["eval", "1"]))
        assert (done.returncode, done.stdout) == (2, "")
        told = done.stderr
    advice = f"piety new --home '{place}/piety'\n"
    assert (
        told
        == f"piety: a home needs a folder of its own, and in {place} lies 'notes'; make it in a new one with: {advice}"
    )
    assert [each.name for each in place.iterdir()] == ["notes"]
    assert run(None, *shlex.split(advice)[1:]).returncode == 0


def test_a_birth_that_a_pulled_plug_has_ended_is_no_hindrance(tmp_path: Path) -> None:
    """It is ours."""
    (tmp_path / "home" / ".birth-12345678" / "image").mkdir(parents=True)
    assert run(tmp_path / "home", "new").returncode == 0


def test_a_new_home_is_told_when_it_is_there(tmp_path: Path) -> None:
    """Nothing is said of one that could not be made."""
    (tmp_path / "file").write_text("mine")
    for command in (["new"], ["eval", "1"]):
        done = run(tmp_path / "file" / "home", *command)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "cannot be made" in done.stderr
    assert run(None, "new", "--home", "relative", cwd=tmp_path).stdout == f"a new home at {tmp_path}/relative\n"


@pytest.mark.parametrize("named", ["", "~", "~/home"])
def test_an_empty_HOME_is_told(tmp_path: Path, named: str) -> None:
    """Nothing is made at the root of the disk; a home that is named needs no HOME."""
    nobody = {"HOME": "", "XDG_DATA_HOME": "", "PIETY_HOME": named}
    for command in (["eval", "1"], ["new"], [], ["status"]):
        done = run(None, *command, **nobody)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("piety: HOME is empty")
    assert run(None, "new", "--home", str(tmp_path / "home"), **nobody).returncode == 0
    assert run(None, "new", "--home", str(tmp_path / "home"), **nobody).stderr.count("\n") == 1


def test_attach_needs_a_terminal(place: Path) -> None:
    """A pipe is told in one line what is for it."""
    done = run(place, "attach")
    assert (done.returncode, done.stderr) == (2, "piety: attach needs a terminal; from a pipe: piety shell\n")


def test_suggested_commands_can_be_typed(tmp_path: Path) -> None:
    """With the home that was named, quoted; without one that goes without saying."""
    odd = tmp_path / "it's a home"
    assert run(None, "eval", "1", "--home", str(odd)).stderr.endswith(f" piety new --home {shlex.quote(str(odd))}\n")
    assert run(None, "interrupt", "--home", str(odd)).stderr.endswith(f": piety start --home {shlex.quote(str(odd))}\n")
    assert run(odd, "interrupt").stderr.endswith("start it with: piety start\n")


def test_use_of_a_lost_object_shows_the_user_code_alone(place: Path) -> None:
    """What was lost is told at the user's own line."""
    run(place, "eval", "f = open('/dev/null')")
    done = run(place, "eval", "f.read()")
    assert done.stderr.splitlines()[1:3] == ['  File "<statement 1>", line 1, in <module>', "    f.read()"]
    assert "lost.py" not in done.stderr


@pytest.mark.parametrize("how", ["-", "-f"])
def test_eval_reads_a_source(place: Path, tmp_path: Path, how: str) -> None:
    """`-` reads the standard input, `-f` a file."""
    source = "def f(n):\n    return n * 2\n\nf(21)\n"
    file = tmp_path / "source.py"
    file.write_text(source)
    arguments = ["-f", str(file)] if how == "-f" else ["-"]
    assert run(place, "eval", *arguments, stdin=source).stdout == "42\n"


def test_eval_reads_a_source_as_python_does(place: Path, tmp_path: Path) -> None:
    """A declared encoding counts; what is no text is one line."""
    file = tmp_path / "source.py"
    file.write_bytes("# coding: latin-1\nlen('é')\n".encode("latin-1"))
    assert run(place, "eval", "-f", str(file)).stdout == "1\n"
    file.write_bytes(b"x = '\xff'\n")
    done = run(place, "eval", "-f", str(file))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr == (
        "piety: the source is not text: line 1 has the byte 0xff, which is no UTF-8; save it as UTF-8\n"
    )
    wrong = subprocess.run(
        [sys.executable, "-P", "-m", "piety", "--home", str(place), "eval", b"1\n'\xff'"], stderr=-1, check=False
    )
    assert b"line 2 has the byte 0xff" in wrong.stderr
    file.write_bytes(b"# coding: nonsense\n")
    assert "unknown encoding: nonsense" in run(place, "eval", "-f", str(file)).stderr


def test_eval_wants_one_source(place: Path) -> None:
    """No source, or two, is wrong usage."""
    assert run(place, "eval").returncode == 2
    assert run(place, "eval", "1", "-f", os.devnull).returncode == 2


@pytest.mark.parametrize("source", ["(", "raise SystemExit(3)", "raise KeyboardInterrupt", "def f(): f()\nf()", "\0"])
def test_what_a_source_raises_is_no_bug_of_ours(place: Path, source: str) -> None:
    """A syntax error, an exit, an interrupt, an endless recursion: status 1 and the user's words."""
    done = run(place, "eval", source if source != "\0" else "-", stdin=source)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "bug of Piety" not in done.stderr
    assert "piety/objects" not in done.stderr


def test_home_is_named_before_or_after_the_command(place: Path) -> None:
    """`--home` counts for every command, wherever it stands, and goes before PIETY_HOME."""
    run(place, "eval", "here = True")
    assert run(None, "--home", str(place), "eval", "here").stdout == "True\n"
    assert run(place.parent / "other", "eval", "here", "--home", str(place)).stdout == "True\n"


def test_default_home_is_made_at_its_first_use(tmp_path: Path) -> None:
    """Without a name the platform's folder is used, and made."""
    done = run(None, "eval", "1", HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "a new home at" in done.stderr
    again = run(None, "eval", "1", HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "data"))
    assert again.stderr == ""


def test_a_named_home_is_not_made_by_the_way(tmp_path: Path) -> None:
    """A mistyped --home is told in one line, with the way out."""
    done = run(None, "eval", "1", "--home", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert (
        done.stderr
        == f"piety: there is no home at {tmp_path}/nowhere; make one with: piety new --home {tmp_path}/nowhere\n"
    )
    assert not (tmp_path / "nowhere").exists()


def test_new_makes_a_home_once(tmp_path: Path) -> None:
    """`piety new` makes a home, and refuses one that is there."""
    home = tmp_path / "a home"
    assert run(None, "new", "--home", str(home)).returncode == 0
    again = run(None, "new", "--home", str(home))
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "there is a home at" in again.stderr


def test_info_is_a_table_and_json(place: Path) -> None:
    """The same facts for people and for programs."""
    run(place, "eval", "x = 1")
    facts = json.loads(run(place, "info", "--json").stdout)
    assert facts["variables"] == 1
    table = run(place, "info").stdout
    assert all(name.replace("_", " ") in table for name in facts)


def test_check_of_a_sound_image(place: Path) -> None:
    """Nothing broken: status 0."""
    run(place, "eval", "class A: pass\na = [A()]")
    done = run(place, "check")
    assert (done.returncode, done.stdout) == (0, "nothing is broken\n")


def test_notices_go_to_the_standard_error(place: Path) -> None:
    """What cannot be stored is told beside the output, not in it."""
    done = run(place, "eval", "f = open('/dev/null')")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("note: f holds a _io.TextIOWrapper")


def test_an_image_in_use_names_the_process(place: Path) -> None:
    """The second process is told which one has the image."""
    with piety.open(place):
        done = run(place, "eval", "1")
    assert done.returncode == 2
    assert f"in use by process {os.getpid()}" in done.stderr.splitlines()[-1]
    assert done.stderr.startswith(f"piety: waiting for process {os.getpid()} (")


def test_no_library_of_the_shell_is_imported_for_eval(place: Path) -> None:
    """`piety eval` imports nothing of the user interface."""
    done = run(
        place, "eval", "import sys; [name for name in sys.modules if name.startswith(('prompt_toolkit', 'pygments'))]"
    )
    assert done.stdout == "[]\n"


def test_code_show_names_what_is_there(place: Path) -> None:
    """A module that is not there is one line; the workspace can be shown as one."""
    done = run(place, "code", "show", "nothing")
    assert done.returncode == 2
    assert "there is no module 'nothing'" in done.stderr
    run(place, "eval", "def f():\n    return 1")
    assert run(place, "code", "show", "workspace").stdout == "def f():\n    return 1\n"


@pytest.mark.parametrize("source", ["40 + 2", "print('a'); 1/0", "g = iter('ab')", "'\\ud800é'"])
def test_one_source_is_evaluated_in_the_same_way_with_and_without_the_command_line(place: Path, source: str) -> None:
    """`eval SOURCE` goes without click, which takes a tenth of the start."""
    quick, slow = run(place, "eval", source), run(None, "--home", str(place), "eval", source)
    assert (quick.returncode, quick.stdout, quick.stderr) == (slow.returncode, slow.stdout, slow.stderr)


def test_letters_that_the_terminal_does_not_know_are_escaped(place: Path) -> None:
    """And half characters, which no terminal does."""
    done = run(place, "eval", "print('é \\ud800')", PYTHONIOENCODING="ascii")
    assert (done.stdout, done.returncode) == ("\\xe9 \\ud800\n", 0)
    assert run(place, "eval", "print('é \\ud800')").stdout == "é \\ud800\n"
