"""The socket of a running system, and all that may come there."""

from __future__ import annotations

import json
import signal
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import PATIENCE, PIETY, Served, Talk

from piety.browser import wire
from piety.browser.terminal import UNREAD
from piety.scheduler.requests import MOST


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running system that all tests of this file come to; nothing that one does may be noticed by another."""
    served = Served(tmp_path_factory.mktemp("served") / "home")
    try:
        served.start()
        yield served
    finally:
        served.stop_for_good()


@pytest.fixture(autouse=True)
def _goes_on(served: Served) -> Iterator[None]:
    """Whatever came, the same process serves the next one."""
    before = served.process
    yield
    assert served.evaluate("'still ' + 'here'") == "'still here'\n"
    assert served.process == before


def answer(talk: Talk) -> tuple[str, str, int]:
    """What a verb said on both streams, and its exit status."""
    said = {wire.OUT: b"", wire.ERR: b""}
    while (came := talk.receive()) is not None:
        if came[0] == wire.EXIT:
            return said[wire.OUT].decode(), said[wire.ERR].decode(), int(came[1])
        said[came[0]] += came[1]
    raise AssertionError("the connection ended before the exit status")


def spin(talk: Talk) -> None:
    """Have a turn run in a tight loop; when this returns, it does."""
    talk.ask("evaluate", source="spun = 1; input('begun'); spun = 2\nwhile True: pass")
    assert talk.until(wire.ASK) == b"begun"
    talk.send(wire.LINE, b"go\n")


# -- the socket


def test_only_its_owner_may_use_the_socket(served: Served) -> None:
    """Nobody else may read or write it."""
    mode = (served.home / "socket").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_the_system_speaks_first(served: Served) -> None:
    """Its version, and the number of its protocol."""
    with served.talk() as talk:
        hello = json.loads(talk.until(wire.HELLO))
    assert hello["protocol"] == wire.PROTOCOL
    assert hello["piety"]


def test_a_home_with_a_long_path(tmp_path: Path) -> None:
    """A Unix socket's address has some hundred bytes; a home may lie deeper."""
    served = Served(tmp_path / ("deep" * 30) / ("er" * 60) / "home")
    try:
        served.start()
        assert served.evaluate("1 + 1") == "2\n"
        assert served.piety("stop").stdout == "stopped\n"
    finally:
        served.stop_for_good()


# -- who speaks otherwise


@pytest.mark.parametrize("protocol", [0, wire.PROTOCOL + 1, "x", None])
def test_another_protocol_is_told_in_one_line(served: Served, protocol: object) -> None:
    """Both numbers, and what to do."""
    with served.talk() as talk:
        talk.until(wire.HELLO)
        request = {"protocol": protocol, "verb": "evaluate", "arguments": {"source": "1"}}
        talk.send(wire.REQUEST, json.dumps(request).encode())
        output, errors, status = answer(talk)
    assert (output, status, errors.count("\n")) == ("", 2, 1)
    assert errors.startswith(f"piety: this command speaks protocol {protocol}, and the system that runs ")


def test_an_unknown_verb_is_told_in_one_line(served: Served) -> None:
    """A newer command, say."""
    with served.talk() as talk:
        talk.ask("fly")
        talk.until(wire.HELLO)
        assert answer(talk) == ("", "piety: this system knows no 'fly'\n", 2)


NO_REQUESTS = {
    "nothing": b"",
    "a browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zeros": bytes(5000),
    "a frame with no end": wire.REQUEST + struct.pack(">I", 1000) + b"{",
    "an oversized frame": wire.REQUEST + struct.pack(">I", wire.LONGEST + 1),
    "the largest number": wire.REQUEST + b"\xff\xff\xff\xff",
    "no JSON": wire.frame(wire.REQUEST, b"eval 1"),
    "no UTF-8": wire.frame(wire.REQUEST, b"\xff\xfe"),
    "deep JSON": wire.frame(wire.REQUEST, b"[" * 100_000),
    "a list": wire.frame(wire.REQUEST, b"[]"),
    "no verb": wire.frame(wire.REQUEST, b'{"protocol": 1}'),
    "a verb that is none": wire.frame(wire.REQUEST, b'{"protocol": 1, "verb": {}, "arguments": {}}'),
    "arguments that are none": wire.frame(wire.REQUEST, b'{"protocol": 1, "verb": "check", "arguments": 1}'),
    "keys before a request": wire.frame(wire.KEYS, b"x"),
    "an interrupt before a request": wire.frame(wire.INTERRUPT),
}


