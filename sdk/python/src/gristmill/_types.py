"""Types as they are written, taken apart for reading and for schemas."""

import dataclasses
import types
import typing
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin


def bare(kind: Any) -> Any:
    """A type without what only describes it: `Annotated`, `NewType`, names of types, `Required`."""
    while True:
        if get_origin(kind) in (Annotated, Required, NotRequired):
            kind = get_args(kind)[0]
        elif isinstance(kind, typing.NewType):
            kind = kind.__supertype__
        elif type(kind).__name__ == "TypeAliasType":
            kind = kind.__value__
        else:
            return kind


def takes_none(kind: Any) -> bool:
    """Whether a type is a union with None."""
    kind = bare(kind)
    return get_origin(kind) in (Union, types.UnionType) and types.NoneType in get_args(kind)


def reads_itself(kind: Any) -> bool:
    """Whether a class reads its data by itself, as pydantic's models do."""
    return isinstance(kind, type) and callable(getattr(kind, "model_validate", None))


def name_of(kind: Any) -> str:
    """A type's name for people."""
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


NO_DEFAULT = object()
"""The default of a member that has none that JSON could show."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A member of an object."""

    name: str
    kind: Any
    required: bool
    default: Any = NO_DEFAULT
    absent_is_none: bool = False
    """Whether the constructor is given None where the data has no such member."""


def dataclass_fields(kind: Any) -> list[Field]:
    """The fields that JSON gives: those of the constructor. An optional one may be left out, as in the other SDKs."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = []
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        hint = hints[field.name]
        if field.default is not dataclasses.MISSING:
            fields.append(Field(field.name, hint, False, field.default))
        elif field.default_factory is not dataclasses.MISSING:
            fields.append(Field(field.name, hint, False))
        else:
            optional = takes_none(hint)
            fields.append(Field(field.name, hint, not optional, absent_is_none=optional))
    return fields


def typed_dict_fields(kind: Any) -> list[Field]:
    """The keys of a TypedDict."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [Field(name, hint, name in kind.__required_keys__) for name, hint in hints.items()]
