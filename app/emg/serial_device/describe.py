"""What a serial device delivers, before there is a model: read off the frames that it sends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from app.counted import counted
from app.emg.auxiliary import AuxStream
from app.emg.description import SourceDescription
from app.emg.serial_device.frame_scanner import FrameScanner
from app.emg.serial_device.frames import Block, Frame, aux_name
from app.emg.serial_device.packets import RATE_TOLERANCE
from app.emg.serial_device.port import PortInfo, SerialPort, list_ports
from app.emg.serial_device.source import NAP_S, SerialOptions
from app.errors import ConfigError, SourceError

MICROVOLTS = "uV"  # what a frame's scale makes of its counts
AUX_S = 1.2  # of frames; every auxiliary block is in one of them, once a second
ANSWER_S = 5.0  # an Arduino that was reset by the opening speaks within 2 s


def describe(
    options: SerialOptions,
    seconds: float = ANSWER_S,
    *,
    list_ports: Callable[[], Sequence[PortInfo]] = list_ports,
    clock: Callable[[], float] = time.monotonic,
) -> SourceDescription:
    """Return what the options say, and for what they leave open what the device's frames say.

    Raises:
        SourceError: the port cannot be opened, or no frame comes within so many seconds.
        ConfigError: the device does not say it; the line says which setting would.
    """
    if options.channels is not None and options.sampling_rate is not None:
        return SourceDescription(
            channels=options.channels, sampling_rate=options.sampling_rate, units=options.units
        )
    if options.format == "csv":
        missing = [
            name
            for name, value in (("EMG_CH", options.channels), ("EMG_FS", options.sampling_rate))
            if value is None
        ]
        raise ConfigError(
            f"EMG_FORMAT=csv: lines do not say {_what(missing)}; set {' and '.join(missing)}, or EMG_MODEL"
        )
    look = _looked(options, seconds, list_ports, clock)
    for name, said, found in (
        ("EMG_CH", options.channels, look.form.channels),
        ("EMG_FS", options.sampling_rate, look.form.rate),
    ):
        if said is not None and found is not None and not math.isclose(said, found, rel_tol=RATE_TOLERANCE):
            raise ConfigError(f"{name}={said:g}, but the device's frames say {found:g}")
    rate = look.form.rate or options.sampling_rate
    if rate is None:
        raise ConfigError(
            f"the device's frames hold {counted(look.form.channels, 'channel')}, but do not say their rate: set "
            "EMG_FS, or EMG_MODEL, or have the device send frames of version 2"
        )
    return SourceDescription(
        channels=look.form.channels,
        sampling_rate=rate,
        units=options.units if look.form.scale is None or options.scale != 1.0 else MICROVOLTS,
        aux_streams=tuple(_stream(kind, block, rate) for kind, block in sorted(look.blocks.items())),
    )


def _what(missing: Sequence[str]) -> str:
    return " and ".join(
        {"EMG_CH": "how many channels they hold", "EMG_FS": "their rate"}[name] for name in missing
    )


def _stream(kind: int, block: Block, rate: float) -> AuxStream:
    name, units = aux_name(kind)
    count = block.samples.shape[1]
    axes = [f"{name}_{axis}" for axis in "xyz"] if count == 3 else [f"{name}{n + 1}" for n in range(count)]
    return AuxStream(
        name=name,
        channel_names=(name,) if count == 1 else tuple(axes),
        units=units,
        sampling_rate=rate / block.every,
    )


class _Look:
    """What the frames of a device look like, and which auxiliary blocks are in some of them."""

    def __init__(self, first: Frame) -> None:
        self.form = first.form
        self.blocks: dict[int, Block] = {}

    def add(self, frame: Frame) -> None:
        for block in frame.blocks:
            self.blocks[block.kind] = block


def _looked(
    options: SerialOptions,
    seconds: float,
    ports: Callable[[], Sequence[PortInfo]],
    clock: Callable[[], float],
) -> _Look:
    """Return the first frame's look; of one that may have auxiliary blocks, after AUX_S of frames.

    Raises:
        SourceError: the port cannot be opened, or nothing that is a frame comes in time.
    """
    scanner, seen, look = FrameScanner(), 0, None
    port = SerialPort(options.device(ports), options.bits_per_second, ports)
    until = clock() + seconds
    try:
        while clock() < until:
            data = port.read(NAP_S)
            seen += len(data)
            for frame in scanner.feed(data):
                if look is None:
                    look = _Look(frame)
                    until = clock() + (AUX_S if frame.form.version == 2 else 0.0)
                look.add(frame)
    finally:
        port.close()
    if look is None:
        what = "not one frame: are EMG_BAUD and EMG_FORMAT right?" if seen else "is the device running?"
        raise SourceError(
            f"{port.device} sent {seen} bytes in {seconds:g} s at {options.bits_per_second} baud; {what}"
        )
    return look