@pytest.mark.parametrize("garbage", NO_REQUESTS)
def test_what_is_no_request_closes_its_connection(served: Served, garbage: str) -> None:
    """And no other: one that was there before is served."""
    with served.talk() as other, served.talk() as talk:
        talk.socket.sendall(NO_REQUESTS[garbage])
        talk.socket.shutdown(1)  # no more will come
        assert [kind for kind, _body in talk.rest()] == [wire.HELLO]
        other.ask("evaluate", source="6 * 7")
        other.until(wire.HELLO)
        assert answer(other) == ("42\n", "", 0)


def test_an_oversized_frame_is_not_waited_for(served: Served) -> None:
    """Its head is enough to close; the other side may keep its end open as long as it likes."""
    with served.talk() as talk:
        talk.socket.sendall(NO_REQUESTS["an oversized frame"])
        assert [kind for kind, _body in talk.rest()] == [wire.HELLO]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=300), st.builds(wire.frame, st.binary(min_size=1, max_size=1), st.binary())))
def test_any_bytes(served: Served, data: bytes) -> None:
    """The connection ends, whatever they are."""
    with served.talk() as talk:
        talk.socket.sendall(data)
        talk.socket.shutdown(1)
        assert talk.rest()[0][0] == wire.HELLO


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("evaluate", {}),
        ("evaluate", {"source": 1}),
        ("evaluate", {"source": "1", "more": 2}),
        ("evaluate", {"source": "1", "ask": "x"}),
        ("code_show", {"name": 3}),
        ("check", {"x": 1}),
        ("stop", {"x": 1}),
        ("attach", {}),
        ("attach", {"rows": "many", "columns": -1, "kind": "", "session": None}),
        ("attach", {"rows": 0, "columns": 0, "kind": "xterm", "session": 5}),
    ],
)
def test_wrong_arguments_end_the_connection(served: Served, verb: str, arguments: dict[str, object]) -> None:
    """And nothing else."""
    with served.talk() as talk:
        talk.ask(verb, **arguments)
        talk.socket.shutdown(1)
        assert talk.rest()[0][0] == wire.HELLO


# -- who goes away


def test_one_who_goes_away_before_speaking(served: Served) -> None:
    """A port scanner, say."""
    for _ in range(50):
        served.talk().close()
    assert served.evaluate("1 + 1") == "2\n"


def test_one_who_goes_away_in_the_middle_of_a_turn(served: Served) -> None:
    """The turn is stopped and undone: nobody waits for it."""
    with served.talk() as talk:
        spin(talk)
    assert served.evaluate("'spun' in globals()") == "False\n"


def test_one_who_goes_away_when_asked(served: Served) -> None:
    """The question finds the end of the input, or is stopped; the turn ends."""
    with served.talk() as talk:
        talk.ask("evaluate", source="asked = 1; input('begun')")
        talk.until(wire.ASK)
    assert served.evaluate("'asked' in globals()") == "False\n"


def test_one_who_does_not_listen(served: Served) -> None:
    """What a turn says to somebody who reads nothing holds up nobody else."""
    with served.talk() as talk:
        talk.ask("evaluate", source="print('x' * 20_000_000)")
        assert served.evaluate("1 + 1") == "2\n"


def test_what_tasks_print_is_not_kept_for_ever_for_a_terminal_that_does_not_read(served: Served) -> None:
    """And when it reads again, it is told that something is missing."""
    with served.talk() as talk:
        talk.ask("attach", rows=24, columns=80, kind="xterm")
        talk.until(wire.OUT)
        served.evaluate("from piety.scheduler.sessions import Terminal\ndef say(n): print('x' * 1_000_000)")
        served.evaluate("t = spawn(message, say, out=Terminal('1'))")
        served.evaluate("for n in range(40): send(t, n)")
        while served.evaluate("len(t.messages)") != "0\n":
            pass
        seen = b""
        while b"characters were not shown" not in seen:
            seen += talk.until(wire.OUT)
        assert UNREAD < len(seen) < 20_000_000
        served.evaluate("def say(n): print('the last')\nu = spawn(message, say, out=Terminal('1')); send(u, 1)")
        while b"the last" not in seen:
            seen += talk.until(wire.OUT)


