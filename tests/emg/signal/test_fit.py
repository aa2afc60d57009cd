from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.emg.description import SourceDescription
from app.emg.signal.fit import Fit, ModelNeed, band_of, fit, fits, no_fit
from app.emg.source import Chunk
from app.errors import DataError

SYNTHETIC = ModelNeed("synthetic", 16, 2000.0, "uV", 20.0, 450.0)
MYO = ModelNeed("myo", 8, 200.0, "counts", 0.0, 90.0)


def source(channels: int, rate: float, units: str) -> SourceDescription:
    return SourceDescription(channels=channels, sampling_rate=rate, units=units)


def test_a_source_like_the_models_is_read_as_it_is() -> None:
    montage = fit(source(16, 2000.0, "uV"), SYNTHETIC)
    assert montage.trivial
    assert fit(source(16, 1993.0, "microvolts"), SYNTHETIC).trivial, "0.5 % is one rate"


@pytest.mark.parametrize(
    ("signal", "need", "channels", "how"),
    [
        (source(32, 2000.0, "uV"), SYNTHETIC, "1-16", "channels 1-16"),
        (
            source(16, 2000.0, "uV"),
            SYNTHETIC,
            "16-1",
            "channels 16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1",
        ),
        (source(16, 2000.0, "mV"), SYNTHETIC, None, "times 1000"),
        (source(16, 2000.0, ""), SYNTHETIC, None, "as it is"),
        (source(16, 2000.0, "unknown"), SYNTHETIC, "1-16", "as it is"),
        (
            source(16, 1259.259, "V"),
            SYNTHETIC,
            None,
            "times 1e+06, resampled from 1259.259 to 2000 Hz (27/17, off by 0.21 ppm)",
        ),
        (
            source(16, 1000.0, "uV"),
            SYNTHETIC,
            None,
            "resampled from 1000 to 2000 Hz (2/1, off by 0 ppm)",
        ),
        (
            source(9, 250.0, "counts"),
            MYO,
            "2-9",
            "channels 2-9, resampled from 250 to 200 Hz (4/5, off by 0 ppm)",
        ),
    ],
)
def test_what_fits_does_so_through_a_montage(
    signal: SourceDescription, need: ModelNeed, channels: str | None, how: str
) -> None:
    montage = fit(signal, need, channels)
    assert str(montage) == how
    made = montage.process(Chunk(index=0, samples=np.zeros((100, signal.channels), np.float32)))
    assert made.samples.shape[1] == need.channels


