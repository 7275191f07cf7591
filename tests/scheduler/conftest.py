"""What the tests of the scheduler stand on.

running     an open image with a `System` over it, and a clock that the test moves
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import System
from running import Running

from piety.scheduler import clock


@pytest.fixture
def running(system: System, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A running system on a fresh home."""
    running = Running(system)
    monkeypatch.setattr(clock, "now", lambda: running.now)
    yield running
    running.system.loop.effects.close()
