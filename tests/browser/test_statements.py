"""Where statements end: in a stream of lines, and at a prompt."""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from piety.browser.statements import is_whole, statements

SCRIPT = '''\
#!/usr/bin/env python
import os
x = 1; y = 2
|
def f(a):
    """A text

not indented
"""

    b = [
1,
]
# a comment at the margin
    return a

|
f(1)
|
@decorated
@decorated_again(
  1)
class A:
    x = 1

    def m(self):
        pass
|
if x:
    pass
elif y:
    pass

# a comment between
else:
    pass
|
try:
    x
except ValueError:
    pass
finally:
    pass
|
z = [
  1,
  2]
|
s = """a
b
c"""
|
t = 1 + \\
2
|
if x: y
|
while 1: break
else: 3
|
async def h():
    await z
|
match x:
    case 1: pass
|
match = 3
|
f"""{
x
}"""
|
with a as b, \\
     c as d:
    pass
'''


def cut(source: str) -> list[str]:
    """The statements of a source."""
    return list(statements(source.splitlines(keepends=True)))


def nodes(source: str) -> list[str]:
    """What Python reads in a source, without its places."""
    return [ast.dump(node) for node in ast.parse(source).body]


def test_each_statement_of_a_script_comes_out_whole() -> None:
    """The bars in the script are the cuts, and nothing else is; `x = 1; y = 2` is one, as it was typed on one line."""
    parts = SCRIPT.split("|\n")
    expected = ["import os\n", "x = 1; y = 2\n", *parts[1:]]
    assert [part.strip() for part in cut(SCRIPT.replace("|\n", ""))] == [part.strip() for part in expected]


@pytest.mark.parametrize("name", ["argparse", "dataclasses", "enum", "inspect", "textwrap", "typing", "antigravity"])
def test_real_modules_are_cut_as_python_reads_them(name: str) -> None:
    """Modules of the standard library: all their statements, each in a part of its own."""
    source = Path(os.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    parts = cut(source)
    assert [node for part in parts for node in nodes(part)] == nodes(source)
    assert len(parts) == len({node.lineno for node in ast.parse(source).body})


def test_a_simple_statement_comes_out_before_the_next_line_is_read() -> None:
    """Somebody at the other end of the pipe may wait for the answer before going on."""
    read: list[str] = []

    def lines() -> Iterator[str]:
        for line in ("x = [\n", "1]\n", "y = 2\n"):
            read.append(line)
            yield line

    parts = statements(lines())
    assert (next(parts), len(read)) == ("x = [\n1]\n", 2)
    assert (next(parts), len(read)) == ("y = 2\n", 3)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("x = = 1\ny = 2\n", ["x = = 1\n", "y = 2\n"]),
        ("s = 'abc\ny = 2\n", ["s = 'abc\n", "y = 2\n"]),
        ("if x = 1:\n    a\nelse:\n    b\ny = 2\n", ["if x = 1:\n    a\nelse:\n    b\n", "y = 2\n"]),
        ("def f():\n    s = 'abc\n    return s\ny = 2\n", ["def f():\n    s = 'abc\n    return s\n", "y = 2\n"]),
        ("f(\ndef g():\n    pass\ny = 2\n", ["f(\n", "def g():\n    pass\n", "y = 2\n"]),
        ("x = $\ny = 2\n", ["x = $\n", "y = 2\n"]),
        ("x = 1)\ny = 2\n", ["x = 1)\n", "y = 2\n"]),
        ("def f():\n        a\n    b\ny = 2\n", ["def f():\n        a\n    b\n", "y = 2\n"]),
        ("x = (1,\n", ["x = (1,\n"]),
        ("s = '''abc\n\n", ["s = '''abc\n\n"]),
        ("@decorated\n", ["@decorated\n"]),
        ("# nothing\n\n", []),
        ("x = 1", ["x = 1"]),
        ("x = 1\r\ny = 2\r\n", ["x = 1\r\n", "y = 2\r\n"]),
        ("x = '\0'\ny = 2\n", ["x = '\0'\n", "y = 2\n"]),
    ],
)
def test_what_is_wrong_comes_out_and_the_rest_follows(source: str, parts: list[str]) -> None:
    """A mistake costs its statement, not the script."""
    assert cut(source) == parts


def test_long_literals_are_cut_in_linear_time() -> None:
    """Ten thousand lines at the margin, in brackets or in a string, would take minutes if each asked about all."""
    rows = "".join(f"({number}, 'don''t'),\n" for number in range(10_000))
    begun = time.perf_counter()
    assert len(cut(f"x = [\n{rows}]\ny = '''\n{rows}'''\nz = 1\n")) == 3
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize(
    "source",
    [
        "", "# c", "x = 1", "x = 1\ny = 2", "f(\n1)", "def f():\n    return 1\n", "def f():\n    return 1\n    ",
        "if x: y\n", "def f():\n    return 1\nf()", "x = = 1", "x = '", "  x = 1", "\0", "class A:\n    x = = 1\n",
    ],
)  # fmt: skip
def test_ready_to_run(source: str) -> None:
    """Whole, or wrong for good."""
    assert is_whole(source)


@pytest.mark.parametrize(
    "source",
    [
        "f(", "x = [1,\n", "'''a", "'''a\n", "f'''a\n", "1 + \\", "def f():", "def f():\n", "def f():\n    return 1",
        "if x: y", "if x:\n    y\nelse:", "try:\n    x\n", "@decorated", "@decorated\n", "class A: pass",
        "class A:\n    x = = 1",
        "x = 1\ndef f():\n    return 1", "def f():\n    '''a\n\n",
    ],
)  # fmt: skip
def test_wants_more_lines(source: str) -> None:
    """Something is open, or a block may go on."""
    assert not is_whole(source)