HANG = "def hang(*_):\n    while True: pass\n"
HANGS = {
    "the text of an error": "class Bad(Exception): __str__ = hang\nraise Bad",
    "a repr": "class Shy: __repr__ = hang\nShy()",
    "a state that is written": "class Slow(persistent.Persistent): __getstate__ = hang\nkept = Slow()",
    "what is handed to the host": "class Slow:\n    def __reduce__(self): hang()\nhost(print, Slow())",
    "a local name of a task that fails": "class Shy: __repr__ = hang\ndef bad(what): shy = Shy(); 1 / 0\nsend(spawn(message, bad), 1)",
    "the error of a task": "class Bad(Exception): __str__ = hang\ndef bad(what): raise Bad\nsend(spawn(message, bad), 1)",
}


@pytest.mark.parametrize("what", HANGS)
def test_whatever_code_of_the_user_has_control_can_be_seen_and_stopped(served: Served, what: str) -> None:
    """Also where a turn is over, or has not begun, and it is asked to show or store something."""
    with served.talk() as talk:
        talk.ask("evaluate", source=f"import persistent\n{HANG}{HANGS[what]}")
        while "in hang" not in ((status := served.status())["running_stack"] or ""):
            pass
        assert status["running"]
        assert served.piety("interrupt").stdout.startswith("interrupted")
        while served.status()["running"]:  # the text of an error is asked for twice
            served.piety("interrupt")


def test_the_standard_error_of_a_turn_is_bounded(served: Served) -> None:
    """It waits in memory for somebody who may not read it; who does hears that there was more."""
    with served.talk() as talk:
        talk.ask("evaluate", source="import sys\nfor _ in range(40): sys.stderr.write('x' * 100_000)")
        said = b"".join(body for kind, body in talk.rest() if kind == wire.ERR)
    assert said.count(b"x") == MOST
    assert said.count(b"no more are shown") == 1


def test_a_command_that_is_gone_before_its_turn_is_not_done(served: Served) -> None:
    """It was to wait for a turn that is long."""
    with served.talk() as busy:
        spin(busy)
        with served.talk() as talk:
            talk.ask("code_list")
            talk.until(wire.HELLO)
            talk.send(wire.INTERRUPT)
            assert b"taken back before its turn came" in talk.until(wire.ERR)


def test_the_greeting_fits_a_narrow_terminal(served: Served) -> None:
    """But for words that somebody may want to copy, which are whole."""
    with served.talk() as talk:
        talk.ask("attach", rows=24, columns=30, kind="xterm")
        seen = b""
        while b"Ctrl-D" not in seen:
            seen += talk.until(wire.OUT)
        lines = seen[: seen.index(b"Ctrl-D")].decode().split("\r\n")
        assert all(len(line) < 30 or " " not in line for line in lines)
        assert len(lines) > 2


# -- several at once


def test_a_terminal_comes_while_a_turn_runs(served: Served) -> None:
    """It has its prompt, which says how to stop that turn, and hears what is typed."""
    with served.talk() as busy, served.talk() as talk:
        spin(busy)
        talk.ask("attach", rows=24, columns=80, kind="xterm")
        seen = b""
        while b">>>" not in seen:
            seen += talk.until(wire.OUT)
        assert b"piety interrupt" in seen
        talk.send(wire.KEYS, b"Q")
        while b"Q" not in talk.until(wire.OUT):
            pass
        talk.send(wire.KEYS, b"\x15\x04")  # Ctrl-U, Ctrl-D
        assert talk.until(wire.EXIT) == b"0"


