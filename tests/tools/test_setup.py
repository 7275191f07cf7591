"""The set-up programs in tools/, with a Python that only notes what is asked of it; and the lock files.

No test here needs the network.
"""

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
RUN_LOCK = "requirements.lock"
TEST_LOCK = "requirements-test.lock"
# Seconds in which any of these runs must end; each takes about 0.05.
MAIN = "from piety.__main__ import main; main()"
LONG = 30

# Notes each call, and makes .venv, installs and starts in name only. FAKE_PIP is what it does in place of pip.
# All but the last read their input, to show that it is not the user's.
FAKE_PYTHON = """#!/bin/sh
calls={calls}
case "$*" in
    *ensurepip*)
        cat
        echo "$0" ;;
    *fcntl*) exec {python} "$@" ;;
    *"-m venv"*)
        cat
        echo venv >>"$calls"
        for venv; do :; done
        rm -rf "$venv"
        mkdir -p "$venv/bin" "$venv/lib/python3.11/site-packages"
        cp "$0" "$venv/bin/python" ;;
    *"-m pip"*)
        cat
        for lock; do :; done
        echo "pip ${{lock##*/}}" >>"$calls"
        eval "${{FAKE_PIP-}}" ;;
    *)
        printf '<%s>' "$@"
        cat ;;
esac
"""


class Checkout:
    """A copy of tools/ with its own lock files, in a folder with a space in its name; on its PATH, one fake Python."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.venv = self.root / ".venv"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.started: list[subprocess.Popen[str]] = []
        shutil.copytree(ROOT / "tools", self.root / "tools")
        self.bin.mkdir()
        for lock in (RUN_LOCK, TEST_LOCK):
            (self.root / lock).write_text(f"what {lock} names\n")
        for name in ("cat", "cmp", "cp", "mkdir", "readlink", "rm"):
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.add_python("python3")

    def add_python(self, name: str, text: str = FAKE_PYTHON) -> None:
        """Put a fake Python on PATH."""
        python = self.bin / name
        python.write_text(text.format(calls=shlex.quote(str(self.calls_file)), python=shlex.quote(sys.executable)))
        python.chmod(0o755)

    def start(self, *args: str, tool: str = "tools/piety", pip: str = ":", shell: str = "sh") -> subprocess.Popen[str]:
        """Start a tool in a session of its own, as a terminal would."""
        process = subprocess.Popen(
            [shutil.which(shell) or shell, self.root / tool, *args],
            cwd="/",
            env={"PATH": str(self.bin), "FAKE_PIP": pip},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *args: str, stdin: str = "", **settings: str) -> tuple[int, str, str]:
        """Run a tool to its end; return its exit status and what it printed on standard output and error."""
        process = self.start(*args, **settings)
        out, err = process.communicate(stdin, timeout=LONG)
        return process.returncode, out, err

    def stop(self) -> None:
        """End what a failed test has left running."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def calls(self) -> list[str]:
        """Return what was asked of the fake Pythons since the last time."""
        if not self.calls_file.exists():
            return []
        calls = self.calls_file.read_text().splitlines()
        self.calls_file.unlink()
        return calls


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """Return a checkout in which nothing is set up."""
    checkout = Checkout(tmp_path)
    yield checkout
    checkout.stop()


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    """Return a checkout in which tools/piety has been run."""
    assert checkout.run()[0] == 0
    checkout.calls()
    return checkout


def test_first_run_makes_venv_and_installs_then_starts(checkout):
    """What it does it says in two lines on standard error; standard output is Piety's alone."""
    status, out, err = checkout.run()
    assert checkout.calls() == ["venv", f"pip {RUN_LOCK}"]
    assert (status, out) == (0, f"<-P><-c><{MAIN}>")
    assert err.splitlines() == [f"piety: making .venv with {checkout.bin}/python3", f"piety: installing {RUN_LOCK}"]


def test_checkout_is_importable_in_venv(ready):
    """A .pth file names the checkout, relative to itself, so that the checkout may move."""
    (pth,) = ready.venv.glob("lib/*/site-packages/*.pth")
    assert (pth.parent / pth.read_text().strip()).resolve() == ready.root


