"""The transactions of an image: the shorter way, and the library's own where somebody else takes part."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import transaction
from transaction.interfaces import AlreadyInTransaction, NoTransaction, TransactionFailedError
from ZODB.Connection import Savepoint

from piety.objects import transactions
from piety.objects.saved import Saved
from piety.objects.transactions import Transactions
from tests.conftest import System


class Other:
    """Another store, or a listener, that notes what it is told."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(_transaction: object) -> None:
            self.told.append(name)
            if name == self.fails:
                raise ValueError(name)

        return call

    def sortKey(self) -> str:
        """After the image."""
        return "~"


def test_the_private_names_of_the_library_are_there() -> None:
    """Those that the head of the module lists, used by the methods that it stands in for."""
    begin, commit = inspect.getsource(transaction.TransactionManager.begin), inspect.getsource(transaction.Transaction)
    assert all(name in begin for name in ("_txn", "_synchs", "_new_transaction"))
    listed = re.findall(r"[ ,]\.?(_\w+)", transactions.__doc__.partition("Transaction._manager")[2])
    assert {"_resources", "_after_commit", "_savepoint2index", "_cleanup", "_free"} <= set(listed)
    for name in ("_manager", *listed):
        assert f"self.{name}" in commit, name


def test_one_at_a_time(system: System) -> None:
    """Each is begun explicitly."""
    manager: Transactions = system.image._connection.transaction_manager
    with pytest.raises(NoTransaction):
        manager.get()
    manager.begin()
    with pytest.raises(AlreadyInTransaction):
        manager.begin()
    manager.abort()


@pytest.mark.parametrize("fails", ["", "tpc_vote"])
def test_another_store_takes_part(system: System, fails: str) -> None:
    """A library's own, that joins the turn: either both are written, or none."""
    other = Other(fails)
    system.image.offer = lambda _name: other
    outcome = system.image.evaluate("kept = 1; world._p_jar.transaction_manager.get().join(other)")
    assert isinstance(outcome.error, ValueError) is bool(fails)
    assert system.image.evaluate("'kept' in globals()").value is not bool(fails)
    assert other.told[:3] == ["tpc_begin", "commit", "tpc_vote"]
    assert other.told[-1] == "tpc_finish" if not fails else "tpc_abort" in other.told


def test_listeners_and_hooks_are_told(system: System) -> None:
    """Of each begin and end."""
    listener, called = Other(), []
    manager = system.image._connection.transaction_manager
    manager.registerSynch(listener)
    system.image.offer = lambda _name: called.append
    system.run("n = 1; world._p_jar.transaction_manager.get().addAfterCommitHook(note)")
    assert listener.told == ["newTransaction", "beforeCompletion", "afterCompletion"]
    assert called == [True]
    manager.unregisterSynch(listener)
    system.run("n = 2")
    assert len(listener.told) == 3


def test_after_a_commit_that_failed_the_next_one_is_whole(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of the failed one is there."""

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(system.image.storage, "_finish", full)
        assert system.fail("n = 1; world.x = 1")
    system.run("m = 2")
    assert system.elsewhere("'n' in globals(), hasattr(world, 'x'), m") == ["(False, False, 2)"]


def test_nothing_is_written_after_a_savepoint_that_failed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the turn has caught what it raised: what was saved up to there may be a part of what was to be."""

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Saved, "store", full)
        source = "world.x = 1\ntry:\n    with trial(): pass\nexcept Exception as error: caught = str(error)"
        assert isinstance(system.fail(source), TransactionFailedError)
    system.run("m = 2")
    assert system.elsewhere("'caught' in globals(), hasattr(world, 'x'), m") == ["(False, False, 2)"]


def test_a_savepoint_and_the_commit_behind_it_take_the_shorter_way(system: System) -> None:
    """And it can be gone back to."""
    manager, world = system.image._connection.transaction_manager, system.image.world
    begun = manager.begin()
    world.x = 1
    savepoint = begun.savepoint()
    assert isinstance(savepoint, Savepoint)
    world.x = 2
    savepoint.rollback()
    assert world.x == 1
    begun.commit()
    assert system.elsewhere("world.x") == ["1"]
