"""The probes of OT Bioelettronica: what each is asked for, by which bytes, and what it sends then.

By the protocols' descriptions as MyoGestic 2.6.2 and LibEMG 2.0.3 have them; no probe was seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.emg.auxiliary import AuxStream
from app.emg.description import SourceDescription
from app.errors import ConfigError
from app.variables import OTB_PROBES as KINDS

PORTS = {"muovi": 54321, "muovi+": 54321, "sessantaquattro": 45454, "sessantaquattro+": 45454}
UNITS = "uV"
COUNTS = "counts"  # what comes beside EMG is delivered as it is
# What comes behind the channels, the counter last, by how many those are
ACCESSORIES: Mapping[int, tuple[str, ...]] = {
    4: ("aux", "aux", "trigger", "counter"),
    6: (*("quaternion",) * 4, "trigger", "counter"),
    8: ("aux", "aux", *("quaternion",) * 4, "trigger", "counter"),
}
RATES = (500, 1000, 2000, 4000)
CHANNELS = (8, 16, 32, 64)
MODES = {
    "monopolar": 0,
    "bipolar": 1,
    "differential": 2,
    "accelerometer": 3,
    "impedance_advanced": 5,
    "impedance": 6,
    "test": 7,
}
FIRMWARE_MODE = 1  # of a Muovi: half of the channels or all of them, by its firmware


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe, and what it is asked for."""

    kind: str
    channels: int
    sampling_rate: float  # Hz
    value_bytes: int  # big-endian
    accessories: int  # channels behind the EMG's, as is expected
    microvolts: float  # of a count
    start: bytes
    stop: bytes

    @property
    def port(self) -> int:
        """The TCP port at which it expects its computer to listen."""
        return PORTS[self.kind]

    @property
    def values(self) -> int:
        """How many there are of each instant."""
        return self.channels + self.accessories

    @property
    def candidates(self) -> tuple[int, ...]:
        """How many values of an instant there may be by the counter, the expected number first."""
        if self.kind.startswith("muovi"):
            others: tuple[int, ...] = (self.channels * 2 + 6, self.channels // 2 + 6)
        else:
            others = tuple(self.channels + behind for behind in ACCESSORIES)
        return (self.values, *(other for other in others if other != self.values))

    @property
    def description(self) -> SourceDescription:
        names = ACCESSORIES[self.accessories][:-1]
        streams = [
            AuxStream(
                name=name,
                channel_names=_numbered(name, names.count(name)),
                units=COUNTS,
                sampling_rate=self.sampling_rate,
            )
            for name in dict.fromkeys(names)
        ]
        return SourceDescription(
            channels=self.channels,
            sampling_rate=self.sampling_rate,
            units=UNITS,
            aux_streams=tuple(streams),
        )


def _numbered(name: str, count: int) -> tuple[str, ...]:
    if name == "quaternion":
        return tuple(f"quaternion_{axis}" for axis in "wxyz")
    return (name,) if count == 1 else tuple(f"{name}{number}" for number in range(1, count + 1))


def probe_of(kind: str, parameters: str = "") -> Probe:
    """Return the probe that EMG_OTB and EMG_OTB_PARAMS name.

    Raises:
        ConfigError: there is no such probe, or it cannot be asked for that.
    """
    if kind not in KINDS:
        raise ConfigError(f"EMG_OTB={kind} is not allowed: {', '.join(KINDS)}")
    given = _parsed(parameters)
    probe = _muovi(kind, given) if kind.startswith("muovi") else _sessantaquattro(kind, given)
    if given:
        allowed = (
            "signal, mode, channels" if kind.startswith("muovi") else "channels, rate, mode, bits, highpass"
        )
        raise ConfigError(f"EMG_OTB_PARAMS: a {kind} has no {' or '.join(given)}; it has {allowed}")
    return probe


def _parsed(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in filter(None, (one.strip().lower() for one in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not re.fullmatch("[a-z]+", name.strip()):
            raise ConfigError(f"EMG_OTB_PARAMS={text!r} is not allowed: name=value, separated by commas")
        if name.strip() in given:
            raise ConfigError(f"EMG_OTB_PARAMS: {name.strip()} is there twice")
        given[name.strip()] = value.strip()
    return given


def _taken(given: dict[str, str], name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    """Return and remove one of the given; without a `default` the first of those allowed stands for nothing said.

    Raises:
        ConfigError: it is not one of those allowed.
    """
    value = given.pop(name, allowed[0] if default is None else default)
    if value not in allowed:
        raise ConfigError(f"EMG_OTB_PARAMS: {name}={value} is not allowed: {', '.join(allowed)}")
    return value


def _muovi(kind: str, given: dict[str, str]) -> Probe:
    emg = _taken(given, "signal", ("emg", "eeg")) == "emg"
    mode = int(_taken(given, "mode", ("0", "1", "2", "3")))
    most = 64 if kind == "muovi+" else 32
    if mode == FIRMWARE_MODE and "channels" not in given:
        raise ConfigError(
            f"EMG_OTB_PARAMS: mode=1 is {most // 2} channels of some firmware and {most} of other: say channels="
        )
    allowed = (str(most), str(most // 2)) if mode == FIRMWARE_MODE else (str(most),)
    command = int(emg) << 3 | mode << 1
    return Probe(
        kind=kind,
        channels=int(_taken(given, "channels", allowed)),
        sampling_rate=2000.0 if emg else 500.0,
        value_bytes=2 if emg else 3,
        accessories=6,
        microvolts=0.286,
        start=bytes([command | 1]),
        stop=bytes([command]),
    )


def _sessantaquattro(kind: str, given: dict[str, str]) -> Probe:
    channels = int(_taken(given, "channels", tuple(map(str, CHANNELS)), "64"))
    rate = int(_taken(given, "rate", tuple(map(str, RATES)), "2000"))
    mode = _taken(given, "mode", tuple(MODES))
    fine = _taken(given, "bits", ("16", "24")) == "24"
    highpass = _taken(given, "highpass", ("on", "off")) == "on"
    word = RATES.index(rate) << 13 | CHANNELS.index(channels) << 11 | MODES[mode] << 8
    word |= int(fine) << 7 | int(highpass) << 6
    probe = Probe(
        kind=kind,
        channels=channels,
        sampling_rate=float(rate),
        value_bytes=3 if fine else 2,
        accessories=8 if kind.endswith("+") else 4,
        microvolts=0.2861,
        # never settings with GO=0 first: a real one hangs up then
        start=(word | 1).to_bytes(2, "big"),
        stop=word.to_bytes(2, "big"),
    )
    if mode == "bipolar":
        return replace(probe, channels=channels // 2)
    if mode == "accelerometer":
        return replace(probe, channels=8, sampling_rate=4.0 * rate)
    return probe