def test_arguments_and_input_arrive_as_they_are(checkout):
    """Also when the set-up runs before, which must not read the input."""
    args = ["a b", "it's", '"q"', "x\ny", "", "*", "$HOME", "--help", "--"]
    for _ in range(2):
        status, out, _ = checkout.run(*args, stdin="typed\nahead")
        assert (status, out) == (0, "".join(f"<{a}>" for a in ["-P", "-c", MAIN, *args]) + "typed\nahead")


def test_second_run_starts_no_python_but_its_own(ready):
    """It says nothing, and needs no Python on PATH."""
    (ready.bin / "python3").unlink()
    assert ready.run() == (0, f"<-P><-c><{MAIN}>", "")
    assert ready.calls() == []


def test_runs_through_a_link(ready):
    """A user links tools/piety into a folder on PATH."""
    (ready.bin / "piety").symlink_to(ready.root / "tools/piety")
    assert ready.run("a b", tool=str(ready.bin / "piety")) == (0, f"<-P><-c><{MAIN}><a b>", "")


def test_renewed_lock_is_installed_into_the_same_venv(ready):
    """Only pip runs."""
    (ready.root / RUN_LOCK).write_text("newer\n")
    assert ready.run()[0] == 0
    assert ready.calls() == [f"pip {RUN_LOCK}"]
    assert ready.run()[0] == 0
    assert ready.calls() == []


def test_tests_add_their_lock(ready):
    """tools/test keeps what tools/piety has installed, and runs pytest with its arguments."""
    assert ready.run("-k", "a b", tool="tools/test")[:2] == (0, "<-m><pytest><-k><a b>")
    assert ready.calls() == [f"pip {TEST_LOCK}"]
    assert ready.run()[0] == 0
    assert ready.calls() == []


def test_all_checks_run_in_order(ready):
    """Without arguments tools/test runs ruff, mypy and last pytest, on two workers."""
    status, out, _ = ready.run(tool="tools/test")
    assert status == 0
    assert re.findall(r"<-m><(.*?)>", out) == ["ruff", "mypy", "pytest"]
    assert out.endswith("<-m><pytest><-n><2>")


@pytest.mark.parametrize("step", ["ruff", "mypy", "pytest"])
def test_one_failed_check_fails_all_and_stops_none(ready, step):
    """A failed ruff or mypy is said before pytest, whose summary stays last."""
    ready.run(tool="tools/test", stdin="")
    ready.add_python(".venv", f"#!/bin/sh\nprintf '<%s>' \"$@\"\n[ $2 != {step} ]\n")
    (ready.bin / ".venv").rename(ready.venv / "bin/python")
    status, out, _ = ready.run(tool="tools/test")
    assert status == 1
    assert out.endswith("<-m><pytest><-n><2>")
    assert ("found faults" in out) == (step != "pytest")


def test_failed_install_is_tried_again_in_the_same_venv(ready):
    """pip undoes what it had begun when it fails (exit status 1), so an upgrade without network costs nothing."""
    (ready.root / RUN_LOCK).write_text("newer\n")
    for _ in range(2):
        status, out, err = ready.run(pip="echo why >&2; exit 1")
        assert (status, out) == (1, "")
        assert err.splitlines()[-2:] == ["why", f"piety: could not install {RUN_LOCK}"]
        assert ready.calls() == [f"pip {RUN_LOCK}"]
    assert ready.run()[0] == 0
    assert ready.calls() == [f"pip {RUN_LOCK}"]


