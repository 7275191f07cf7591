"""Where a home is, and what lies in it; apart from the rest, because it must be known before anything is imported."""

from __future__ import annotations

import os
import sys

SOCKET = "socket"  # in a home: where its system is heard while it runs

Place = str | os.PathLike[str]


def default_home() -> str:
    """PIETY_HOME, or the platform's place for user data.  Raises `NoHome` if HOME is empty and that is needed."""
    if place := os.environ.get("PIETY_HOME"):
        return _expanded(place)
    if sys.platform == "linux":  # what platformdirs says, without the time that its import takes: an attach has 20 ms
        return os.path.join(os.environ.get("XDG_DATA_HOME", "").strip() or _expanded("~/.local/share"), "piety")
    from platformdirs import user_data_dir

    _expanded("~")  # it begins with that
    return user_data_dir("piety")


def absolute(home: Place | None) -> str:
    """The absolute path of a home; the default one for None."""
    return os.path.abspath(default_home() if home is None else _expanded(os.fspath(home)))


def _expanded(place: str) -> str:
    """A path with the folder of the user instead of `~`."""
    if place.partition("/")[0] == "~" and not os.environ.get("HOME", "?"):
        from piety.errors import NoHome

        raise NoHome("HOME is empty, so nobody can tell where ~ is; set it, or choose a home with --home or PIETY_HOME")
    return os.path.expanduser(place)


def command(words: str, home: Place) -> str:
    """A command to suggest, `piety` and these words, ready to be typed; it names the home if that is not the default.

        command("start", "/a b") == "piety start --home '/a b'"
    """
    from shlex import quote

    from piety.errors import NoHome

    line = f"piety {words}".rstrip()
    try:
        if absolute(None) == absolute(home):
            return line
    except NoHome:  # there is no default
        pass
    return f"{line} --home {quote(os.fspath(home))}"
