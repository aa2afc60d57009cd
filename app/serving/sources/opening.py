"""From settings to the source that EMG_MODE names, and to the signal path behind it."""

from __future__ import annotations

from pathlib import Path

from app.config import EmgMode, Settings
from app.emg.brainflow.source import UNITS as BOARD_UNITS
from app.emg.brainflow.source import BoardSource, find_board
from app.emg.description import SourceDescription
from app.emg.files.gesture_names import with_class_names
from app.emg.files.loading import load_path
from app.emg.files.recordings import Recording, in_units
from app.emg.lsl.finder import Query
from app.emg.lsl.source import LslSource
from app.emg.serial_device.source import SerialOptions, SerialSource
from app.emg.signal.filters import design
from app.emg.signal.rates import same_rate
from app.emg.signal.ring import MAX_FILLED, Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.simulated import faults
from app.emg.simulated.playback import Playback, require
from app.emg.simulated.simulator import Simulator
from app.emg.source import Source
from app.errors import DataError
from app.inference import artefact
from app.inference.manifest import Manifest
from app.serving.process.native_thread import native_thread

KEPT_S = 10.0  # of filtered signal, for readers that ask for many windows or come back late
LSL_LOOK_S = 2.0  # at the start, for a stream that contradicts the model


def open_source(settings: Settings, manifest: Manifest) -> Source | None:
    """Return the source that EMG_MODE names, for that model; None where clients bring their own.

    Raises:
        DataError: the recording cannot be used; the line says which model would fit.
    """
    if settings.emg_mode is EmgMode.PUSH:
        return None
    source = _open_source(settings, manifest)
    found = faults.parse(settings.faults)
    return faults.FaultInjector(source, found) if found else source


def _open_source(settings: Settings, manifest: Manifest) -> Source:
    if settings.emg_mode is EmgMode.NINAPRO:
        assert settings.recording is not None  # Settings has seen to it
        recordings = load_path(settings.recording, labelled=False)
        for recording in recordings:
            _expect_fit(recording, manifest, settings.instance / "models")
        named = with_class_names(recordings, manifest.classes, manifest.rest_class)
        named = tuple(in_units(recording, manifest.units) for recording in named)
        return Playback(named, speed=settings.speed, loop=settings.loop)
    if settings.emg_mode is EmgMode.REALTIME:
        return SerialSource(serial_options(settings, manifest))
    if settings.emg_mode is EmgMode.LSL:
        return _open_lsl(settings, manifest)
    if settings.emg_mode is EmgMode.BRAINFLOW:
        return _open_board(settings, manifest)
    return Simulator(
        manifest.channels, manifest.sampling_rate, manifest.classes, manifest.rest_class, units=manifest.units
    )


def _open_lsl(settings: Settings, manifest: Manifest) -> LslSource:
    """Return the stream that EMG_LSL names; it may begin later than the server.

    Raises:
        ConfigError: pylsl is not there, or the stream is there and does not fit.
    """
    source = LslSource(
        Query.parse(settings.lsl or ""),
        SourceDescription(
            channels=manifest.channels, sampling_rate=manifest.sampling_rate, units=manifest.units
        ),
        scale=None if settings.scale == 1.0 else settings.scale,
    )
    source.check(LSL_LOOK_S)
    return source


def _open_board(settings: Settings, manifest: Manifest) -> BoardSource:
    """Return the board that EMG_BOARD names; it is connected when it is first read.

    Raises:
        ConfigError: brainflow is not there, or BrainFlow knows no such board.
        DataError: the model takes another signal.
    """
    board = find_board(settings.board or "")
    if board.channels != manifest.channels or not same_rate(board.sampling_rate, manifest.sampling_rate):
        fitting = [
            m.name
            for m in artefact.manifests(settings.instance / "models")
            if m.channels == board.channels and same_rate(m.sampling_rate, board.sampling_rate)
        ]
        advice = f"EMG_MODEL={' or '.join(fitting)} would fit" if fitting else "no model here fits"
        raise DataError(
            f"EMG_BOARD={settings.board} has {board.channels} EMG channels at {board.sampling_rate:g} Hz; the model "
            f"takes {manifest.channels} channels at {manifest.sampling_rate:g} Hz; {advice}"
        )
    return BoardSource(
        board,
        port=settings.port,
        units=BOARD_UNITS if settings.scale == 1.0 else manifest.units,
        scale=settings.scale,
        aside=native_thread().run,
    )


def serial_options(settings: Settings, manifest: Manifest) -> SerialOptions:
    """Return the device that the settings name, delivering what the model takes.

    Raises:
        ConfigError: the baud rate cannot carry that.
    """
    return SerialOptions(
        channels=manifest.channels,
        sampling_rate=manifest.sampling_rate,
        units=manifest.units,
        port=settings.port,
        usb=settings.usb,
        baud=settings.baud,
        format=settings.format,
        scale=settings.scale,
    )


def _expect_fit(recording: Recording, manifest: Manifest, models_dir: Path) -> None:
    models = [(m.name, m.channels, m.sampling_rate) for m in artefact.manifests(models_dir)]
    require(recording, manifest.channels, manifest.sampling_rate, models)


def open_path(settings: Settings, manifest: Manifest) -> SignalPath:
    """Return an empty ring behind the model's filters."""
    rate, length = manifest.sampling_rate, manifest.length
    # a longer gap leaves no usable window that spans it, and begins a new segment
    ring = Ring(round(KEPT_S * rate) + length, manifest.channels, max_fill=int(MAX_FILLED * length))
    return SignalPath(ring, design(manifest.filters, rate, settings.mains_hz))
