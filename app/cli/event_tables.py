"""What `flask model evaluate --events` prints: a line a person, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLES = (
    "person    rest, h  false/h (95 %)       found (95 %)            twice  wrong  "
    "onset p50/p90, s  back p50/p90, s"
)


def events_table(report: Mapping[str, Any]) -> str:
    """Return the report as lines of text."""
    rules = ", ".join(f"{name} {value}" for name, value in report["rules"].items() if name != "classes")
    chosen = report["chosen"]
    folds = ", ".join(f"{fold} {enter:g}" for fold, enter in chosen["enter"].items())
    return "\n".join(
        [
            f"{report['model']}, {report['split']}, replayed at {report['fps']:g} windows a second; {rules}",
            TITLES,
            *(_row(one["person"], one) for one in report["people"]),
            _row("all", report),
            _row("chosen", chosen),
            _row("LDA", report["lda"]),
            _row("shuffled", report["shuffled"]),
            f"rest alone: {_number(report['false_an_hour_of_rest_alone'], 1)} an hour "
            f"{_span(report['false_an_hour_of_rest_alone_interval'], 1)} of {report['rest_alone_hours']:.2f} h",
            f"`chosen` and LDA: `enter` by the people of the other folds ({folds})",
            "enter  false/h  found",
            *(
                f"{one['enter']:5g}  {_number(one['false_an_hour'], 1):>7}  {_number(one['found'], 3)}"
                for one in report["curve"]
            ),
        ]
    )


def _row(name: str, one: Mapping[str, Any]) -> str:
    false = f"{_number(one['false_an_hour'], 1)} {_span(one['false_an_hour_interval'], 1)}"
    found = f"{_number(one['found'], 3)} {_span(one['found_interval'], 3)}"
    shares = [_number(one[key], 3) for key in ("doubled", "wrong_class")]
    times = [_times(one[key]) for key in ("onset_s", "back_s")]
    return (
        f"{name:8}  {one['rest_hours']:7.2f}  {false:19}  {found:22}  {shares[0]:>5}  {shares[1]:>5}  "
        f"{times[0]:16}  {times[1]}"
    )


def _span(span: tuple[float, float] | None, digits: int) -> str:
    return "" if span is None else f"({span[0]:.{digits}f}-{span[1]:.{digits}f})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _times(found: Mapping[str, float] | None) -> str:
    return "-" if found is None else f"{found['p50']:.2f} / {found['p90']:.2f}"
