"""From settings to a device's own words, and to the source that reads it: no model is needed for either."""

from __future__ import annotations

from collections.abc import Callable

from app.config import EmgMode, Settings
from app.emg.brainflow.boards import Board, find_board
from app.emg.brainflow.sdk import LOADERS, Sdk
from app.emg.brainflow.source import BoardSource
from app.emg.description import SourceDescription
from app.emg.lsl import finder
from app.emg.lsl.finder import Query
from app.emg.lsl.source import LslSource
from app.emg.otb.probes import Probe, probe_of
from app.emg.otb.source import OtbSource
from app.emg.serial_device import describe as serial_describe
from app.emg.serial_device.source import SerialOptions, SerialSource
from app.emg.source import Source
from app.serving.process.native_thread import run_aside
from app.serving.process.offload import BlockingWorker

ARMBAND = "wifi"  # MindRove's board where EMG_BOARD says nothing
LSL_LOOK_S = 3.0  # for a stream to answer
OF_DEVICES = (EmgMode.REALTIME, EmgMode.LSL, EmgMode.BRAINFLOW, EmgMode.MINDROVE, EmgMode.OTB)


def describe_device(settings: Settings) -> SourceDescription:
    """Return what the device of EMG_MODE, one of OF_DEVICES, says that it delivers. May take seconds.

    Boards and probes are known by their names; a serial port is opened and closed, an LSL stream is looked for.

    Raises:
        ConfigError: a setting is wrong, or the device does not say it; the line says what would.
        SourceError: it is not there now.
    """
    if settings.emg_mode is EmgMode.REALTIME:
        return serial_describe.describe(serial_options(settings))
    if settings.emg_mode is EmgMode.LSL:
        return finder.describe(
            Query.parse(settings.lsl or ""), LSL_LOOK_S, scale=_scale(settings), aux=_beside(settings)
        )
    if settings.emg_mode is EmgMode.OTB:
        return probe(settings).description
    return board(settings)[0].description


def open_device(settings: Settings, description: SourceDescription) -> Source:
    """Return the source that reads a device which is what `description` says; it is connected when it is first read.

    Raises:
        ConfigError: a setting is wrong, or what the device needs is not installed.
    """
    if settings.emg_mode is EmgMode.REALTIME:
        return SerialSource(serial_options(settings).as_described(description))
    if settings.emg_mode is EmgMode.LSL:
        return LslSource(
            Query.parse(settings.lsl or ""), description, scale=_scale(settings), aux=_beside(settings)
        )
    if settings.emg_mode is EmgMode.OTB:
        found = probe(settings)
        return OtbSource(
            found, (settings.otb_bind[0], settings.otb_bind[1] or found.port), scale=_scale(settings)
        )
    found_board, sdk = board(settings)
    return BoardSource(found_board, scale=settings.scale, loop=settings.loop, sdk=sdk, aside=run_aside)


def board(settings: Settings) -> tuple[Board, Sdk]:
    """Return the board that the settings name, and the SDK that knows it.

    Raises:
        ConfigError: there is no such board, or the SDK is not there.
    """
    sdk = _load(LOADERS[settings.emg_mode.value])
    named = settings.board or ARMBAND
    return find_board(named, settings.board_params, port=settings.port, sdk=sdk), sdk


def _load(load: Callable[[], Sdk]) -> Sdk:
    """Return the SDK. Its import takes up to a second: on a native thread, so that no stream waits for it."""
    worker = BlockingWorker()
    try:
        return worker.do(load)
    finally:
        worker.close()


def probe(settings: Settings) -> Probe:
    """Return the probe that the settings name.

    Raises:
        ConfigError: it cannot be asked for that.
    """
    return probe_of(settings.otb or "", settings.otb_params)


def serial_options(settings: Settings) -> SerialOptions:
    """Return the port that the settings name, and what they say of the device.

    Raises:
        ConfigError: the baud rate cannot carry that.
    """
    return SerialOptions(
        channels=settings.channels,
        sampling_rate=settings.sampling_rate,
        port=settings.port,
        usb=settings.usb,
        baud=settings.baud,
        format=settings.format,
        scale=settings.scale,
    )


def _scale(settings: Settings) -> float | None:
    """Return EMG_SCALE where the operator knows better than the device."""
    return None if settings.scale == 1.0 else settings.scale


def _beside(settings: Settings) -> tuple[Query, ...]:
    return Query.parse_several(settings.lsl_aux, "EMG_LSL_AUX")
