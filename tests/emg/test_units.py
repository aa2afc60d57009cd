"""Units by their many names."""

from __future__ import annotations

import pytest

from app.emg.units import accepted, factor, standard


@pytest.mark.parametrize(
    ("said", "units"),
    [
        ("UV", "uV"),
        ("\u00b5V", "uV"),
        ("\u03bcV", "uV"),
        (" microvolts ", "uV"),
        ("MV", "mV"),
        ("Volts", "V"),
        ("nanovolt", "nV"),
        ("counts", "counts"),
        ("", ""),
    ],
)
def test_a_unit_has_one_spelling(said: str, units: str) -> None:
    assert standard(said) == units


@pytest.mark.parametrize(
    ("said", "wanted", "expected"),
    [
        ("mV", "uV", 1e3),
        ("V", "uV", 1e6),
        ("uV", "V", 1e-6),
        ("nV", "uV", 1e-3),
        ("microvolts", "uV", 1.0),
        ("Counts", "counts", 1.0),
        ("uV", "counts", None),
        ("counts", "uV", None),
        ("furlongs", "uV", None),
    ],
)
def test_voltages_are_converted_and_nothing_else(said: str, wanted: str, expected: float | None) -> None:
    assert factor(said, wanted) == (None if expected is None else pytest.approx(expected, rel=1e-12))


@pytest.mark.parametrize(
    ("said", "units"),
    [
        ("millivolts", "mV"),
        (" uv ", "uV"),
        ("Count", "counts"),
        ("Unknown", "unknown"),
        ("banana", None),
        ("", None),
    ],
)
def test_a_person_gives_a_signal_units_that_somebody_knows(said: str, units: str | None) -> None:
    assert accepted(said) == units
