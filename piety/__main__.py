"""`python -m piety` and the command `piety`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; a mistake that a person can mend is one line and exit status 2."""
    from piety.cli import piety

    piety(prog_name="piety")


if __name__ == "__main__":
    main()
