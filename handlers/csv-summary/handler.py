"""Statistics of each column of a CSV text."""

import csv
import io
import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

import gristmill
from gristmill import Job, PermanentError, context, log, metrics, progress

STEP = 1000
"""Rows between two looks at the clock and two reports of progress."""

PRECISION = 6
"""Decimal places of what is computed."""


@dataclass
class Csv:
    """A CSV text whose first row names the columns."""

    csv: str
    delimiter: str = ","
    columns: list[str] | None = None
    """Those to look at; all of them if it is left out."""


class Column:
    """Gathers the values of one column."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts: Counter[str] = Counter()
        self.numbers: list[float] = []
        self.empty = 0

    def add(self, text: str) -> None:
        text = text.strip()
        if not text:
            self.empty += 1
            return
        self.texts[text] += 1
        number = number_of(text)
        if number is not None:
            self.numbers.append(number)

    def summary(self) -> dict[str, Any]:
        filled = self.texts.total()
        known = {"name": self.name, "values": filled, "empty": self.empty, "distinct": len(self.texts)}
        # A column is of numbers only if all that is in it are.
        if filled and len(self.numbers) == filled:
            return {**known, "kind": "number", **number_statistics(self.numbers)}
        most = [{"value": value, "count": count} for value, count in self.texts.most_common(3)]
        return {**known, "kind": "text" if filled else "empty", "most": most}


def number_of(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def number_statistics(numbers: list[float]) -> dict[str, float]:
    found = {
        "min": min(numbers),
        "max": max(numbers),
        "mean": statistics.fmean(numbers),
        "median": statistics.median(numbers),
        "deviation": statistics.stdev(numbers) if len(numbers) > 1 else 0.0,
    }
    return {name: round(value, PRECISION) for name, value in found.items()}


def rows_of(given: Csv) -> Iterator[list[str]]:
    if len(given.delimiter) != 1:
        raise PermanentError(f"`delimiter` is one character, not `{given.delimiter}`", code="bad-delimiter")
    try:
        yield from csv.reader(io.StringIO(given.csv, newline=""), delimiter=given.delimiter, strict=True)
    except csv.Error as error:
        raise PermanentError(f"the text is no CSV: {error}", code="bad-csv") from error


def wanted(names: list[str], given: Csv) -> dict[int, Column]:
    """The columns to look at, by their place in a row."""
    if given.columns is None:
        return {place: Column(name) for place, name in enumerate(names)}
    missing = [name for name in given.columns if name not in names]
    if missing:
        raise PermanentError(f"there is no column `{missing[0]}`; there are {', '.join(names)}", code="no-column")
    return {names.index(name): Column(name) for name in given.columns}


def table_of(summaries: list[dict[str, Any]]) -> str:
    """The summary as a table in Markdown, for people."""
    shown = ["name", "kind", "values", "empty", "distinct", "min", "mean", "max"]
    rows = [[summary.get(name, "") for name in shown] for summary in summaries]
    return str(tabulate(rows, headers=shown, tablefmt="github", floatfmt="g", disable_numparse=[0]))


@gristmill.handler
def summarise(job: Job, given: Csv) -> dict[str, Any]:
    rows = rows_of(given)
    names = [name.strip() for name in next(rows, [])]
    if not names:
        raise PermanentError("the text is empty; its first row names the columns", code="bad-csv")
    columns = wanted(names, given)

    total = given.csv.count("\n")
    count = 0
    for row in rows:
        if not row:
            continue
        count += 1
        if len(row) != len(names):
            raise PermanentError(
                f"row {count} has {len(row)} values, and there are {len(names)} columns", code="bad-csv"
            )
        for place, column in columns.items():
            column.add(row[place])
        if count % STEP == 0:
            progress.report(count, max(total, count))
            if context.cancelled():
                raise gristmill.RetryableError(f"cancelled after {count} rows", code="cancelled")

    progress.report(count, count)
    metrics.counter("csv_rows", count)
    log.info("read", rows=count, columns=len(columns))
    summaries = [column.summary() for column in columns.values()]
    return {"rows": count, "columns": summaries, "table": table_of(summaries)}
