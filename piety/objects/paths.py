"""How objects refer to each other, as a person would write it; read from records, so that nothing is loaded.

A record is a class and a state; in the state, a reference to a persistent object stands as its ghost.
"""

from __future__ import annotations

from typing import Any

from persistent import Persistent
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping

from piety.objects.nodes import items
from piety.objects.variables import Group


def step(kind: Any, state: Any, oid: bytes) -> str:
    """How an object of this class and state refers to another: `.name`, `['key'][2]`, or nothing within a tree."""
    if kind.__module__.startswith("BTrees."):
        for key, value in items(kind, state):
            if (rest := trail(value, oid)) is not None:
                return f"[{brief(key)}]{rest}"
        return ""
    way = trail(state, oid) or ""
    if kind is Group:
        return way.removeprefix("['values']['").replace("']", "", 1)
    if kind is PersistentMapping and way.startswith("['data']['world']"):
        return "world"
    if issubclass(kind, (PersistentMapping, PersistentList)):
        way = way.removeprefix("['data']")
    elif way.startswith("['"):
        way = "." + way[2:].replace("']", "", 1)
    return way


def trail(state: Any, oid: bytes) -> str | None:
    """Where in plain objects the reference to an object stands; None if it does not."""
    todo, seen = [("", state)], set()
    for trail, each in todo:
        if issubclass(type(each), Persistent):
            if each._p_oid == oid:
                return trail
        elif id(each) not in seen:
            seen.add(id(each))
            if isinstance(each, dict):
                todo += [(f"{trail}[{brief(key)}]", value) for key, value in each.items()]
            elif isinstance(each, (list, tuple)):
                todo += [(f"{trail}[{number}]", value) for number, value in enumerate(each)]
            elif isinstance(each, (set, frozenset)):
                todo += [(trail, value) for value in each]
            elif isinstance(getattr(each, "__dict__", None), dict) and not isinstance(each, type):
                todo += [(f"{trail}.{name}", value) for name, value in vars(each).items()]
    return None


def brief(thing: Any) -> str:
    """A key, or what an error came from, in a few words on one line."""
    while isinstance(thing, BaseException) and thing.__cause__ is not None:
        thing = thing.__cause__
    try:
        text = f"{type(thing).__name__}: {thing}" if isinstance(thing, BaseException) else repr(thing)
    except Exception as error:  # a repr may do anything
        text = f"its repr fails with {type(error).__name__}"
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:200]} ..."  # a line that can be read
