from __future__ import annotations

import pytest

from app.emg.otb.fake_probe import asked
from app.emg.otb.probes import probe_of
from app.errors import ConfigError
from app.variables import OTB_PROBES as KINDS


@pytest.mark.parametrize(
    ("kind", "parameters", "start", "stop", "channels", "rate", "values"),
    [
        ("muovi", "", "09", "08", 32, 2000, 38),
        ("muovi", "mode=1,channels=32", "0b", "0a", 32, 2000, 38),
        ("muovi", "mode=1,channels=16", "0b", "0a", 16, 2000, 22),
        ("muovi", "mode=2", "0d", "0c", 32, 2000, 38),
        ("muovi", "mode=3", "0f", "0e", 32, 2000, 38),
        ("muovi+", "", "09", "08", 64, 2000, 70),
        ("muovi", "signal=eeg", "01", "00", 32, 500, 38),
        ("sessantaquattro+", "", "5841", "5840", 64, 2000, 72),
        ("sessantaquattro", "", "5841", "5840", 64, 2000, 68),
        ("sessantaquattro+", "channels=8", "4041", "4040", 8, 2000, 16),
        ("sessantaquattro+", "channels=16", "4841", "4840", 16, 2000, 24),
        ("sessantaquattro+", "channels=32", "5041", "5040", 32, 2000, 40),
        ("sessantaquattro+", "rate=500", "1841", "1840", 64, 500, 72),
        ("sessantaquattro+", "rate=1000", "3841", "3840", 64, 1000, 72),
        ("sessantaquattro+", "rate=4000", "7841", "7840", 64, 4000, 72),
        ("sessantaquattro+", "mode=bipolar", "5941", "5940", 32, 2000, 40),
        ("sessantaquattro+", "mode=test", "5f41", "5f40", 64, 2000, 72),
        ("sessantaquattro+", "bits=24", "58c1", "58c0", 64, 2000, 72),
        ("sessantaquattro+", "rate=500,mode=accelerometer", "1b41", "1b40", 8, 2000, 16),
    ],
)
def test_the_command_is_the_protocols(
    kind: str, parameters: str, start: str, stop: str, channels: int, rate: float, values: int
) -> None:
    """The words that MyoGestic and LibEMG send, and manufacturers' descriptions give."""
    probe = probe_of(kind, parameters)
    assert (probe.start.hex(), probe.stop.hex()) == (start, stop)
    assert (probe.channels, probe.sampling_rate, probe.values) == (channels, rate, values)
    assert probe.candidates[0] == values
    if parameters != "mode=1,channels=16":
        assert asked(kind, probe.start) == probe


@pytest.mark.parametrize(
    ("kind", "parameters", "told"),
    [
        ("muovi", "rate=1000", "a muovi has no rate; it has signal, mode, channels"),
        ("muovi", "mode=1", "mode=1 is 16 channels of some firmware and 32 of other: say channels="),
        ("muovi", "channels=16", "channels=16 is not allowed: 32"),
        ("sessantaquattro", "channels=24", "channels=24 is not allowed: 8, 16, 32, 64"),
        ("sessantaquattro", "rate=2048", "rate=2048 is not allowed: 500, 1000, 2000, 4000"),
        ("sessantaquattro", "64", "is not allowed: name=value, separated by commas"),
        ("sessantaquattro", "rate=500,rate=500", "rate is there twice"),
    ],
)
def test_what_a_probe_cannot_do_is_refused(kind: str, parameters: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        probe_of(kind, parameters)
    assert told in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_probe_says_what_it_delivers(kind: str) -> None:
    found = probe_of(kind).description
    assert found.units == "uV"
    assert [stream.name for stream in found.aux_streams][-1] == "trigger"
    assert sum(stream.channels for stream in found.aux_streams) == probe_of(kind).accessories - 1
