"""Typed reading of JSON: the readers of a type are made once, then applied to every job's data."""

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from gristmill import _json
from gristmill._json import JsonError, place, within
from gristmill._types import Field, bare, dataclass_fields, name_of, reads_itself, typed_dict_fields

Reader = Callable[[Any, str], Any]
"""From parsed JSON and its path to a value of a type; `JsonError` where it does not fit."""

_READERS: dict[Any, Reader] = {}


def read(kind: Any, text: bytes) -> Any:
    """A JSON text as a value of a type. `JsonError` for another form, `TypeError` for a type that JSON cannot be."""
    return reader(kind)(_json.parse(text), "")


def reader(kind: Any) -> Reader:
    """The reader of a type; `TypeError` says which part of a type JSON cannot become."""
    try:
        found = _READERS.get(kind)
    except TypeError:
        return _make(kind)
    if found is None:
        # A type that contains itself finds this one while its own is being made.
        _READERS[kind] = lambda value, path: _READERS[kind](value, path)
        try:
            found = _READERS[kind] = _make(kind)
        except BaseException:
            del _READERS[kind]
            raise
    return found


def _make(kind: Any) -> Reader:
    kind = bare(kind)
    if kind is Any or kind is object:
        return lambda value, path: value
    if kind is None or kind is types.NoneType:
        return _simple("null", lambda value: value is None)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is Literal:
        return _literal(args)
    container = origin or kind
    if container in (list, Sequence):
        return _list(args[0] if args else Any, list)
    if container is tuple:
        return _list(args[0], tuple) if len(args) == 2 and args[1] is Ellipsis else _tuple(args, bool(args))
    if container in (dict, Mapping):
        return _dict(args)
    if reads_itself(kind):
        return _model(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _literal(tuple(kind), lambda member: member.value)
    if typing.is_typeddict(kind):
        return _fields(kind, typed_dict_fields(kind), dict)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _fields(kind, dataclass_fields(kind), lambda given: kind(**given))
    raise TypeError(f"JSON cannot become {name_of(kind)}: use dataclasses, lists, dicts, and plain types")


def _found(value: Any) -> str:
    """A value as messages name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{value}`"
    if isinstance(value, str):
        return f"string {_json.write(value if len(value) <= 100 else value[:100] + '…').decode()}"
    return "map" if isinstance(value, dict) else "sequence"


def _misfit(value: Any, path: str, expected: str) -> JsonError:
    return JsonError(place(path, f"invalid type: {_found(value)}, expected {expected}"))


def _simple(expected: str, fits: Callable[[Any], bool]) -> Reader:
    def read_simple(value: Any, path: str) -> Any:
        if not fits(value):
            raise _misfit(value, path, expected)
        return value

    return read_simple


def _float(value: Any, path: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise JsonError(place(path, "the number is too large for float")) from None
    raise _misfit(value, path, "float")


_SIMPLE: dict[Any, Reader] = {
    bool: _simple("bool", lambda value: isinstance(value, bool)),
    int: _simple("int", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    float: _float,
    str: _simple("str", lambda value: isinstance(value, str)),
}


def _list(element: Any, make: Callable[[list[Any]], Any]) -> Reader:
    read_element = reader(element)

    def read_list(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise _misfit(value, path, "a list")
        return make([read_element(part, within(path, index)) for index, part in enumerate(value)])

    return read_list


def _tuple(elements: tuple[Any, ...], fixed: bool) -> Reader:
    if not fixed:
        return _list(Any, tuple)
    readers = [reader(element) for element in elements]

    def read_tuple(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise _misfit(value, path, f"a list of {len(readers)}")
        if len(value) != len(readers):
            raise JsonError(place(path, f"invalid length {len(value)}, expected a list of {len(readers)}"))
        return tuple(
            one(part, within(path, index)) for index, (one, part) in enumerate(zip(readers, value, strict=True))
        )

    return read_tuple


def _dict(args: tuple[Any, ...]) -> Reader:
    key, member = args or (str, Any)
    if bare(key) not in (str, Any):
        raise TypeError(f"JSON cannot become a dict with keys of type {name_of(key)}: JSON's keys are texts")
    read_member = reader(member)

    def read_dict(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _misfit(value, path, "a dict")
        return {name: read_member(part, within(path, name)) for name, part in value.items()}

    return read_dict


def _literal(members: tuple[Any, ...], value_of: Callable[[Any], Any] = lambda member: member) -> Reader:
    values = [(value_of(member), member) for member in members]
    names = ", ".join(f"`{known}`" for known, _ in values)

    def read_literal(value: Any, path: str) -> Any:
        for known, member in values:
            # True equals 1, and is none.
            if type(known) is type(value) and known == value:
                return member
        shown = f"`{value}`" if isinstance(value, str) else _found(value)
        raise JsonError(place(path, f"unknown variant {shown}, expected one of {names}"))

    return read_literal


def _union(kinds: tuple[Any, ...]) -> Reader:
    # The type that a value has exactly goes first: 1 is an int in `float | int`.
    exact = {bare(kind): reader(kind) for kind in kinds if bare(kind) in (bool, int, float, str)}
    members = [kind for kind in kinds if kind is not types.NoneType]
    readers = [reader(kind) for kind in members]
    optional = len(members) < len(kinds)
    names = " or ".join([*(name_of(kind) for kind in members), *(["null"] if optional else [])])

    def read_union(value: Any, path: str) -> Any:
        if value is None and optional:
            return None
        if type(value) in exact:
            return exact[type(value)](value, path)
        if len(readers) == 1:
            return readers[0](value, path)
        reasons = []
        for read_one in readers:
            try:
                return read_one(value, path)
            except JsonError as error:
                reasons.append(str(error))
        if isinstance(value, dict):
            raise JsonError(place(path, f"the data fits none of {names} ({'; '.join(reasons)})"))
        raise _misfit(value, path, names)

    return read_union


def _model(kind: Any) -> Reader:
    def read_model(value: Any, path: str) -> Any:
        try:
            return kind.model_validate(value)
        except Exception as error:
            raise JsonError(_model_error(error, path)) from error

    return read_model


def _model_error(error: Exception, path: str) -> str:
    """The first of the errors that a pydantic-like class lists, or what it says."""
    try:
        first = error.errors()[0]  # type: ignore[attr-defined]
        for part in first["loc"]:
            path = within(path, part)
        return place(path, str(first["msg"]))
    except Exception:
        return place(path, str(error) or type(error).__name__)


def _fields(kind: Any, fields: list[Field], make: Callable[[dict[str, Any]], Any]) -> Reader:
    readers = [(field.name, reader(field.kind), field.required) for field in fields]
    absent_is_none = {field.name for field in fields if field.absent_is_none}
    name = name_of(kind)

    def read_fields(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _misfit(value, path, name)
        given = {}
        for member, read_member, required in readers:
            if member in value:
                given[member] = read_member(value[member], within(path, member))
            elif required:
                raise JsonError(place(path, f"missing field `{member}`"))
            elif member in absent_is_none:
                given[member] = None
        try:
            return make(given)
        except (ValueError, TypeError) as error:
            # What a `__post_init__` refuses is the data's fault as well.
            raise JsonError(place(path, str(error) or type(error).__name__)) from error

    return read_fields
