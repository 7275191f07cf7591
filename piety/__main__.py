"""`python -m piety` and the command `piety`.

What is done most, and should be done at once, goes without the command line and all that it needs: attaching to a
running system, and evaluating one source.
"""

from __future__ import annotations

import os
import sys

from piety import places


def main() -> None:
    """Run the command line."""
    # Without a HOME there may be no default home: the command line says so.
    if sys.argv[1:] in ([], ["attach"]) and os.isatty(0) and os.isatty(1) and os.environ.get("HOME") != "":
        place = places.absolute(None)
        if os.path.exists(f"{place}/{places.SOCKET}"):
            _attach(place)
    # Where a word might be an option, or no text, the command line knows what to do.
    if len(sys.argv) == 3 and sys.argv[1] == "eval" and not sys.argv[2].startswith("-") and sys.argv[2].isascii():
        sys.exit(_evaluate(sys.argv[2]))
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


def _evaluate(source: str) -> int:
    from piety.home import Home, status_of

    try:
        return status_of(lambda: Home().perform("evaluate", source=source))
    except KeyboardInterrupt:
        sys.stderr.write("\nAborted!\n")  # as all commands say it
        return 1


if __name__ == "__main__":
    main()
