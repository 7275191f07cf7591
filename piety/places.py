"""Where a home is, and what lies in it; apart from the rest, because it must be known before anything is imported."""

from __future__ import annotations

import os
import sys

SOCKET = "socket"  # in a home: where its system is heard while it runs

Place = str | os.PathLike[str]


def default_home() -> str:
    """PIETY_HOME, or the platform's place for user data."""
    if place := os.environ.get("PIETY_HOME"):
        return os.path.expanduser(place)
    if sys.platform == "linux":  # what platformdirs says, without the time that its import takes: an attach has 20 ms
        return os.path.join(
            os.environ.get("XDG_DATA_HOME", "").strip() or os.path.expanduser("~/.local/share"), "piety"
        )
    from platformdirs import user_data_dir

    return user_data_dir("piety")


def absolute(home: Place | None) -> str:
    """The absolute path of a home; the default one for None."""
    return os.path.abspath(os.path.expanduser(default_home() if home is None else home))
