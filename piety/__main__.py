"""`python -m piety` and the command `piety`."""

from __future__ import annotations

import os
import sys

from piety import places
from piety.errors import NoHome


def main() -> None:
    """Run the command line; or attach to a running system at once, without all that the other commands need."""
    if sys.argv[1:] in ([], ["attach"]) and os.isatty(0) and os.isatty(1):
        _attach_at_once()
    from piety.deferred import starting

    with starting():
        from piety.cli import piety
    piety(prog_name="piety")


def _attach_at_once() -> None:
    """Attach, and exit, if a system runs in the default home; else the slow way mends it, or tells what to do."""
    try:
        place = places.absolute(None)
    except NoHome:
        return
    if not os.path.exists(f"{place}/{places.SOCKET}"):
        return
    from piety.browser.attach import WrongVersion, attach
    from piety.browser.wire import Gone

    try:
        sys.exit(attach(place))
    except (Gone, WrongVersion):
        return


if __name__ == "__main__":
    main()
