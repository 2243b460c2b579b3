"""Metrics of the handler's own, which the worker serves to Prometheus with the labels `queue` and `job` added.

    metrics.counter("emails_sent", 1, {"template": "welcome"})

Names and label names are `[a-zA-Z_][a-zA-Z0-9_]*`. Give labels few distinct values: the host counts and drops what
breaks its rules or exceeds its ceilings.
"""

from collections.abc import Mapping

from gristmill import _check, _host


def counter(name: str, value: int = 1, labels: Mapping[str, object] | None = None) -> None:
    """Adds a whole number, from 0 to 2^64 - 1, to a counter."""
    value = _check.whole("what a counter grows by", value, 0, _check.U64)
    _host.current().counter_add(_check.text("the metric's name", name), value, _check.pairs(labels))


def gauge(name: str, value: float, labels: Mapping[str, object] | None = None) -> None:
    """Sets a gauge."""
    value = _check.number("a gauge's value", value)
    _host.current().gauge_set(_check.text("the metric's name", name), value, _check.pairs(labels))


def histogram(name: str, value: float, labels: Mapping[str, object] | None = None) -> None:
    """Observes one value of a distribution."""
    value = _check.number("an observed value", value)
    _host.current().histogram_record(_check.text("the metric's name", name), value, _check.pairs(labels))
