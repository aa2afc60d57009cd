"""From settings to the source that EMG_MODE names, as the device describes it, and to the signal path behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.config import EmgMode, Settings
from app.counted import counted
from app.emg.description import UNKNOWN_UNITS, SourceDescription, describe_source
from app.emg.files.gesture_names import with_class_names
from app.emg.files.recordings import in_units
from app.emg.recording.prompts.label_plan import REST
from app.emg.signal.display_filters import display_filters
from app.emg.signal.filters import design
from app.emg.signal.ring import MAX_FILLED, Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.simulated import faults
from app.emg.simulated.playback import Playback
from app.emg.simulated.simulator import Simulator
from app.emg.source import Source
from app.emg.units import factor
from app.errors import ConfigError, DataError, SourceError
from app.inference.manifest import Manifest
from app.serving.sources.device_opening import OF_DEVICES, describe_device, open_device
from app.serving.sources.fitting import as_it_is, choose, montage_for
from app.serving.sources.played_recordings import played_recordings

log = logging.getLogger(__name__)

Describe = Callable[[Settings], SourceDescription]

KEPT_S = 2.5  # of filtered signal, beside what the model reads: a group that is 0.1 s late skips to the newest window
LEAST_HZ = 10.0  # of a source without a model: below, there is no muscle to be seen
MOST_VALUES = 512 * 10_000  # a second, of all its channels: the ring of so many takes 51 MB
SHOWN_S = 0.25  # without a model: of a gap, so much is filled, as a window's MAX_FILLED would be
SIMULATED = SourceDescription(channels=16, sampling_rate=2000.0, units="uV")  # without a model that says more
SIMULATED_GESTURES = ("rest", "fist", "open", "flexion", "extension", "pinch", "point")


@dataclass(frozen=True, slots=True)
class Opened:
    """A source, the model that reads it (None: none does) and the empty ring behind both."""

    source: Source
    manifest: Manifest | None
    path: SignalPath

    @property
    def length(self) -> int:
        """Return how many samples of the ring make a window; 1 where no model reads it."""
        return self.manifest.length if self.manifest is not None else 1


def open_reading(
    settings: Settings,
    expected: Manifest | None,
    others: Sequence[Manifest] = (),
    describe: Describe = describe_device,
) -> Opened | None:
    """Return the source that EMG_MODE names and the model that reads it; None where clients bring their own.

    Without EMG_MODEL one of `others` may be the model. `describe` asks a device what it is.

    Raises:
        DataError: the operator's model cannot read it; the line says which could.
        SourceError: what it delivers is not known, as it does not answer.
        ConfigError: a setting that says so is missing.
    """
    source = open_source(settings, expected, others, describe)
    return None if source is None else read_by_model(settings, source, expected, others)


def read_by_model(
    settings: Settings, source: Source, expected: Manifest | None, others: Sequence[Manifest] = ()
) -> Opened:
    """Return what the model that fits makes of a source.

    Raises:
        DataError: the operator's model cannot read it.
    """
    manifest = choose(settings, describe_source(source), expected, others)
    return Opened(source, manifest, open_path(settings, manifest, describe_source(source)))


def open_source(
    settings: Settings,
    expected: Manifest | None,
    others: Sequence[Manifest] = (),
    describe: Describe = describe_device,
) -> Source | None:
    """Return the source that EMG_MODE names; None where clients bring their own.

    What it delivers it says itself. A device that does not answer now is taken to deliver what `expected` reads.

    Raises:
        DataError: the recording cannot be used.
        SourceError: a device does not answer, and there is no model to go by.
        ConfigError: the settings do not say what is needed, or a library is not there.
    """
    if settings.emg_mode is EmgMode.PUSH:
        return None
    source = _open_source(settings, expected, others, describe)
    found = faults.parse(settings.faults)
    return faults.FaultInjector(source, found) if found else source


def _open_source(
    settings: Settings, expected: Manifest | None, others: Sequence[Manifest], describe: Describe
) -> Source:
    if settings.emg_mode is EmgMode.NINAPRO:
        return _open_recording(settings, expected, others)
    if settings.emg_mode in OF_DEVICES:
        return _open_device(settings, expected, others, describe)
    return _simulator(settings, expected)


def _simulator(settings: Settings, expected: Manifest | None) -> Simulator:
    if expected is not None:
        return Simulator(
            expected.channels,
            expected.sampling_rate,
            expected.classes or SIMULATED_GESTURES,
            expected.rest_class or REST,
            units=expected.units,
        )
    return Simulator(
        settings.channels or SIMULATED.channels,
        settings.sampling_rate or SIMULATED.sampling_rate,
        SIMULATED_GESTURES,
    )


def _open_recording(settings: Settings, expected: Manifest | None, others: Sequence[Manifest]) -> Playback:
    assert settings.recording is not None  # Settings has seen to it
    recordings = played_recordings(settings.recording, settings.instance / "recordings")
    first = recordings[0]
    signal = SourceDescription(
        channels=first.channels, sampling_rate=first.fs, units=units_as_read(first.units, expected)
    )
    try:
        reader = choose(settings, signal, expected, others)
    except DataError as error:
        raise DataError(f"{first.name}: {error}") from None
    if reader is not None:
        if not reader.gives_values:
            recordings = with_class_names(recordings, reader.classes, reader.rest_class)
        recordings = tuple(
            replace(in_units(recording, reader.units), units=reader.units) for recording in recordings
        )
    return Playback(recordings, speed=settings.speed, loop=settings.loop)


def _open_device(
    settings: Settings, expected: Manifest | None, others: Sequence[Manifest], describe: Describe
) -> Source:
    """Return the device of EMG_MODE as it describes itself.

    Raises:
        SourceError, ConfigError: as `describe_device`; where a model is expected, only for a wrong setting.
    """
    try:
        description = describe(settings)
    except SourceError:
        if expected is None or settings.montage is not None:  # nobody knows what the montage chooses from
            raise
        description = _as_read_by(settings, expected)  # it may begin later than the server
    except ConfigError:
        if expected is None or settings.emg_mode is not EmgMode.REALTIME:
            raise
        description = _as_read_by(settings, expected)  # CSV, or frames of version 1, say only half of it
    return open_device(settings, _in_units_read(settings, description, expected, others))


def _in_units_read(
    settings: Settings, description: SourceDescription, expected: Manifest | None, others: Sequence[Manifest]
) -> SourceDescription:
    """Return what the device says; in the units of the model that reads it where it says none, or EMG_SCALE makes them.

    Where no model reads it, nobody knows better than the device.
    """
    says = description.units != UNKNOWN_UNITS and settings.scale == 1.0
    if expected is None or says:
        return description
    for manifest in (expected, *others):
        asked = replace(description, units=manifest.units)
        if settings.model is not None or as_it_is(settings, asked, manifest):
            return asked
    return description


def _as_read_by(settings: Settings, expected: Manifest) -> SourceDescription:
    """Return what a device must deliver that does not say so now."""
    of_device = settings.emg_mode is EmgMode.REALTIME
    return SourceDescription(
        channels=(settings.channels if of_device else None) or expected.channels,
        sampling_rate=(settings.sampling_rate if of_device else None) or expected.sampling_rate,
        units=expected.units,
    )


def units_as_read(units: str, expected: Manifest | None) -> str:
    """Return a recording's units; unknown where nobody can know how to convert them into the model's."""
    if expected is None or factor(units, expected.units) is not None:
        return units
    return UNKNOWN_UNITS


def open_path(
    settings: Settings, manifest: Manifest | None, signal: SourceDescription | None = None
) -> SignalPath:
    """Return an empty ring behind the model's filters, and before those the montage from that source.

    Without a model the ring has the source's own samples, filtered for the eye.

    Raises:
        DataError: the model cannot read that source; without one, it is too slow, or too much.
    """
    if manifest is None:
        assert signal is not None
        _expect_showable(signal)
        rate, fill = signal.sampling_rate, round(SHOWN_S * MAX_FILLED * signal.sampling_rate)
        ring = Ring(round(KEPT_S * rate), signal.channels, max_fill=fill)
        shown = display_filters(rate, settings.mains_hz)
        return SignalPath(ring, shown.sos(rate), filters=shown.specs)
    rate, length = manifest.sampling_rate, manifest.length
    # a longer gap leaves no usable window that spans it, and begins a new segment
    fill = int(MAX_FILLED * length)
    montage = None if signal is None else montage_for(settings, signal, manifest, fill)
    ring = Ring(round(KEPT_S * rate) + manifest.reads, manifest.channels, max_fill=fill)
    sos = design(manifest.filters, rate, settings.mains_hz)
    return SignalPath(ring, sos, montage, rate, manifest.filters)


def _expect_showable(signal: SourceDescription) -> None:
    """See that it can be shown and judged, and that its last seconds can be kept.

    Raises:
        DataError: it is too slow, or too much.
    """
    rate, channels = signal.sampling_rate, signal.channels
    if rate < LEAST_HZ:
        raise DataError(f"a source of {rate:g} Hz cannot be used without a model: {LEAST_HZ:g} Hz at least")
    if channels * rate > MOST_VALUES:
        raise DataError(
            f"{counted(channels, 'channel')} at {rate:g} Hz: {channels * rate:.0f} values a second, "
            f"more than {MOST_VALUES}"
        )
