import enum
import unittest
from dataclasses import dataclass
from typing import Any

from gristmill import _json
from gristmill._json import JsonError


class Unit(enum.Enum):
    KILO = "kg"


@dataclass
class Part:
    unit: Unit
    note: str | None = None


class Model:
    def model_dump(self, *, mode: str) -> dict[str, Any]:
        return {"mode": mode, "part": Part(Unit.KILO)}


@dataclass
class Linked:
    next: "Linked | None" = None

    @classmethod
    def of(cls, length: int) -> "Linked | None":
        first = None
        for _ in range(length):
            first = cls(first)
        return first


class Depth(unittest.TestCase):
    def test_127_levels_are_read_and_written(self) -> None:
        text = b"[" * 127 + b"]" * 127
        self.assertEqual(_json.write(_json.parse(text)), text)
        objects = b'{"a":' * 127 + b"1" + b"}" * 127
        self.assertEqual(_json.write(_json.parse(objects)), objects)
        self.assertEqual(_json.write(Linked.of(127)), b'{"next":' * 127 + b"null" + b"}" * 127)
        for deeper in (b"[" * 128 + b"]" * 128, b"[" * 1_000_000, b'{"a":' * 500):
            with self.assertRaisesRegex(JsonError, "more than 127 levels"):
                _json.parse(deeper)

    def test_many_brackets_are_not_many_levels(self) -> None:
        self.assertEqual(len(_json.parse(b"[" + b"[[]]," * 500 + b"1]")), 501)
        text = '["' + "[" * 500 + '","\\"' + "{" * 500 + '"]'
        self.assertEqual(_json.parse(text.encode())[0], "[" * 500)

    def test_a_part_in_many_places_is_looked_at_once(self) -> None:
        value: Any = 1
        for _ in range(20):
            value = [value, value]
        self.assertEqual(len(_json.write(value)), 2**20 + 3 * (2**20 - 1))


class Writing(unittest.TestCase):
    def test_values_become_compact_json(self) -> None:
        cases: list[tuple[object, str]] = [
            (None, "null"),
            ({"a": [1, 2.5, True, None, "é"]}, '{"a":[1,2.5,true,null,"é"]}'),
            ((1, (2,)), "[1,[2]]"),
            (Part(Unit.KILO), '{"unit":"kg","note":null}'),
            ([Model()], '[{"mode":"json","part":{"unit":"kg","note":null}}]'),
            ({1: "x"}, '{"1":"x"}'),
            (2**70, str(2**70)),
        ]
        for value, text in cases:
            with self.subTest(value=value):
                self.assertEqual(_json.write(value).decode(), text)

    def test_what_has_no_json_form_is_named_with_its_place(self) -> None:
        circle: list[Any] = [1]
        circle.append({"again": circle})
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        cases: list[tuple[object, str]] = [
            ({"items": [1, {2}]}, "at `items[1]`: a value of type set has no JSON form"),
            ({"a": {"b": b"x"}}, "at `a.b`: a value of type bytes"),
            ([float("nan")], "at `[0]`: the number nan has no JSON form"),
            ({"x": float("inf")}, "at `x`: the number inf"),
            (circle, "at `[1].again`: the value contains itself"),
            ({(1, 2): 3}, "a key of type tuple"),
            (["\ud800"], "at `[0]`: the text has half a surrogate pair"),
            ({"\udfff": 1}, "half a surrogate pair"),
            (Part, "a value of type type"),
            (object(), "a value of type object has no JSON form"),
            (deep, "more than 127 levels"),
            (Linked.of(2000), "more than 127 levels"),
        ]
        for value, message in cases:
            with self.subTest(message=message):
                with self.assertRaises(JsonError) as caught:
                    _json.write(value)
                self.assertIn(message, str(caught.exception))

    def test_one_value_in_two_places_is_no_circle(self) -> None:
        shared = {"a": 1}
        self.assertEqual(_json.write([shared, shared]), b'[{"a":1},{"a":1}]')
        with self.assertRaisesRegex(JsonError, r"at `\[2\]`"):
            _json.write([shared, shared, {1, 2}])


if __name__ == "__main__":
    unittest.main()
