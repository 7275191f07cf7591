"""What values look like from within: their contents, and which of them are the same object.

`shape` gives equal texts for two namespaces exactly if a program could not tell them apart.  It is imported by the
processes of the tests, and used inside of images too.
"""

from typing import Any

_HIDDEN = ("_p_", "_v_", "__")


def shape(values: dict[str, Any]) -> str:
    """The shape of a namespace, name by name; an object met again is a number."""
    seen: dict[int, int] = {}
    return "\n".join(f"{name} = {_shape(values[name], seen)}" for name in sorted(values))


def _shape(value: Any, seen: dict[int, int]) -> str:
    kind = type(value)
    if kind is tuple:
        return f"({' '.join(_shape(each, seen) for each in value)})"
    if kind is frozenset:
        return f"frozen{sorted(_shape(each, {}) for each in value)}"
    mutable = kind in (list, dict, set, bytearray) or (
        hasattr(value, "__dict__") and not hasattr(value, "__qualname__")
    )
    if not mutable:
        return f"{value.__qualname__}" if hasattr(value, "__qualname__") else f"{kind.__name__}:{value!r}"
    if id(value) in seen:
        return f"#{seen[id(value)]}"
    number = seen[id(value)] = len(seen)
    if kind is list:
        return f"#{number}[{' '.join(_shape(each, seen) for each in value)}]"
    if kind is dict:
        return f"#{number}{{{' '.join(f'{_shape(key, seen)}:{_shape(each, seen)}' for key, each in value.items())}}}"
    if kind is set:
        return f"#{number}set{sorted(_shape(each, {}) for each in value)}"
    if kind is bytearray:
        return f"#{number}{value!r}"
    getattr(value, "_p_activate", lambda: None)()  # a persistent object may be a ghost
    names = [name for name in sorted(vars(value)) if not name.startswith(_HIDDEN)]
    return f"#{number}{kind.__qualname__}<{' '.join(f'{name}={_shape(vars(value)[name], seen)}' for name in names)}>"
