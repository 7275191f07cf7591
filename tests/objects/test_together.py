"""Turns that are committed together: each is whole by itself, and all of them are on disk or none."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import System
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import piety
from piety.errors import CommitFailed
from piety.objects.image import Evaluate
from piety.objects.storage import ImageStorage
from piety.objects.turns import QUIET, Outcome, Turn

PREPARED = """
from persistent import Persistent
class Counter(Persistent):
    def __init__(self): self.n = 0; self.tags = []
n = 0; items = []; world.counter = Counter(); world.items = []
"""
STATE = "n, items, world.counter.n, world.counter.tags, world.items"
CHANGES = [
    "n += 1", "items.append(n)", "world.counter.n += 1", "world.counter.tags.append(n)", "world.items = [*world.items, n]",
    "m = items", "del m", "world.other = Counter()", "world.other.tags.append(n)", "def f(): return n", "f()", "n",
    "world.counter = Counter()", "items = []",
]  # fmt: skip


class Quietly(Turn):
    """A turn that calls a function of the host."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def work(self) -> Any:
        return self.function()


def together(image: piety.Image, *sources: str, show: bool = False) -> list[Outcome]:
    """Evaluate each source as a turn of its own, and commit them together."""
    return [outcome for _turn, outcome in image.run(Evaluate(image, source, show=show) for source in sources)]


def transactions(image: piety.Image) -> int:
    return len(image.storage.undoLog(0, 10_000))


@pytest.fixture
def prepared(system: System) -> System:
    """An image with variables, a persistent object and a list that hangs on the world."""
    system.run(PREPARED)
    return system


def test_they_are_one_transaction(prepared: System) -> None:
    """With the lines of all of them in the log."""
    before = transactions(prepared.image)
    outcomes = together(prepared.image, "n = 1", "items.append(n)", "world.counter.tags.append(n); n")
    assert [(each.value, each.error) for each in outcomes] == [(None, None), (None, None), (1, None)]
    assert transactions(prepared.image) == before + 1
    with prepared.image.storage.log() as log:
        assert next(log.backwards()).what == "n = 1; items.append(n); world.counter.tags.append(n); n"
    assert prepared.elsewhere(STATE) == ["(1, [1], 0, [1], [])"]


def test_one_that_fails_is_undone_alone(prepared: System) -> None:
    """What came before it stays, and what comes after it sees nothing of it."""
    outcomes = together(
        prepared.image,
        "n = 1; items.append(1); world.counter.tags.append(1)",
        "n = 2; items.append(2); world.counter.tags.append(2); world.counter.n = 2; world.new = 1; 1 / 0",
        "items.append(n); seen = (n, list(items), list(world.counter.tags), hasattr(world, 'new'))",
    )
    assert [type(each.error) for each in outcomes] == [type(None), ZeroDivisionError, type(None)]
    assert prepared.run("seen") == (1, [1, 1], [1], False)
    assert prepared.elsewhere(STATE) == ["(1, [1, 1], 0, [1], [])"]


@pytest.mark.parametrize("first", ["1 / 0", "items.append(1); n = 1; 1 / 0"])
def test_the_first_one_may_fail(prepared: System, first: str) -> None:
    """There is no savepoint to go back to then."""
    outcomes = together(prepared.image, first, "items.append(n)", "n = 5")
    assert [each.error is None for each in outcomes] == [False, True, True]
    assert prepared.elsewhere(STATE) == ["(5, [0], 0, [], [])"]


def test_what_each_prints_is_its_own(prepared: System) -> None:
    """Also of one that fails, and of one that printed nothing."""
    outcomes = together(prepared.image, "print('a')", "n = 1", "print('b'); 1 / 0", "print('c')")
    assert [each.output for each in outcomes] == ["a\n", "", "b\n", "c\n"]


def test_a_value_that_is_shown_is_there_for_the_next(prepared: System) -> None:
    """`_` belongs to the shell, and follows turn by turn."""
    outcomes = together(prepared.image, "40 + 2", "_ + 1", "items", "_.append(7)", show=True)
    assert [each.value for each in outcomes[:2]] == [42, 43]
    assert prepared.elsewhere("items") == ["[7]"]


