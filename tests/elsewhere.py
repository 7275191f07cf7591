"""A process of its own that opens images on demand; `tests/conftest.py` starts one per hash seed.

It reads one request a line, {"home": path, "sources": [...]}, and answers with one line: what each source gave, as
`image.show` shows it, or the last line of its traceback.
"""

import json
import sys
from pathlib import Path


def answer(home: str, sources: list[str]) -> list[str]:
    """What each source gives, evaluated as a turn of the image in `home`."""
    import piety

    answers = []
    with piety.open(Path(home)) as image:
        for source in sources:
            outcome = image.evaluate(source)
            answers.append(image.show(outcome.value) if outcome.error is None else outcome.traceback.splitlines()[-1])
    return answers


def main() -> None:
    """Answer requests until the input ends."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main()
