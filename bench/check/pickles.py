"""What a pickle says, read from its opcodes without unpickling it: nothing is imported, nothing is called.

Only the opcodes that occur in state dicts are understood; any other one is refused with its name. The result holds a
`Global` where unpickling would look a name up, and a `Call` where it would call something.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Call", "Global", "PersistentId", "PickleError", "read_pickle"]


class Global(NamedTuple):
    """A name that unpickling would import."""

    module: str
    name: str


class Call(NamedTuple):
    """A call that unpickling would make."""

    function: Any
    arguments: Any


class PersistentId(NamedTuple):
    """A reference to data beside the pickle."""

    value: Any


class PickleError(ValueError):
    """The pickle is damaged, or holds what no state dict holds."""


_MARK = object()
_PUSHED = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    }
)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": list,  # pairs: keys may be calls, which are no keys of a dict
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
}


def read_pickle(content: bytes) -> Any:
    """What the pickle builds, with `Global`, `Call` and `PersistentId` in place of what would run or be loaded.

    Dicts and lists are lists here, of their items (pairs) and elements; so is every state that would be set.

    Raises:
        PickleError: The pickle is cut off, or holds an opcode that no state dict needs.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return stack.pop()
            _step(opcode.name, argument, stack, memo)
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, OverflowError, RecursionError, AttributeError, TypeError) as error:
        raise PickleError(f"the pickle is damaged ({type(error).__name__}: {error})") from error
    raise PickleError("the pickle has no end")


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:  # noqa: PLR0912 - a table of opcodes
    if name in _PUSHED:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name in ("PROTO", "FRAME"):
        pass
    elif name == "MARK":
        stack.append(_MARK)
    elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
        memo[int(argument)] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET", "GET"):
        stack.append(memo[int(argument)])
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(name[-1])
        stack[-count:] = [tuple(stack[-count:])]
    elif name in ("TUPLE", "LIST", "DICT"):
        items = _to_mark(stack)
        stack.append(_pairs(items) if name == "DICT" else list(items) if name == "LIST" else tuple(items))
    elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"):
        _add(name, stack)
    elif name == "GLOBAL":
        module, _, attribute = str(argument).partition(" ")
        stack.append(Global(module, attribute))
    elif name == "STACK_GLOBAL":
        attribute, module = stack.pop(), stack.pop()
        stack.append(Global(str(module), str(attribute)))
    elif name in ("REDUCE", "NEWOBJ"):
        arguments, function = stack.pop(), stack.pop()
        stack.append(Call(function, arguments))
    elif name == "BINPERSID":
        stack.append(PersistentId(stack.pop()))
    elif name == "BUILD":
        state, built = stack.pop(), stack.pop()
        stack.append(Call(Global("", "setstate"), (built, state)))
    else:
        raise PickleError(f"the pickle holds the opcode {name}, which no state dict needs")


def _add(name: str, stack: list[Any]) -> None:
    """Adds items to the list or dict below them; to anything else it would be a call."""
    many = name in ("APPENDS", "SETITEMS", "ADDITEMS")
    items = _to_mark(stack) if many else [stack.pop() for _ in range(2 if name == "SETITEM" else 1)][::-1]
    target = stack[-1]
    # An OrderedDict is made by a call, and its items are set on it.
    if isinstance(target, Call):
        target = target.arguments[0] if isinstance(target.arguments, tuple) and target.arguments else None
        if target is None:
            target = []
            stack[-1] = Call(stack[-1].function, (target,))
    if not isinstance(target, list):
        raise PickleError(f"the pickle adds items to {type(target).__name__}")
    target += _pairs(items) if name.startswith("SETITEM") else items


def _pairs(items: list[Any]) -> list[Any]:
    return list(zip(items[::2], items[1::2], strict=True))


def _to_mark(stack: list[Any]) -> list[Any]:
    """The items above the last mark, taken off the stack with it."""
    position = len(stack) - 1
    while stack[position] is not _MARK:
        position -= 1
        if position < 0:
            raise PickleError("the pickle has no mark where it needs one")
    items = stack[position + 1 :]
    del stack[position:]
    return items
