import json
import unittest
from pathlib import Path
from typing import Any

from handler import summarise

from gristmill import PermanentError, RetryableError, testing


def call(csv: str, **options: Any) -> Any:
    return testing.call(summarise, testing.job({"csv": csv, **options}))


class Summaries(unittest.TestCase):
    def test_columns_of_numbers_and_texts(self) -> None:
        with testing.host() as host:
            found = call("name,price\nrye,2\n\nbran,4\nrye,\n")
        self.assertEqual(found["rows"], 3)
        name, price = found["columns"]
        self.assertEqual(name["kind"], "text")
        self.assertEqual(name["most"][0], {"value": "rye", "count": 2})
        self.assertEqual(
            price,
            {
                "name": "price",
                "kind": "number",
                "values": 2,
                "empty": 1,
                "distinct": 2,
                "min": 2.0,
                "max": 4.0,
                "mean": 3.0,
                "median": 3.0,
                "deviation": 1.414214,
            },
        )
        self.assertIn("| price", found["table"])
        self.assertEqual(host.progress, [100])
        self.assertEqual(host.metrics, [testing.Metric("counter", "csv_rows", 3)])

    def test_one_text_makes_a_column_of_texts(self) -> None:
        (column,) = call("n\n1\nnan\n")["columns"]
        self.assertEqual(column["kind"], "text")

    def test_an_empty_column(self) -> None:
        (column,) = call("n,m\n,1\n", columns=["n"])["columns"]
        self.assertEqual((column["kind"], column["empty"], column["most"]), ("empty", 1, []))

    def test_other_delimiters_quotes_and_chosen_columns(self) -> None:
        found = call('a;b\r\n"x;y";1\r\n', delimiter=";", columns=["a"])
        self.assertEqual([column["name"] for column in found["columns"]], ["a"])
        self.assertEqual(found["columns"][0]["most"], [{"value": "x;y", "count": 1}])

    def test_progress_is_reported_on_the_way(self) -> None:
        with testing.host() as host:
            call("n\n" + "1\n" * 2000)
            self.assertEqual(host.progress, [49, 99, 100])
            host.context.cancelled = True
            with self.assertRaisesRegex(RetryableError, "cancelled after 1000 rows"):
                call("n\n" + "1\n" * 2000)

    def test_what_is_no_csv_is_permanent(self) -> None:
        cases: list[tuple[str, dict[str, Any], str, str]] = [
            ("", {}, "bad-csv", "the text is empty"),
            ("a,b\n1\n", {}, "bad-csv", "row 1 has 1 values, and there are 2 columns"),
            ('a\n"x\n', {}, "bad-csv", "no CSV"),
            ("a\n1\n", {"columns": ["b"]}, "no-column", "there is no column `b`; there are a"),
            ("a\n1\n", {"delimiter": ""}, "bad-delimiter", "one character"),
        ]
        for csv, options, code, message in cases:
            with self.subTest(csv=csv), self.assertRaises(PermanentError) as caught:
                call(csv, **options)
            self.assertEqual(caught.exception.code, code)
            self.assertIn(message, caught.exception.message)

    def test_the_sample(self) -> None:
        data = json.loads(Path(__file__).with_name("sample.json").read_text())
        found = testing.call(summarise, testing.job(data))
        self.assertEqual(found["rows"], 6)
        self.assertEqual([column["kind"] for column in found["columns"]], ["text", "text", "number", "number"])


if __name__ == "__main__":
    unittest.main()
