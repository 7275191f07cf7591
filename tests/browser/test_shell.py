"""The shell on a pipe: a script is read statement by statement, each a turn."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import piety

PIETY = (sys.executable, "-m", "piety")
LINE = shlex.join(PIETY)


@pytest.fixture(autouse=True)
def place(home: Path) -> Path:
    """A home that is there; PIETY_HOME names it."""
    piety.open(home, create=True).close()
    return home


def shell(script: str | bytes, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `piety shell`, or another command, with a script on its standard input."""
    data = script if isinstance(script, bytes) else script.encode()
    done = subprocess.run(command or (*PIETY, "shell"), input=data, capture_output=True, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_an_ordinary_script_runs_as_from_a_file() -> None:
    """Functions followed by statements, empty lines in blocks, long strings, decorators; None shows nothing."""
    done = shell('''\
# a script
import functools

@functools.cache
def fib(n):
    """Fibonacci

of n"""

    if n < 2:
        return n

    # the rest
    return fib(n - 1) + fib(n - 2)
fib(30)
if fib(3) > 5:
    print("large")

else:
    print("small")
text = """a
b"""
text
None
for i in range(2): print(i)
print(
    "done")
''')
    assert (done.stdout, done.stderr, done.returncode) == ("832040\nsmall\n'a\\nb'\n0\n1\ndone\n", "", 0)


def test_underscore_and_it_hold_the_last_value() -> None:
    """As at every Python prompt."""
    assert shell("40 + 2\n_ + 1\nprint('x')\nit + 1\n").stdout == "42\n43\nx\n44\n"


def test_what_fails_is_told_and_the_script_goes_on() -> None:
    """A traceback on the standard error, no trace in the image, and exit status 1."""
    done = shell("x = 1\nx = 2; 1 / 0\nx\ny = = 3\nx + 1\nraise SystemExit(5)\nx + 2\n")
    assert (done.stdout, done.returncode) == ("1\n2\n3\n", 1)
    assert "ZeroDivisionError: division by zero\n" in done.stderr
    assert "SyntaxError" in done.stderr
    assert "SystemExit(5) ended the turn, which was undone; to leave the shell: exit" in done.stderr
    assert "piety" not in done.stderr


@pytest.mark.parametrize("word", ["exit", "quit", "exit()", "quit()"])
def test_leaving_before_the_end(word: str) -> None:
    """The rest is not read; the status tells of what failed before."""
    assert shell(f"1\n{word}\n2\n").stdout == "1\n"
    assert shell(f"1 / 0\n{word}\n2\n").returncode == 1


def test_a_variable_may_be_called_exit() -> None:
    """Then the word alone is its value."""
    assert shell("exit = 5\nexit\n").stdout == "5\n"


def test_input_reads_the_next_line() -> None:
    """The question is shown before, and what was printed to lead up to it; nothing is shown twice."""
    done = shell("print('hello'); name = input('name? ')\nAda\nname\nimport sys\nsys.stdin.readline()\nline\n")
    assert (done.stdout, done.returncode) == ("hello\nname? 'Ada'\n'line\\n'\n", 0)


SESSION = """
    >>> def twice(x):
    ...     if x:
    ...
    ...         return x + x
    ...
    >>> name = input("name? ")
Ada
    >>> twice(4)
    8
    >>> [
    ...     "...",
    ... ][0] + name
    'nothing like it'
"""


def test_a_session_can_be_given() -> None:
    """Copied from a document, with its prompts and with what it shows; `input()` reads on in it."""
    done = shell(SESSION)
    assert (done.stdout, done.stderr, done.returncode) == ("name? 8\n'...Ada'\n", "", 0)


def test_prompts_count_from_the_first_line_on() -> None:
    """Or else not at all: it is a text that has them."""
    assert shell("text = \'\'\'\n>>> 1\n2\n\'\'\'\ntext\n").stdout == "'\\n>>> 1\\n2\\n'\n"


def test_output_and_notices_have_their_places() -> None:
    """What a turn says about itself is no output."""
    done = shell("import threading\nlock = threading.Lock()\nprint('a', end='')\nprint('b')\n")
    assert done.stdout == "ab\n"
    assert done.stderr.startswith("note: lock holds ")


def test_no_text_is_a_reason_to_die() -> None:
    """Bytes that are no text are a mistake in one statement, and half a character can be printed."""
    done = shell(b"x = '\xff'\nprint('\\ud800')\n\xef\xbb\xbfy = 1\n1 + 1\n")
    assert done.stdout == "\\ud800\n2\n"
    assert done.stderr == "piety: this is not UTF-8, and its statement was left out: x = '\\xff'\n"
    assert done.returncode == 1
    assert shell("\ufeffx = 1\nx\n").stdout == "1\n"


def test_nothing_is_written_to_the_history(place: Path) -> None:
    """It is of what a person types."""
    shell("x = 1\nx\n")
    with piety.open(place) as image:
        assert len(image.world.history) == 0


def test_a_pipe_needs_no_line_editing() -> None:
    """prompt_toolkit would take longer to import than all the rest."""
    look = "import sys; [name for name in ('prompt_toolkit', 'asyncio', 'pdb') if name in sys.modules]"
    assert shell(f"import sys\n{look}\n").stdout == "[]\n"
    assert shell("", *PIETY, "eval", look).stdout == "[]\n"


def test_closed_input_is_the_end() -> None:
    """Also if there never was any."""
    assert shell("", "sh", "-c", f"{LINE} shell <&-").returncode == 0


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    """`piety shell < script | head -1`."""
    script = "print('x' * 9999)\n" * 200
    done = shell(script, "sh", "-c", f"{LINE} shell | head -c 1")
    assert done.stderr == ""


def test_every_answer_comes_before_the_next_question() -> None:
    """A program at the other end sees what a turn gave as soon as it is done."""
    with subprocess.Popen((*PIETY, "shell"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(20):
            process.stdin.write(f"{number} * 2\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{number * 2}\n"


def test_killed_in_the_middle_keeps_what_was_reported(place: Path) -> None:
    """Exactly the turns whose output was seen are there, and the one that was running is not."""
    with subprocess.Popen((*PIETY, "shell"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("seen = []\n" + "".join(f"seen.append({n}); {n}\n" for n in range(7)))
        process.stdin.write("seen.append('lost'); input()\n")
        process.stdin.flush()
        assert [process.stdout.readline() for _ in range(7)] == [f"{n}\n" for n in range(7)]
        process.kill()
    assert shell("seen\n").stdout == "[0, 1, 2, 3, 4, 5, 6]\n"


def test_a_turn_that_kills_its_process_leaves_no_trace() -> None:
    """The plug is pulled from within."""
    done = shell("x = 1\nx\nx = 2; import os; os.kill(os.getpid(), 9)\nx = 3\n")
    assert (done.stdout, done.returncode) == ("1\n", -signal.SIGKILL)
    assert shell("x\n").stdout == "1\n"


def test_an_interrupt_ends_the_script() -> None:
    """The turn that ran is undone, and nothing after it is begun."""
    done = shell("x = 1\nx = 2; import os, signal; os.kill(os.getpid(), signal.SIGINT)\nx = 3\n")
    assert done.returncode == 1
    assert done.stderr.startswith("interrupted, and the turn undone; it was in <statement 2>, line 1, in <module>: x")
    assert shell("x\n").stdout == "1\n"


def test_an_interrupt_may_come_too_late() -> None:
    """Once a turn is being written it is done, and told as such; the next one is not begun."""
    hook = "world._p_jar.transaction_manager.get().addAfterCommitHook(lambda done: os.kill(os.getpid(), 2))"
    done = shell(f"import os\n{hook}; x = 2; print('done'); x + 1\nx = 3\n")
    assert (done.stdout, done.returncode) == ("done\n3\n", 1)
    assert done.stderr == "note: Ctrl-C came when the turn was over; what it did stays\n"
    assert shell("x\n").stdout == "2\n"


def test_the_environment_is_the_one_of_the_test() -> None:
    """No test here may use the home of the person who runs it."""
    assert Path(os.environ["PIETY_HOME"]).is_relative_to(os.environ["HOME"])
