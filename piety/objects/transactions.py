"""The transactions of an image.

They are the library's, with a shorter way where only the image takes part in one, as nearly always: the library can
coordinate any number of stores and listeners, and asking for them takes a tenth of the time of a small turn.

The shorter way does for one store what `Transaction.commit`, `Transaction.savepoint` and `TransactionManager.begin` do
for each, in the same order.  These private names of the library are used here, and nowhere else:

    TransactionManager._txn, ._synchs   the transaction that runs; who is told when one begins and ends
    Transaction._manager, ._resources   the manager; the stores that take part
    Transaction._before_commit, ._after_commit, ._savepoint2index   what asks for the long way
    Transaction._voted, ._cleanup, ._saveAndRaiseCommitishError, ._free   how a commit fails, and ends
"""

from __future__ import annotations

from typing import Any

from transaction import Transaction, TransactionManager
from transaction._transaction import Status
from transaction.interfaces import AlreadyInTransaction


class Transactions(TransactionManager):
    """The transactions of one connection to an image, one at a time; each is begun explicitly."""

    def __init__(self) -> None:
        super().__init__(explicit=True)
        self.image: Any = None  # the connection

    def registerSynch(self, synch: Any) -> None:
        """Tell somebody of each transaction; the connection is the first who wants that."""
        super().registerSynch(synch)
        if self.image is None:
            self.image = synch

    def begin(self) -> Transaction:
        """Begin a transaction.  Raises `AlreadyInTransaction`."""
        if self._txn is not None:  # type: ignore[has-type]
            raise AlreadyInTransaction
        transaction = self._txn = _Transaction(self._synchs, self)
        if self.is_alone:
            self.image.newTransaction(transaction)
        else:
            self._synchs.map(lambda synch: synch.newTransaction(transaction))
        return transaction

    @property
    def is_alone(self) -> bool:
        """Whether nobody but the connection is told."""
        return len(self._synchs) == 1


class _Transaction(Transaction):
    def savepoint(self, optimistic: bool = False) -> Any:
        """A place to which the transaction can `rollback()`; if that cannot be made, the transaction has failed.

        Going back to one does not end those that were made after it: who makes them knows which is the newest.
        """
        image = self._manager.image
        if self.status is not Status.ACTIVE or self._resources != [image] or self._savepoint2index:
            return super().savepoint(optimistic)
        try:
            return image.savepoint()
        except BaseException:
            self._cleanup([image])
            self._saveAndRaiseCommitishError()

    def commit(self) -> None:
        """Write what has changed, or raise why that cannot be done; then `abort` is to be called."""
        image = self._manager.image
        if (
            self.status is not Status.ACTIVE  # type: ignore[has-type]
            or self._resources != [image]
            or self._savepoint2index
            or self._before_commit
            or self._after_commit
            or not self._manager.is_alone
        ):
            super().commit()
            return
        self.status = Status.COMMITTING
        try:
            image.tpc_begin(self)
            image.commit(self)
            image.tpc_vote(self)
            self._voted[id(image)] = True
            image.tpc_finish(self)
        except BaseException:
            self._cleanup([image])
            image.afterCompletion(self)
            self._saveAndRaiseCommitishError()
        self.status = Status.COMMITTED
        image.afterCompletion(self)
        self._free()
