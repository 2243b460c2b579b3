import enum
import unittest
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

from gristmill import _data
from gristmill._json import JsonError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    name: str
    price: float = 1.5


@dataclass
class Order:
    items: list[Item]
    currency: Literal["EUR", "USD"] = "EUR"
    colour: Optional[Colour] = None
    note: str | None = None
    tags: dict[str, int] = field(default_factory=dict)


@dataclass
class Node:
    value: int
    children: list["Node"] = field(default_factory=list)


@dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


@dataclass
class Absent:
    name: str | None


@dataclass
class Card:
    kind: Literal["card"]
    number: str


@dataclass
class Cash:
    kind: Literal["cash"]
    amount: int


class Letter(TypedDict, total=False):
    to: str


class Model:
    """Reads itself, as pydantic's models do."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @classmethod
    def model_validate(cls, value: Any) -> "Model":
        if value == "listed":
            error = ValueError("2 errors")
            error.errors = lambda: [{"loc": ("items", 1, "name"), "msg": "Field required"}]  # type: ignore[attr-defined]
            raise error
        if value == "plain":
            raise ValueError("no such model")
        return cls(value)


UserId = NewType("UserId", int)


class Fits(unittest.TestCase):
    def test_plain_types(self) -> None:
        cases: list[tuple[Any, bytes, Any]] = [
            (int, b"7", 7),
            (float, b"7", 7.0),
            (float, b"7.5", 7.5),
            (str, b'"\\u00e9"', "é"),
            (bool, b"true", True),
            (None, b"null", None),
            (Any, b'{"a":[1]}', {"a": [1]}),
            (object, b"[]", []),
            (list, b"[1]", [1]),
            (dict, b'{"a":1}', {"a": 1}),
            (list[int], b"[1,2]", [1, 2]),
            (dict[str, float], b'{"a":1}', {"a": 1.0}),
            (tuple[int, str], b'[1,"x"]', (1, "x")),
            (tuple[int, ...], b"[1,2,3]", (1, 2, 3)),
            (Annotated[int, "units"], b"3", 3),
            (UserId, b"3", 3),
            (Colour, b'"red"', Colour.RED),
            (Literal[1, "a"], b'"a"', "a"),
            (Letter, b'{"to":"ada","more":1}', {"to": "ada"}),
            (Letter, b"{}", {}),
        ]
        for kind, text, expected in cases:
            with self.subTest(kind=kind):
                value = _data.read(kind, text)
                self.assertEqual(value, expected)
                self.assertIs(type(value), type(expected))

    def test_dataclasses_nest_and_ignore_unknown_members(self) -> None:
        text = b'{"items":[{"name":"x","price":2},{"name":"y"}],"colour":"blue","tags":{"a":1},"more":true}'
        order = _data.read(Order, text)
        self.assertEqual(order, Order([Item("x", 2.0), Item("y", 1.5)], "EUR", Colour.BLUE, None, {"a": 1}))

    def test_a_class_may_contain_itself(self) -> None:
        node = _data.read(Node, b'{"value":1,"children":[{"value":2}]}')
        self.assertEqual(node, Node(1, [Node(2)]))
        with self.assertRaisesRegex(JsonError, r"at `children\[0\]\.value`: invalid type: null, expected int"):
            _data.read(Node, b'{"value":1,"children":[{"value":null}]}')

    def test_an_optional_member_may_be_left_out(self) -> None:
        self.assertEqual(_data.read(Absent, b"{}"), Absent(None))

    def test_unions_take_the_exact_type_first(self) -> None:
        self.assertIs(type(_data.read(Union[float, int], b"1")), int)
        self.assertIs(type(_data.read(Union[int, float], b"1.0")), float)
        self.assertIs(_data.read(int | bool, b"true"), True)
        self.assertEqual(_data.read(Card | Cash, b'{"kind":"cash","amount":3}'), Cash("cash", 3))
        self.assertIsNone(_data.read(Card | None, b"null"))

    def test_a_class_that_reads_itself_is_asked(self) -> None:
        models = _data.read(list[Model], b'[{"a":1}]')
        self.assertEqual(models[0].value, {"a": 1})


class Misfits(unittest.TestCase):
    def test_the_place_and_the_reason_are_named(self) -> None:
        cases: list[tuple[Any, bytes, str]] = [
            (list[float], b'[1,"two"]', 'at `[1]`: invalid type: string "two", expected float'),
            (Order, b'{"items":[{"name":1}]}', "at `items[0].name`: invalid type: integer `1`, expected str"),
            (Order, b'{"items":[{}]}', "at `items[0]`: missing field `name`"),
            (Order, b'{"item":[]}', "missing field `items`"),
            (Order, b"[]", "invalid type: sequence, expected Order"),
            (Order, b'{"items":{}}', "at `items`: invalid type: map, expected a list"),
            (
                Order,
                b'{"items":[],"currency":"GBP"}',
                "at `currency`: unknown variant `GBP`, expected one of `EUR`, `USD`",
            ),
            (
                Order,
                b'{"items":[],"colour":"green"}',
                "at `colour`: unknown variant `green`, expected one of `red`, `blue`",
            ),
            (Order, b'{"items":[],"note":5}', "at `note`: invalid type: integer `5`, expected str"),
            (Order, b'{"items":[],"tags":{"a":"b"}}', 'at `tags.a`: invalid type: string "b", expected int'),
            (int, b"true", "invalid type: boolean `true`, expected int"),
            (int, b"2.5", "invalid type: floating point `2.5`, expected int"),
            (bool, b"1", "invalid type: integer `1`, expected bool"),
            (float, b"true", "invalid type: boolean `true`, expected float"),
            (float, b"1" + b"0" * 400, "the number is too large for float"),
            (Literal[1], b"true", "unknown variant boolean `true`, expected one of `1`"),
            (tuple[int, int], b"[1]", "invalid length 1, expected a list of 2"),
            (int | str, b"[]", "invalid type: sequence, expected int or str"),
            (Card | Cash, b'{"kind":"x"}', "the data fits none of Card or Cash"),
            (Even, b'{"number":3}', "3 is odd"),
            (list[Even], b'[{"number":3}]', "at `[0]`: 3 is odd"),
            (dict[str, Model], b'{"m":"listed"}', "at `m.items[1].name`: Field required"),
            (Model, b'"plain"', "no such model"),
        ]
        for kind, text, message in cases:
            with self.subTest(kind=kind, text=text[:40]):
                with self.assertRaises(JsonError) as caught:
                    _data.read(kind, text)
                self.assertIn(message, str(caught.exception))

    def test_text_that_is_no_json(self) -> None:
        for text in (b"", b"{", b"NaN", b"[Infinity]", b"\xff", b'{"a":1}x', b"[" * 100_000):
            with self.subTest(text=text[:10]), self.assertRaises(JsonError):
                _data.read(Any, text)

    def test_a_type_that_json_cannot_become_is_a_mistake_of_the_handler(self) -> None:
        for kind, named in [(bytes, "bytes"), (dict[int, str], "int"), (list[set[int]], "set"), (complex, "complex")]:
            with self.subTest(kind=kind), self.assertRaisesRegex(TypeError, named):
                _data.reader(kind)


if __name__ == "__main__":
    unittest.main()
