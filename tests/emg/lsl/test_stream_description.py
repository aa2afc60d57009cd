from __future__ import annotations

import logging
from typing import Any

import pytest

from app.emg.lsl.stream_description import StreamDescription, described, described_beside, select
from app.errors import ConfigError

AUX = ("EMG", "EMG", "Trigger", "EMG")


def stream(**changes: Any) -> StreamDescription:
    return StreamDescription(**{"name": "armband", "channels": 4, "rate": 200.0, **changes})


def test_all_channels_are_taken_where_there_are_as_many_as_the_model_takes() -> None:
    found = select(stream(types=AUX, labels=("a", "b", "c", "d")), 4, 200.0, "uV")
    assert found.columns == [0, 1, 2, 3]
    assert found.labels == ("a", "b", "c", "d")


def test_else_those_of_type_emg() -> None:
    found = select(stream(types=AUX, labels=("a", "b", "c", "d")), 3, 200.0, "uV")
    assert (found.columns, found.of, found.labels) == ([0, 1, 3], 4, ("a", "b", "d"))
    assert str(found) == "3 of 4 channels (a, b, d), times 1"


@pytest.mark.parametrize(
    ("said", "units", "factor"),
    [
        ("microvolts", "uV", 1.0),
        ("\u00b5V", "uV", 1.0),
        ("millivolts", "uV", 1e3),
        ("V", "uV", 1e6),
        ("uV", "mV", 1e-3),
        ("counts", "counts", 1.0),
        ("0", "uV", 1e6),  # MNE-LSL 1.14: powers of ten of a volt
        ("-3", "uV", 1e3),
        ("-6", "uV", 1.0),
    ],
)
def test_units_become_the_models(
    said: str, units: str, factor: float, caplog: pytest.LogCaptureFixture
) -> None:
    found = select(stream(units=(said,) * 4), 4, 200.0, units)
    assert found.factors == pytest.approx((factor,) * 4)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((), "does not say the units of every channel"),
        (("",) * 4, "does not say the units of every channel"),
        (("uV", "uV", "", "uV"), "does not say the units of every channel"),
        (("bananas",) * 4, "says bananas"),
        (("uV", "uV", "apples", "uV"), "says apples"),
    ],
    ids=["none", "empty", "partly", "unknown", "one"],
)
def test_units_that_are_not_clear_are_taken_as_they_are_and_said(
    said: tuple[str, ...], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert select(stream(units=said), 4, 200.0, "uV").factors == (1.0,) * 4
    assert f"the LSL stream armband {told}; it is taken as uV" in caplog.text


def test_the_operators_scale_goes_before_the_streams_units() -> None:
    assert select(stream(units=("V",) * 4), 4, 200.0, "uV", scale=0.5).factors == (0.5,) * 4


def test_each_channel_has_units_of_its_own() -> None:
    found = select(stream(units=("uV", "mV", "-3", "V")), 4, 200.0, "uV")
    assert found.factors == pytest.approx((1.0, 1e3, 1e3, 1e6))
    assert str(found).endswith("times 1, 1000, 1e+06")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"channels": 8}, "has 8 channels at 200 Hz; the model takes 4 at 200 Hz"),
        ({"types": AUX[:2] * 4, "channels": 8}, "has 8 channels at 200 Hz"),
        ({"types": (*AUX, "EMG", "EMG"), "channels": 6}, r"has 6 channels \(5 of type EMG\) at 200 Hz"),
        ({"rate": 210.0}, "has 4 channels at 210 Hz; the model takes 4 at 200 Hz"),
        ({"rate": 0.0}, "samples at irregular times"),
        ({"text": True}, "carries text"),
    ],
    ids=["channels", "too many EMG", "and some", "rate", "irregular", "markers"],
)
def test_a_stream_that_does_not_fit_is_refused_with_both_values(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        select(stream(**changes), 4, 200.0, "uV")


def test_a_rate_that_is_off_by_a_rounding_fits() -> None:
    assert select(stream(rate=199.99), 4, 200.0, "uV").factors == (1.0,) * 4


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ((), "unknown"),
        (("millivolts",) * 4, "mV"),
        (("uV", "mV", "uV", "V"), "uV"),
        (("uV", "", "uV", "uV"), "unknown"),
        (("counts",) * 4, "counts"),
    ],
    ids=["none", "all alike", "mixed voltages", "one unsaid", "no voltage"],
)
def test_a_stream_keeps_its_own_units(units: tuple[str, ...], told: str) -> None:
    found = described(stream(units=units))
    assert (found.channels, found.sampling_rate, found.units) == (4, 200.0, told)
    assert described(stream(units=units), scale=2.0).units == "uV"
    assert select(stream(units=units), 4, 200.0, found.units).factors[0] == 1.0


def test_a_stream_without_a_rate_is_no_signal_and_none_beside_one() -> None:
    for take in (described, described_beside):
        with pytest.raises(ConfigError, match="samples at irregular times"):
            take(stream(rate=0.0))
