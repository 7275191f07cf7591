"""What the tests of fronts stand on."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest
from desktops import Desk
from served import Served

GARDEN = """
from persistent import Persistent
class Note(Persistent):
    def __init__(self, title): self.title, self.friends = title, []
    @view("Letters", priority=10)
    def letters(self): return Table(["letter"], [(each,) for each in self.title])
    @view("Doing")
    def doing(self): return Actions({"Shout": self.shout})
    @view("Hang")
    def hang(self):
        while True: pass
    def shout(self): self.title = self.title.upper()
lisp, dear = Note("lisp"), Note("dear"); lisp.friends.append(dear)
garden = {"sunny": ["tomatoes", "basil"], "note": lisp}
"""


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """Processes inherit that Ctrl-C is ignored, if the tests themselves were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def running(served: Served) -> Served:
    served.start()
    served.evaluate(GARDEN)
    return served


@pytest.fixture
def desks(running: Served) -> Iterator[Callable[..., Desk]]:
    """Opens desktops, which are closed at the end."""
    opened: list[Desk] = []

    def begin(*args: object, **options: object) -> Desk:
        opened.append(Desk(running, *args, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield begin
    for each in opened:
        with contextlib.suppress(OSError):
            each.talk.close()
