"""What a serial device delivers, before there is a model: read off the frames that it sends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from app.emg.description import SourceDescription
from app.emg.serial_device.packets import PacketDecoder
from app.emg.serial_device.port import PortInfo, SerialPort, list_ports
from app.emg.serial_device.source import NAP_S, SerialOptions
from app.errors import ConfigError, SourceError

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
    if options.channels is not None and options.channels != look:
        raise ConfigError(f"EMG_CH={options.channels}, but the frames hold {look} channels")
    if options.sampling_rate is None:
        raise ConfigError(
            f"the device's frames hold {look} channels, but do not say their rate: set EMG_FS, or EMG_MODEL, "
            "or have the device send frames of version 2"
        )
    return SourceDescription(channels=look, sampling_rate=options.sampling_rate, units=options.units)


def _what(missing: Sequence[str]) -> str:
    return " and ".join(
        {"EMG_CH": "how many channels they hold", "EMG_FS": "their rate"}[name] for name in missing
    )


def _looked(
    options: SerialOptions,
    seconds: float,
    ports: Callable[[], Sequence[PortInfo]],
    clock: Callable[[], float],
) -> int:
    decoder = PacketDecoder(0)  # that is no device's number: every good frame is one of another
    port = SerialPort(options.device(ports), options.bits_per_second, ports)
    until = clock() + seconds
    try:
        while clock() < until:
            decoder.feed(port.read(NAP_S))
            if decoder.other_channels is not None:
                return decoder.other_channels
    finally:
        port.close()
    raise SourceError(f"{port.device} at {options.bits_per_second} baud: {decoder.complaint}")
