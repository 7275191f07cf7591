"""Turns that seem to touch nothing, and do: none of them is taken for a quiet one."""

from __future__ import annotations

import pytest
from running import Running

NOTE = "from persistent import Persistent\nclass Note(Persistent):\n    def __init__(self, tags): self.tags = tags\n    def add(self): self.tags.append(1)"

# How the world is made, what the task does, and what is to be seen afterwards, also after a restart.
DEEDS = {
    "a plain list of an object": ("world.note = Note([])", "world.note.add", "world.note.tags", [1]),
    "a plain list of two objects": (
        "tags = []; world.note, world.other = Note(tags), Note(tags); del tags", "world.note.add", "world.other.tags", [1],
    ),
    "a variable that is changed": ("x = []", "lambda: x.append(1)", "x", [1]),
    "a variable that is deleted": ("x = 1\ndef drop():\n    global x\n    del x", "drop", "'x' in globals()", False),
    "a definition that is deleted": (
        "def x(): pass\ndef drop():\n    global x\n    del x", "drop", "'x' in globals()", False,
    ),
    "a variable of a module": (
        "image.modules['counter'] = '__state__ = \"n\",\\nn = 0\\ndef up():\\n    global n\\n    n += 1\\n'; import counter",
        "counter.up", "counter.n", 1,
    ),
    "what was shown": ("x = [[]]", "lambda: x[0].append(1)", "x", [[1]]),
}  # fmt: skip


@pytest.mark.parametrize(("made", "deed", "asked", "expected"), DEEDS.values(), ids=DEEDS)
def test_what_a_quiet_task_has_changed_is_kept(running: Running, made: str, deed: str, asked: str, expected: object) -> None:
    """It prints nothing, assigns nothing and has no value."""
    running.run(NOTE, made, f"t = spawn(every(1), {deed})")
    storage = running.under.image.storage
    before = storage.lastTransaction()
    running.go(1)
    assert storage.lastTransaction() != before, "a later turn would find it, if there is one"
    running.run("t.cancel()")
    assert running.failed() == []
    assert running.run(asked) == expected
    running.resume()
    assert running.run(asked) == expected
