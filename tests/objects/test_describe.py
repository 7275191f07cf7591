"""What an image says of itself."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from piety.objects.describe import describe_image

if TYPE_CHECKING:
    from conftest import System


def test_facts(system: System) -> None:
    """The counts, the sizes and the last turn; all of it can be written as JSON."""
    before = describe_image(system.image)
    system.image.modules["notes"] = "x = 1"
    system.run("from persistent import Persistent\nclass Note(Persistent): pass", "a = 1; b = [2]")
    system.image.evaluate("world.notes = [Note() for _ in range(10)]", user="eve")
    facts = describe_image(system.image)
    assert facts["home"] == str(system.home)
    assert facts["modules"] == before["modules"] + 1
    assert (facts["variables"], facts["definitions"]) == (2, 2)
    assert facts["objects"] >= before["objects"] + 10
    assert facts["size"] == (system.home / "image" / "image.fs").stat().st_size
    assert facts["index_size"] > 0
    assert (facts["last_turn_by"], facts["last_turn"]) == ("eve", "world.notes = [Note() for _ in range(10)]")
    moment = datetime.fromisoformat(facts["last_turn_at"])
    assert moment.utcoffset() is not None
    assert abs(datetime.now(moment.tzinfo) - moment) < timedelta(minutes=1)
    assert json.loads(json.dumps(facts)) == facts


def test_facts_load_nothing_of_the_user(system: System) -> None:
    """They are asked for often, and of large images."""
    system.run(
        "from persistent import Persistent\nfrom BTrees.IOBTree import IOBTree\nclass Note(Persistent): pass",
        "world.notes = IOBTree({n: Note() for n in range(2000)})",
        "rows = list(range(10_000))",
    )
    system.resume()
    loaded = []
    system.image._connection.on_load = lambda obj, state, record: loaded.append(type(obj).__name__)
    describe_image(system.image)
    assert not {"Note", "Group", "IOBTree", "IOBucket"} & set(loaded)
    assert len(loaded) < 10


def test_asking_is_no_turn(system: System) -> None:
    """The last turn stays what it was."""
    before = system.file()
    describe_image(system.image)
    assert system.file() == before
