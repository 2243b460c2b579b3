import enum
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from gristmill.schema import DIALECT, schema_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    """One line of an order."""

    name: str
    price: float = 1.5


@dataclass
class Order:
    items: list[Item]
    gift: Item | None
    colour: Colour = Colour.RED
    currency: Literal["EUR", "USD"] = "EUR"
    tags: dict[str, int] = field(default_factory=dict)


@dataclass
class Node:
    children: list["Node"]


class Letter(TypedDict, total=False):
    to: str


class Model:
    @classmethod
    def model_validate(cls, value: Any) -> "Model":
        return cls()

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"title": "Model", "type": "object", "$defs": {"Inner": {"type": "string"}}}


class Schemas(unittest.TestCase):
    def test_plain_types(self) -> None:
        cases: list[tuple[Any, dict[str, Any]]] = [
            (int, {"type": "integer"}),
            (None, {"type": "null"}),
            (Any, {}),
            (list[str], {"type": "array", "items": {"type": "string"}}),
            (list, {"type": "array"}),
            (dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
            (int | None, {"type": ["integer", "null"]}),
            (list[int] | str, {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]}),
            (Literal["a"], {"const": "a"}),
            (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
            (
                tuple[int, str],
                {
                    "type": "array",
                    "prefixItems": [{"type": "integer"}, {"type": "string"}],
                    "minItems": 2,
                    "maxItems": 2,
                },
            ),
            (Colour, {"title": "Colour", "enum": ["red", "blue"]}),
            (Letter, {"title": "Letter", "type": "object", "properties": {"to": {"type": "string"}}}),
        ]
        for kind, expected in cases:
            with self.subTest(kind=kind):
                self.assertEqual(schema_of(kind), {"$schema": DIALECT, **expected})

    def test_classes_are_definitions(self) -> None:
        schema = schema_of(Order)
        self.assertEqual(schema["title"], "Order")
        self.assertEqual(schema["required"], ["items"])
        self.assertEqual(schema["properties"]["items"], {"type": "array", "items": {"$ref": "#/$defs/Item"}})
        self.assertEqual(schema["properties"]["gift"], {"anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}]})
        self.assertEqual(schema["properties"]["colour"], {"$ref": "#/$defs/Colour", "default": "red"})
        self.assertEqual(schema["properties"]["currency"], {"enum": ["EUR", "USD"], "default": "EUR"})
        self.assertEqual(set(schema["$defs"]), {"Item", "Colour"})
        item = schema["$defs"]["Item"]
        self.assertEqual((item["description"], item["required"]), ("One line of an order.", ["name"]))

    def test_a_class_that_contains_itself(self) -> None:
        schema = schema_of(Node)
        self.assertEqual(schema["$ref"], "#/$defs/Node")
        children = schema["$defs"]["Node"]["properties"]["children"]
        self.assertEqual(children, {"type": "array", "items": {"$ref": "#/$defs/Node"}})

    def test_a_class_that_reads_itself_says_its_own(self) -> None:
        schema = schema_of(list[Model])
        self.assertEqual(schema["items"], {"$ref": "#/$defs/Model"})
        self.assertEqual(schema["$defs"], {"Model": {"title": "Model", "type": "object"}, "Inner": {"type": "string"}})

    def test_a_type_that_json_cannot_become(self) -> None:
        with self.assertRaisesRegex(TypeError, "bytes"):
            schema_of(list[bytes])


class Command(unittest.TestCase):
    def run_on(self, code: str) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "handler.py").write_text(textwrap.dedent(code))
            sdk = str(Path(__file__).parent.parent / "src")
            return subprocess.run(
                [sys.executable, "-W", "error", "-m", "gristmill.schema", "handler"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": sdk, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
            )

    def test_it_prints_the_schema_of_a_modules_handler(self) -> None:
        done = self.run_on("""
            import gristmill
            @gristmill.handler
            def double(job: gristmill.Job, n: int) -> int:
                return n * 2
        """)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout), {"$schema": DIALECT, "type": "integer"})

    def test_it_prints_nothing_for_data_without_a_type(self) -> None:
        done = self.run_on("""
            import gristmill
            @gristmill.handler
            def echo(job, data): return data
        """)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_it_says_what_is_wrong(self) -> None:
        done = self.run_on("import gristmill")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the module `handler`: there is no handler", done.stderr)


if __name__ == "__main__":
    unittest.main()
