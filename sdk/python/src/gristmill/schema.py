"""JSON Schemas of handlers' data: `python3 -m gristmill.schema MODULE` prints that of a module's handler."""

import enum
import importlib
import json
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from gristmill import _data, _handler, _json, _types

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", types.NoneType: "null"}


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what a handler with data of this type takes; without rules for `Any`. `TypeError`
    for a type that JSON cannot become."""
    _data.reader(kind)
    maker = _Maker()
    root = maker.schema(kind)
    if root.get("$ref") and maker.uses[root["$ref"]] == 1:
        # Nothing else names the outermost type: it is the schema itself.
        root = maker.definitions.pop(root["$ref"].removeprefix("#/$defs/"))
    definitions = {"$defs": maker.definitions} if maker.definitions else {}
    return {"$schema": DIALECT, **root, **definitions}


class _Maker:
    """Makes one schema; classes become its definitions."""

    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, Any]] = {}
        self.uses: dict[str, int] = {}
        self._names: dict[Any, str] = {}

    def schema(self, kind: Any) -> dict[str, Any]:
        kind = _types.bare(kind)
        if kind is Any or kind is object:
            return {}
        if kind is None or kind in _PLAIN:
            return {"type": _PLAIN[kind or types.NoneType]}
        origin, args = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return self._union(args)
        if origin is Literal:
            return _values(list(args))
        container = origin or kind
        if container in (list, Sequence):
            return {"type": "array", **({"items": self.schema(args[0])} if args else {})}
        if container is tuple:
            return self._tuple(args)
        if container in (dict, Mapping):
            return {"type": "object", **({"additionalProperties": self.schema(args[1])} if args else {})}
        return self._class(kind)

    def _union(self, members: tuple[Any, ...]) -> dict[str, Any]:
        schemas = [self.schema(member) for member in members]
        if all(set(schema) == {"type"} for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}

    def _tuple(self, members: tuple[Any, ...]) -> dict[str, Any]:
        if not members:
            return {"type": "array"}
        if len(members) == 2 and members[1] is Ellipsis:
            return {"type": "array", "items": self.schema(members[0])}
        schemas = [self.schema(member) for member in members]
        return {"type": "array", "prefixItems": schemas, "minItems": len(schemas), "maxItems": len(schemas)}

    def _class(self, kind: Any) -> dict[str, Any]:
        name = self._names.get(kind)
        if name is None:
            name = kind.__name__
            if name in self.definitions:
                name = f"{kind.__module__}.{kind.__qualname__}"
            self._names[kind] = name
            # Here before it is made, for a class that contains itself.
            self.definitions[name] = {}
            self.definitions[name].update(self._made(kind))
        reference = f"#/$defs/{name}"
        self.uses[reference] = self.uses.get(reference, 0) + 1
        return {"$ref": reference}

    def _made(self, kind: Any) -> dict[str, Any]:
        if _types.reads_itself(kind):
            return self._own(kind)
        if issubclass(kind, enum.Enum):
            return {"title": kind.__name__, **_values([member.value for member in kind])}
        fields = _types.typed_dict_fields(kind) if typing.is_typeddict(kind) else _types.dataclass_fields(kind)
        properties = {}
        for field in fields:
            properties[field.name] = self.schema(field.kind)
            if field.default is not _types.NO_DEFAULT:
                properties[field.name] = {**properties[field.name], **_default(field.default)}
        made: dict[str, Any] = {"title": kind.__name__, "type": "object", "properties": properties}
        about = (kind.__doc__ or "").strip()
        # Dataclasses without a text have their signature in its place.
        if about and not about.startswith(f"{kind.__name__}("):
            made["description"] = about
        required = [field.name for field in fields if field.required]
        return {**made, "required": required} if required else made

    def _own(self, kind: Any) -> dict[str, Any]:
        """What a class says of itself, as pydantic's models do; its definitions become ours."""
        make = getattr(kind, "model_json_schema", None)
        if not callable(make):
            return {"title": kind.__name__}
        made = dict(make())
        for name, schema in made.pop("$defs", {}).items():
            self.definitions.setdefault(name, schema)
        return made


def _values(values: list[Any]) -> dict[str, Any]:
    return {"const": values[0]} if len(values) == 1 else {"enum": values}


def _default(value: object) -> dict[str, Any]:
    try:
        return {"default": json.loads(_json.write(value))}
    except _json.JsonError:
        return {}


def main(arguments: list[str]) -> int:
    """Prints the schema of a module's handler; nothing if its data has no type. 1 if there is none, 2 for wrong
    arguments."""
    if len(arguments) != 1:
        print("usage: python3 -m gristmill.schema MODULE", file=sys.stderr)
        return 2
    sys.path.insert(0, "")
    importlib.import_module(arguments[0])
    try:
        kind = _handler.data_type(_handler.the_handler())
        made = None if kind is Any else schema_of(kind)
    except TypeError as error:
        print(f"the module `{arguments[0]}`: {error}", file=sys.stderr)
        return 1
    if made is not None:
        print(json.dumps(made, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