@pytest.mark.parametrize("running", [False, True])
def test_any_text_can_be_printed(served: Served, tmp_path: Path, running: bool) -> None:
    """Also what is no text, and on a terminal that knows few letters."""
    place = served if running else Served(tmp_path / "resting")
    done = subprocess.run(
        [*PIETY, "eval", "print('\\ud800 \u00e4')"], capture_output=True, check=False, timeout=60,
        env={**place.environment, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\\ud800 \\xe4\n", b"")


def test_many_at_once(served: Served) -> None:
    """Each gets its own answer."""
    talks = [served.talk() for _ in range(30)]
    for number, talk in enumerate(talks):
        talk.ask("evaluate", source=f"print({number}); {number} * 2")
    for number, talk in enumerate(talks):
        with talk:
            talk.until(wire.HELLO)
            assert answer(talk) == (f"{number}\n{number * 2}\n", "", 0)


def test_the_status_is_told_while_a_turn_runs(served: Served) -> None:
    """What needs no turn is answered at once."""
    with served.talk() as talk:
        spin(talk)
        status = json.loads(served.piety("status", "--json").stdout)
        assert "while True" in status["running"] or "spun" in status["running"]
        assert served.piety("interrupt").stdout.startswith("interrupted: ")
        _output, errors, code = answer(talk)
    assert code == 1
    assert "KeyboardInterrupt" in errors


def test_an_interrupt_stops_the_own_turn(served: Served) -> None:
    """It is undone, and told as it is on a resting system."""
    with served.talk() as talk:
        spin(talk)
        talk.send(wire.INTERRUPT)
        _output, errors, status = answer(talk)
    assert status == 1
    assert "KeyboardInterrupt" in errors
    assert served.evaluate("'spun' in globals()") == "False\n"


def test_an_interrupt_stops_no_other_turn(served: Served) -> None:
    """Whoever waits behind another one's turn takes back only what they have asked for."""
    with served.talk() as first, served.talk() as second:
        first.ask("evaluate", source="input('begun'); 'first'")
        first.until(wire.ASK)
        second.ask("evaluate", source="second = 1")
        second.until(wire.HELLO)
        second.send(wire.INTERRUPT)
        assert answer(second)[2] == 1  # before the first is done
        first.send(wire.LINE, b"\n")
        assert answer(first)[0] == "'first'\n"
    assert served.evaluate("'second' in globals()") == "False\n"


def test_ctrl_c_in_a_command_stops_its_turn(served: Served) -> None:
    """The client passes it on, and ends with what the turn left."""
    with served.begin("eval", "caught = 1; input('begun\\n'); caught = 2\nwhile True: pass") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "begun\n"
        process.stdin.write("\n")
        process.stdin.flush()
        with served.talk() as talk:  # when the status tells of the turn, it runs
            talk.ask("status")
            assert json.loads(talk.until(wire.OUT))["running"] is not None
        process.send_signal(signal.SIGINT)
        _output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "KeyboardInterrupt" in errors
    assert served.evaluate("'caught' in globals()") == "False\n"


def test_a_command_hears_that_the_system_was_killed(tmp_path: Path) -> None:
    """One line, which says what counts and what to do."""
    served = Served(tmp_path / "home")
    try:
        served.start()
        with served.begin("eval", "lost = 1; input('begun\\n')") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            served.kill()
            _output, errors = process.communicate("\n", timeout=PATIENCE)
        assert process.returncode == 2
        assert errors.startswith("piety: the system stopped before it had answered")
        assert errors.count("\n") == 1
        assert served.evaluate("'lost' in globals()") == "False\n"
    finally:
        served.stop_for_good()


def test_a_turn_that_catches_an_interrupt_can_be_interrupted_again(served: Served) -> None:
    """After a moment, in which it may clean up."""
    source = "import signal\nn = 0\nwhile n < 2:\n    try: signal.pause()\n    except KeyboardInterrupt: n += 1\nn"
    with served.begin("eval", source) as turn:
        for _ in range(200):
            served.piety("interrupt")
            if turn.poll() is not None:
                break
        assert turn.stdout is not None
        assert turn.stdout.read() == "2\n"


@pytest.mark.parametrize("session", [5, [], {}, True])
def test_a_session_has_a_text_for_a_name(served: Served, session: object) -> None:
    """Else nothing that lists sessions would work."""
    with served.talk() as talk, served.talk() as other:
        talk.ask("attach", rows=24, columns=80, kind="xterm", session="one")
        talk.until(wire.OUT)
        other.ask("attach", rows=24, columns=80, kind="xterm", session=session)
        other.receive()
        assert "terminals: " in served.piety("status").stdout


def test_a_question_of_any_characters(served: Served) -> None:
    """Also those that are no text."""
    done = subprocess.run(
        [*PIETY, "eval", "input(chr(0xdcff))"], input=b"yes\n", capture_output=True, check=False,
        env=served.environment, timeout=60,
    )  # fmt: skip
    assert (done.returncode, b"'yes'" in done.stdout) == (0, True), done.stderr
