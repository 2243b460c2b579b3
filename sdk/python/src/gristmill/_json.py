"""JSON in both directions, with errors that name the place."""

import dataclasses
import json
import re
from collections.abc import Iterable
from enum import Enum
from itertools import accumulate
from typing import Any

MAX_DEPTH = 127
"""Levels of lists and objects. Python's own JSON would go on until the component's stack is used up, and that ends the
instance."""

_BRACKETS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_OTHERS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_SCALARS = frozenset({str, int, float, bool, type(None)})


class JsonError(ValueError):
    """A value that has no JSON form, or a text that is no JSON; the message names the place."""


def _refuse(word: str) -> Any:
    raise JsonError(f"`{word}` is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
"""Made once: `json.loads` makes one for each text that wants anything of its own."""


def parse(text: bytes) -> Any:
    """The value of a JSON text in UTF-8; `JsonError` says what is wrong with any other."""
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise JsonError(f"the JSON has more than {MAX_DEPTH} levels")
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"the text is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise JsonError(str(error)) from None


def _depth(text: bytes) -> int:
    """How many brackets are open at most."""

    def deepest(of: bytes) -> int:
        return max(accumulate(map(_BRACKETS.__getitem__, of.translate(None, _OTHERS))), default=0)

    # Brackets within texts count only where they matter: leaving those out takes longer.
    found = deepest(text)
    return found if found <= MAX_DEPTH else deepest(re.sub(rb'"(?:[^"\\]|\\.)*+"', b"", text, flags=re.DOTALL))


def _too_deep(value: object) -> bool:
    level: Iterable[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        # By their ids, as a part that is in many places counts once.
        level = {id(part): part for node in level for part in _parts(node) if type(part) not in _SCALARS}.values()
        if not level:
            return False
    return True


def _parts(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    if isinstance(node, (list, tuple)):
        return node
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return [getattr(node, field.name) for field in dataclasses.fields(node)]
    return ()


def write(value: object) -> bytes:
    """A value as compact JSON text.

    Dataclasses become objects of their fields, enums their values, and objects with pydantic's `model_dump` what that
    gives. `JsonError` names the place of what has no JSON form: a set, a circle, NaN.
    """
    try:
        if type(value) not in _SCALARS and _too_deep(value):
            raise RecursionError
        # Without spaces, as other languages write it: `state.compare_and_set` compares texts.
        return _ENCODER.encode(value).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        # Only a second, slower walk knows the place.
        try:
            _check(value, "", [])
        except RecursionError:
            pass
        if isinstance(error, RecursionError):
            raise JsonError(f"the value has more than {MAX_DEPTH} levels, too many for JSON") from None
        raise JsonError(str(error)) from None


def place(path: str, message: str) -> str:
    """A message about what is at a path such as `items[1].name`; the whole value has the path ""."""
    return f"at `{path}`: {message}" if path else message


def within(path: str, key: object) -> str:
    """The path of a member (text) or an element (number) of what is at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _plain(value: object) -> object:
    if isinstance(value, type):
        raise TypeError
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        dumped: object = dump(mode="json")
        return dumped
    raise TypeError


_ENCODER = json.JSONEncoder(default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _check(value: object, path: str, parents: list[int]) -> None:
    """Raises for the first part of a value that has no JSON form."""
    if value is None or isinstance(value, (bool, int)):
        return
    if isinstance(value, str):
        _check_text(value, path)
        return
    if isinstance(value, float):
        if value - value != 0:
            raise JsonError(place(path, f"the number {value} has no JSON form"))
        return
    if id(value) in parents:
        raise JsonError(place(path, "the value contains itself, and has no JSON form"))
    parents.append(id(value))
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, (str, int, float)) and key is not None:
                raise JsonError(place(path, f"a key of type {type(key).__name__} has no JSON form; use text"))
            _check_text(str(key), path)
            _check(member, within(path, str(key)), parents)
    elif isinstance(value, (list, tuple)):
        for index, element in enumerate(value):
            _check(element, within(path, index), parents)
    else:
        try:
            plain = _plain(value)
        except TypeError:
            name = type(value).__name__
            raise JsonError(place(path, f"a value of type {name} has no JSON form")) from None
        _check(plain, path, parents)
    parents.pop()


def _check_text(text: str, path: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError(place(path, "the text has half a surrogate pair, and no JSON form")) from None
