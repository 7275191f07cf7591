"""`python -m piety` and the command `piety`."""

from __future__ import annotations

import os
import sys

from piety import places


def main() -> None:
    """Run the command line; or attach to a running system at once, without all that the other commands need."""
    # Without a HOME there may be no default home: the command line says so.
    if sys.argv[1:] in ([], ["attach"]) and os.isatty(0) and os.isatty(1) and os.environ.get("HOME") != "":
        place = places.absolute(None)
        if os.path.exists(f"{place}/{places.SOCKET}"):
            _attach(place)
    from piety.deferred import starting

    with starting():
        from piety.cli import piety
    piety(prog_name="piety")


def _attach(place: str) -> None:
    from piety.browser.attach import WrongVersion, attach
    from piety.browser.wire import Gone

    try:
        sys.exit(attach(place))
    except (Gone, WrongVersion):  # the slow way mends it, or tells what to do
        return


if __name__ == "__main__":
    main()