@pytest.mark.parametrize(
    ("signal", "need", "channels", "says"),
    [
        (
            source(16, 200.0, "uV"),
            SYNTHETIC,
            None,
            "a source of 200 Hz holds nothing above 100 Hz; the model synthetic reads 20-450 Hz",
        ),
        (
            source(16, 900.0, "uV"),
            SYNTHETIC,
            None,
            "a source of 900 Hz holds nothing above 450 Hz; the model",
        ),
        (
            source(16, 960.0, "uV"),
            SYNTHETIC,
            None,
            "a source of 960 Hz carries no more than 432 Hz to another rate; the model synthetic reads 20-450 Hz",
        ),
        (
            source(8, 148.148, "counts"),
            MYO,
            None,
            "holds nothing above 74.074 Hz; the model myo reads 0-90 Hz",
        ),
        (
            source(32, 2000.0, "uV"),
            SYNTHETIC,
            None,
            "the source has 32 channels and the model synthetic reads 16: choose channels with EMG_CHANNELS=1-16",
        ),
        (
            source(1, 200.0, "counts"),
            MYO,
            None,
            "the source has 1 channel and the model myo reads 8: record and train one of 1 channel",
        ),
        (
            source(16, 200.0, "counts"),
            MYO,
            "1-4",
            "EMG_CHANNELS=1-4 chooses 4 channels; the model myo reads 8",
        ),
        (
            source(8, 200.0, "counts"),
            MYO,
            "1-9",
            "EMG_CHANNELS=1-9: there is no channel 9, the source has 8",
        ),
        (
            source(16, 2000.0, "counts"),
            SYNTHETIC,
            None,
            "the source is in counts and the model synthetic reads uV: say with EMG_SCALE by "
            "what its numbers are to be multiplied",
        ),
        (
            source(8, 400.0, "counts"),
            ModelNeed("fast", 8, 200.0, "counts", 95.0, 90.0),
            None,
            "the model fast reads what lies above 95 Hz, and nothing of that can be carried from 400 to 200 Hz",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line_that_says_why(
    signal: SourceDescription, need: ModelNeed, channels: str | None, says: str
) -> None:
    with pytest.raises(DataError) as refused:
        fit(signal, need, channels)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_downsampling_is_right_when_the_models_rate_carries_its_band() -> None:
    assert not fit(source(16, 4000.0, "uV"), SYNTHETIC).trivial
    assert not fit(source(8, 2000.0, "counts"), MYO).trivial


def test_a_scale_said_by_hand_is_believed() -> None:
    montage = fit(source(16, 2000.0, "counts"), SYNTHETIC, scale=0.286)
    made = montage.process(Chunk(index=0, samples=np.full((3, 16), 1000, np.float32)))
    np.testing.assert_allclose(made.samples, 286.0)


def test_the_delay_is_that_between_the_edges_of_what_the_model_reads() -> None:
    assert fit(source(16, 2000.0, "uV"), SYNTHETIC).delay_ms == 0.0
    assert 2.0 < fit(source(16, 1259.259, "uV"), SYNTHETIC).delay_ms < 3.0
    assert 15.0 < fit(source(8, 250.0, "counts"), MYO).delay_ms < 20.0


def test_the_list_says_which_models_fit_and_how() -> None:
    assert fits(source(8, 250.0, "counts"), [SYNTHETIC, MYO]) == [
        Fit("myo", "resampled from 250 to 200 Hz (4/5, off by 0 ppm)")
    ]
    assert fits(source(32, 2000.0, "unknown"), [SYNTHETIC, MYO]) == [
        Fit("synthetic", "channels 1-16; say EMG_CHANNELS=1-16, or which other 16"),
        Fit(
            "myo",
            "channels 1-8, resampled from 2000 to 200 Hz (1/10, off by 0 ppm); "
            "say EMG_CHANNELS=1-8, or which other 8",
        ),
    ]
    assert fits(source(32, 2000.0, "unknown"), [SYNTHETIC, MYO], "1-8") == [
        Fit("myo", "channels 1-8, resampled from 2000 to 200 Hz (1/10, off by 0 ppm)")
    ]
    assert fits(source(4, 1000.0, "uV"), [SYNTHETIC, MYO]) == []


def test_where_none_fits_the_line_says_what_to_do() -> None:
    assert no_fit(source(4, 1000.0, "uV")) == (
        "no model fits 4 channels at 1000 Hz: record and train one, or choose channels with EMG_CHANNELS"
    )
    assert no_fit(source(16, 1259.259, "uV"), "3").startswith("no model fits 1 channel at 1259.26 Hz: ")


@pytest.mark.parametrize(
    ("filters", "rate", "band"),
    [
        ((), 200.0, (0.0, 90.0)),
        (({"kind": "highpass", "order": 2, "low_hz": 5},), 200.0, (5.0, 90.0)),
        (({"kind": "lowpass", "order": 2, "high_hz": 40},), 200.0, (0.0, 40.0)),
        (({"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450},), 2000.0, (20.0, 450.0)),
        (({"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450},), 950.0, (20.0, 427.5)),
        (
            (
                {"kind": "highpass", "order": 2, "low_hz": 5},
                {"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450},
                {"kind": "lowpass", "order": 4, "high_hz": 300},
                {"kind": "notch", "frequency_hz": "mains", "q": 30},
            ),
            2000.0,
            (20.0, 300.0),
        ),
    ],
)
def test_the_band_is_what_the_filters_leave(
    filters: tuple[dict[str, object], ...], rate: float, band: tuple[float, float]
) -> None:
    assert band_of(filters, rate) == pytest.approx(band)


def test_the_shipped_models_have_the_bands_that_the_documents_name() -> None:
    bands = {}
    for manifest in Path("instance/models").glob("*/manifest.json"):
        given = json.loads(manifest.read_text())["input"]
        bands[manifest.parent.name] = band_of(given["filters"], given["sampling_rate_hz"])
    assert bands["myo-8ch-200hz"] == (0.0, 90.0)
    assert bands["synthetic-16ch-2khz"] == (20.0, 450.0)
