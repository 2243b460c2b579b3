import json
import unittest
from pathlib import Path
from typing import Any

from handler import render

from gristmill import PermanentError, testing

INVOICE: dict[str, Any] = {
    "number": "2026-17",
    "customer": "Ada <of Byron & Sons>",
    "lines": [{"name": "Rye flour, 5 kg", "count": 2, "price": "4.90"}, {"name": "Bran", "count": 1, "price": "2.105"}],
    "tax_rate": "7",
}


def call(**changes: Any) -> Any:
    return testing.call(render, testing.job({**INVOICE, **changes}))


class Invoices(unittest.TestCase):
    def test_text(self) -> None:
        with testing.host() as host:
            made = call(note="Thank you")
        self.assertEqual(
            made["invoice"],
            "INVOICE 2026-17\n"
            "Ada <of Byron & Sons>\n"
            "\n"
            "Rye flour, 5 kg  2 x 4.90 = 9.80\n"
            "Bran             1 x 2.11 = 2.11\n"
            "Net              11.91\n"
            "Tax 7 %          0.83\n"
            "Total            12.74 EUR\n"
            "\n"
            "Thank you\n",
        )
        self.assertEqual((made["total"], made["currency"]), ("12.74", "EUR"))
        self.assertEqual(host.metrics, [testing.Metric("counter", "invoices", 1, {"format": "text"})])

    def test_html_is_escaped(self) -> None:
        made = call(format="html")["invoice"]
        self.assertIn("<p>Ada &lt;of Byron &amp; Sons&gt;</p>", made)
        self.assertIn("<td>12.74 EUR</td>", made)

    def test_a_template_of_the_job(self) -> None:
        made = call(template="{{ customer }}: {{ total | money }}{% for line in lines %} {{ line.name }}{% endfor %}")
        self.assertEqual(made["invoice"], "Ada <of Byron & Sons>: 12.74 Rye flour, 5 kg Bran")
        self.assertEqual(call(format="html", template="{{ customer }}")["invoice"], "Ada &lt;of Byron &amp; Sons&gt;")

    def test_a_template_that_does_not_render_is_permanent(self) -> None:
        cases = [
            ("{{ nobody }}", "'nobody' is undefined"),
            ("a\n{% for %}", "in line 2"),
            ("{{ lines.append(1) }}", "not render"),
            ("{{ number.__class__.__mro__ }}", "unsafe"),
        ]
        for template, message in cases:
            with self.subTest(template=template), self.assertRaises(PermanentError) as caught:
                call(template=template)
            self.assertEqual(caught.exception.code, "bad-template")
            self.assertIn(message, caught.exception.message)

    def test_numbers_that_are_none(self) -> None:
        lines = [{"name": "x", "count": 1, "price": "4,90"}]
        with self.assertRaisesRegex(PermanentError, r"`lines\[0\]\.price` is a decimal number .*not `4,90`"):
            call(lines=lines)
        with self.assertRaisesRegex(PermanentError, "`tax_rate`"):
            call(tax_rate="NaN")

    def test_data_that_does_not_fit(self) -> None:
        with self.assertRaisesRegex(PermanentError, r"at `lines\[0\]`: missing field `price`"):
            call(lines=[{"name": "x", "count": 1}])
        with self.assertRaisesRegex(PermanentError, "unknown variant `pdf`, expected one of `text`, `html`"):
            call(format="pdf")

    def test_the_sample(self) -> None:
        data = json.loads(Path(__file__).with_name("sample.json").read_text())
        self.assertIn("Total", testing.call(render, testing.job(data))["invoice"])


if __name__ == "__main__":
    unittest.main()