@pytest.mark.parametrize(
    "pip",
    [
        "kill -9 $$",
        "kill -9 $PPID",
        "kill -9 $PPID; kill -9 $$",
        "kill -INT 0",
        # Real pip ends like this at Ctrl-C: as if it had failed, but its work is not undone.
        "trap 'exit 1' INT; kill -INT 0",
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_cut_off_install_makes_venv_anew(ready, pip, shell):
    """Whichever was killed: pip, the shell or both. Shells differ in what they do at Ctrl-C."""
    (ready.root / RUN_LOCK).write_text("newer\n")
    assert ready.run(pip=pip, shell=shell)[0] != 0
    assert ready.calls() == [f"pip {RUN_LOCK}"]
    assert ready.run()[0] == 0
    assert ready.calls() == ["venv", f"pip {RUN_LOCK}"]


def test_lost_python_makes_venv_anew(ready):
    """The Python that .venv was made with has been removed from the machine."""
    (ready.venv / "bin/python").unlink()
    (ready.venv / "bin/python").symlink_to(ready.root / "gone")
    assert ready.run()[0] == 0
    assert ready.calls() == ["venv", f"pip {RUN_LOCK}"]


def test_runs_at_the_same_time_set_up_once(checkout):
    """The second waits for the first, says so, and finds the work done."""
    go = checkout.root / "go"
    os.mkfifo(go)
    first = checkout.start(pip=f"echo installed <'{go}'")
    assert first.stderr is not None
    first.stderr.readline()
    assert first.stderr.readline() == f"piety: installing {RUN_LOCK}\n"
    second = checkout.start()
    assert second.stderr is not None
    assert second.stderr.readline() == "piety: waiting for another set-up to end\n"
    go.open("w").close()
    # The first still runs Piety, which has not read its input to the end.
    assert second.communicate(timeout=LONG) == (f"<-P><-c><{MAIN}>", "")
    assert first.communicate(timeout=LONG) == (f"<-P><-c><{MAIN}>", "installed\n")
    assert checkout.calls() == ["venv", f"pip {RUN_LOCK}"]


def test_python_that_does_not_run_is_passed_over(checkout):
    """A shim of pyenv is there for every version, and fails for those that are not chosen."""
    checkout.add_python("python3", "#!/bin/sh\nexit 127\n")
    checkout.add_python("python3.12")
    assert "with " + str(checkout.bin / "python3.12") in checkout.run()[2]


@pytest.mark.parametrize("tool", ["tools/piety", "tools/test", "tools/lock"])
def test_no_python_is_said_in_one_line(checkout, tool):
    """The line names the versions that would do."""
    (checkout.bin / "python3").unlink()
    status, out, err = checkout.run(tool=tool)
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert "Python 3.11 to 3.14" in line


def read_lock(name: str) -> dict[str, str]:
    """Return the version that a lock file has for each package, having checked its form."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    versions = {}
    for entry in text.replace("\\\n", "").splitlines():
        requirement, *hashes = entry.split(" --hash=")
        pin = re.fullmatch(r"([a-z0-9-]+)==(\S+)( ; .+)?", requirement.strip())
        assert pin, entry
        assert pin[1] not in versions
        assert hashes
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each.strip()) for each in hashes)
        versions[pin[1]] = pin[2]
    return versions


@pytest.mark.parametrize("name", [RUN_LOCK, TEST_LOCK])
def test_each_locked_package_has_one_version_and_its_hashes(name):
    """So what is installed is what was tested, whatever an index serves."""
    assert read_lock(name)


@pytest.mark.parametrize("name", [RUN_LOCK, TEST_LOCK])
def test_locks_name_no_host(name):
    """Where packages come from is the user's own setting."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index" not in text


def test_locks_agree():
    """What both name has one version, as both go into one .venv."""
    run, test = read_lock(RUN_LOCK), read_lock(TEST_LOCK)
    assert test | run == run | test


@pytest.mark.parametrize(
    ("lock", "section", "option"),
    [(RUN_LOCK, "options", "install_requires"), (TEST_LOCK, "options.extras_require", "test")],
)
def test_ranges_in_setup_cfg_hold_the_locked_versions(lock, section, option):
    """Each range begins with the version that is tested, or below it. If this fails: tools/lock."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    versions = read_lock(lock)
    for line in config[section][option].split("\n"):
        if line:
            requirement = Requirement(line)
            assert versions[canonicalize_name(requirement.name)] in requirement.specifier, line
