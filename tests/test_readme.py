"""What the texts show is what one gets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from piety import daemon

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import walkthrough  # noqa: E402 - it lies beside this file

SAMPLE = """\
# A sample

```sh
rm -rf this is not run
```

```console
$ piety new
a new home at ...
$ piety eval "40 + 2"
42
$ echo 'x = 1
> x + 1' | piety shell
2
```

Then:

```pycon
>>> def double(n):
...     return 2 * n
...
>>> double(x)
2
>>> _ + 1
3
>>> 1 / 0
Traceback (most recent call last):
  ...
ZeroDivisionError: division by zero
>>> print("a\\n\\nb")
a

b
```

And the next day:

```console
$ piety
Piety greets
>>> double(21)
42
>>> exit
$ piety eval double
<function double at 0x...>
```
"""


def differences(text: str, folder: Path) -> list[walkthrough.Difference]:
    """What differs when a text is typed along."""
    return list(walkthrough.Walkthrough(folder).differences(text))


def test_a_text_that_is_right_passes(tmp_path: Path) -> None:
    """Commands, sources of several lines, tracebacks, a shell that is left and begun again."""
    assert [str(each) for each in differences(SAMPLE, tmp_path)] == []


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ('eval "40 + 2"\n42', 'eval "40 + 2"\n43', 10),
        (">>> double(21)\n42", ">>> double(21)\n4", 42),
        (">>> _ + 1\n3", ">>> _ + 1", 25),
        ("division by zero", "division by one", 27),
        (">>> exit\n", ">>> exit\nBye", 44),
        ("a\n\nb\n```", "a\nb\n```", 31),
    ],
)
def test_a_wrong_expectation_is_found(tmp_path: Path, right: str, wrong: str, line: int) -> None:
    """And named with its line; nothing else is."""
    assert right in SAMPLE
    found = differences(SAMPLE.replace(right, wrong), tmp_path)
    assert [each.example.line for each in found] == [line], [str(each) for each in found]


RUNNING = """\
```console
$ export PIETY_HOME=~/"another home"
$ piety
$ piety status
the system runs since ...
$ piety run --until-idle
piety: ...
$ echo $PIETY_HOME
.../another home
```
"""


def test_the_system_runs_on_as_it_does_for_a_person(tmp_path: Path) -> None:
    """From the first `$ piety` on, in the home that the text names; at the end of the text it is stopped."""
    assert [str(each) for each in differences(RUNNING, tmp_path)] == []
    assert daemon.status(str(tmp_path / "another home")) is None


def test_a_block_begins_with_a_prompt(tmp_path: Path) -> None:
    """A block that cannot be run is a mistake of the text."""
    with pytest.raises(ValueError, match="line 2: a block begins with a prompt"):
        differences("```pycon\nhello\n```\n", tmp_path)


def test_the_readme_can_be_typed_along() -> None:
    """All of it, in order, in a new home."""
    readme = HERE.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert list(walkthrough.examples(text)), "the README has a session to type along"
    assert walkthrough.run(readme) == []