def test_an_object_made_in_one_turn_is_changed_in_the_next(prepared: System) -> None:
    """It has a number and a place in the savepoint, but is not on disk yet."""
    together(prepared.image, "world.new = Counter()", "world.new.tags.append(1)", "world.new.tags.append(2); 1 / 0")
    assert prepared.elsewhere("world.new.tags") == ["[1]"]


def test_nothing_is_reported_done_before_it_is_on_disk(prepared: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that fails undoes all of the turns, and each says so; the system goes on."""
    before = prepared.show(STATE)
    finish = ImageStorage._finish

    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ImageStorage, "_finish", full)
        outcomes = together(
            prepared.image,
            "n = 1; items.append(1); world.counter.tags.append(1)",
            "1 / 0",
            "items.append(2); world.new = Counter(); 5",
            "world.new.tags.append(3); def_ = 1\ndef f(): return 1",
        )
    assert ImageStorage._finish is finish
    assert [type(each.error) for each in outcomes] == [CommitFailed, ZeroDivisionError, CommitFailed, CommitFailed]
    assert [each.value for each in outcomes] == [None] * 4
    assert prepared.show(STATE) == before
    assert isinstance(prepared.fail("f"), NameError)
    together(prepared.image, "items.append(1)", "items.append(2)")
    assert prepared.elsewhere("items, hasattr(world, 'new')") == ["([1, 2], False)"]


def test_a_savepoint_that_fails_undoes_all(prepared: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that had not begun are not done either."""
    before = prepared.show(STATE)
    begun: list[int] = []

    def full() -> None:
        raise OSError(28, "No space left on device")

    def begin() -> None:
        begun.append(1)

    turns: list[Turn] = [Evaluate(prepared.image, "items.append(1)"), Quietly(begin), Quietly(begin)]
    with monkeypatch.context() as patch:
        patch.setattr(prepared.image._connection, "savepoint", full)
        done = prepared.image.run(turns)
    assert [turn for turn, _outcome in done] == turns
    assert [type(outcome.error) for _turn, outcome in done] == [CommitFailed] * 3
    assert begun == []
    assert prepared.show(STATE) == before


def test_turns_that_change_nothing_write_nothing(prepared: System) -> None:
    """Neither on disk nor to the outcome."""
    file = prepared.file()
    done = prepared.image.run([Quietly(lambda: None)] * 3)
    assert [outcome for _turn, outcome in done] == [QUIET] * 3
    together(prepared.image, "n", "len(items)", "world.counter.tags")
    assert prepared.file() == file


def test_a_transaction_that_stays_open_is_gone_on_with(prepared: System) -> None:
    """For a loop that goes on at once: nothing is begun anew where nothing was done."""
    begun: list[int] = []
    begin = prepared.image._connection.transaction_manager.begin
    prepared.image._connection.transaction_manager.begin = lambda: begun.append(1) or begin()
    for _ in range(3):
        prepared.image.run([Quietly(lambda: None)], stay_open=True)
    assert begun == [1]
    together(prepared.image, "n = 7")
    assert begun == [1]
    del prepared.image._connection.transaction_manager.begin
    assert prepared.elsewhere("n") == ["7"]


def test_an_image_with_an_open_transaction_closes(prepared: System) -> None:
    """And is as it was."""
    prepared.image.run([Quietly(lambda: None)], stay_open=True)
    prepared.resume()
    assert prepared.run("n") == 0


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.booleans()), min_size=1, max_size=12), st.integers(1, 4))
def test_together_is_as_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, bool]], size: int
) -> None:
    """Whatever fails among them: what the image has in the end is the same."""
    sources = [f"{source}; 1 / 0" if fails and "def" not in source else source for source, fails in turns]
    states = []
    for at_once in (1, size):
        home = tmp_path_factory.mktemp("home")
        with piety.open(home / "h", create=True) as image:
            assert image.evaluate(PREPARED).error is None
            errors = []
            for begin in range(0, len(sources), at_once):
                outcomes = together(image, *sources[begin : begin + at_once])
                errors += [type(each.error) for each in outcomes]
            live = image.show(image.evaluate(STATE).value)
        with piety.open(home / "h") as image:
            states.append((errors, live, image.show(image.evaluate(STATE).value)))
            assert live == states[-1][2]
    assert states[0] == states[1]
