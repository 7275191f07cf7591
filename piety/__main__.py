"""`python -m piety` and the command `piety`."""

from __future__ import annotations

from piety.deferred import starting


def main() -> None:
    """Run the command line."""
    with starting():
        from piety.cli import piety
    piety(prog_name="piety")


if __name__ == "__main__":
    main()
