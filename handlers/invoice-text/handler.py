"""Renders an invoice from its lines and a template."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Literal

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

import gristmill
from gristmill import Job, PermanentError, log, metrics

CENT = Decimal("0.01")

TEXT = """\
INVOICE {{ number }}
{{ customer }}

{% for line in lines -%}
{{ line.name.ljust(width) }}  {{ line.count }} x {{ line.price | money }} = {{ line.total | money }}
{% endfor -%}
{{ "Net".ljust(width) }}  {{ net | money }}
{{ ("Tax " ~ tax_rate ~ " %").ljust(width) }}  {{ tax | money }}
{{ "Total".ljust(width) }}  {{ total | money }} {{ currency }}
{% if note %}
{{ note }}
{% endif %}"""

HTML = """\
<h1>Invoice {{ number }}</h1>
<p>{{ customer }}</p>
<table>
{% for line in lines -%}
<tr><td>{{ line.name }}</td><td>{{ line.count }} × {{ line.price | money }}</td><td>{{ line.total | money }}</td></tr>
{% endfor -%}
<tr><td>Net</td><td></td><td>{{ net | money }}</td></tr>
<tr><td>Tax {{ tax_rate }} %</td><td></td><td>{{ tax | money }}</td></tr>
<tr><td>Total</td><td></td><td>{{ total | money }} {{ currency }}</td></tr>
</table>
{% if note %}<p>{{ note }}</p>
{% endif %}"""


@dataclass
class Line:
    """One thing that was sold."""

    name: str
    count: int
    price: str
    """For one, without tax, as a decimal number in a text: "4.90"."""


@dataclass
class Invoice:
    """What an invoice says, and how it is to look."""

    number: str
    customer: str
    lines: list[Line]
    currency: str = "EUR"
    tax_rate: str = "0"
    """Percent."""
    note: str | None = None
    format: Literal["text", "html"] = "text"
    template: str | None = None
    """In Jinja's language; one of the handler's own if it is left out."""


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def environment(html: bool) -> ImmutableSandboxedEnvironment:
    # Templates come with the job: they may compute, and reach nothing of Python.
    made = ImmutableSandboxedEnvironment(autoescape=html, undefined=StrictUndefined, keep_trailing_newline=True)
    made.filters["money"] = lambda amount: f"{cents(amount):,}"
    return made


# Compiled while the component is built: a job finds them ready.
OWN = {
    "text": environment(html=False).from_string(TEXT),
    "html": environment(html=True).from_string(HTML),
}


def decimal(text: str, what: str) -> Decimal:
    try:
        number = Decimal(text)
        if number.is_finite() and abs(number) < 10**12:
            return number
    except InvalidOperation:
        pass
    raise PermanentError(f'{what} is a decimal number such as "4.90", not `{text}`', code="bad-number")


def values_of(invoice: Invoice) -> dict[str, Any]:
    """What templates may name."""
    lines: list[dict[str, Any]] = []
    for index, line in enumerate(invoice.lines):
        price = decimal(line.price, f"`lines[{index}].price`")
        lines.append({"name": line.name, "count": line.count, "price": price, "total": cents(price * line.count)})
    rate = decimal(invoice.tax_rate, "`tax_rate`")
    net = cents(sum((line["total"] for line in lines), Decimal(0)))
    tax = cents(net * rate / 100)
    return {
        "number": invoice.number,
        "customer": invoice.customer,
        "lines": lines,
        "currency": invoice.currency,
        "tax_rate": rate,
        "net": net,
        "tax": tax,
        "total": net + tax,
        "note": invoice.note,
        "width": max([len("Total"), *(len(line.name) for line in invoice.lines)]),
    }


@gristmill.handler
def render(job: Job, invoice: Invoice) -> dict[str, str]:
    values = values_of(invoice)
    try:
        template = OWN[invoice.format]
        if invoice.template is not None:
            template = environment(invoice.format == "html").from_string(invoice.template)
        text = template.render(values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        place = "" if line is None else f" in line {line}"
        raise PermanentError(f"the template does not render{place}: {error}", code="bad-template") from error
    metrics.counter("invoices", 1, {"format": invoice.format})
    log.info("rendered", number=invoice.number, characters=len(text))
    return {"invoice": text, "total": f"{values['total']}", "currency": invoice.currency}
