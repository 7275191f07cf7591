"""What time it is, for everything that waits; tests put a clock of their own here."""

from __future__ import annotations

import time
from collections.abc import Callable

now: Callable[[], float] = time.time  # seconds since the epoch: what is due must mean the same in the next process
