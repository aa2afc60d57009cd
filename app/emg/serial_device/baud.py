"""What a serial line can carry, and what does not fit through it."""

from __future__ import annotations

from math import ceil

from app.emg.serial_device.frames import FRAME2_BYTES, FRAME_BYTES, MAX_CHANNELS2, most_samples
from app.errors import ConfigError

BITS_PER_BYTE = 10  # 8N1: a start bit, eight of data, a stop bit
RATES = (
    9600,
    19200,
    38400,
    57600,
    115200,
    230400,
    460800,
    500000,
    921600,
    1000000,
    2000000,
    3000000,
    4000000,
)
DEFAULT = {"binary": 921600, "csv": 115200}
# A number and what parts it from the next. Two digits make hardly a signal, so what does not fit even with
# them is refused; four (a 12-bit converter, or -999 uV) are what a sketch prints.
CSV_LEAST_BYTES, CSV_USUAL_BYTES = 3, 5


def bytes_per_second(baud: int) -> float:
    """Return how many bytes a line of that rate (bits/s) carries."""
    return baud / BITS_PER_BYTE


def sample_bytes(
    channels: int,
    format: str,
    per_frame: int = 1,
    value_bytes: int = CSV_USUAL_BYTES,
    frame_bytes: int = FRAME_BYTES,
) -> float:
    """Bytes that one sample takes; in `csv` with numbers of `value_bytes`, in `binary` by samples in a frame.

    `frame_bytes` are those around the samples.
    """
    if format == "csv":
        return channels * value_bytes
    return frame_bytes / per_frame + 2 * channels


def least_bytes(channels: int, format: str) -> float:
    """Bytes that one sample takes at the very least."""
    return sample_bytes(channels, format, most_samples(channels), CSV_LEAST_BYTES)


def require(baud: int, channels: int, rate: float, format: str) -> None:
    """See that so many channels at so many Hz can come through.

    Raises:
        ConfigError: they cannot, however they are packed; it says what would fit.
    """
    if format not in DEFAULT:
        raise ConfigError(f"EMG_FORMAT={format!r} is not allowed: csv or binary")
    if not 1 <= channels <= MAX_CHANNELS2:
        raise ConfigError(f"{channels} channels are not allowed: a serial device has 1 to {MAX_CHANNELS2}")
    needed = least_bytes(channels, format) * rate
    if needed <= bytes_per_second(baud):
        return
    fitting = ", or ".join(_fitting(baud, channels, rate, format))
    raise ConfigError(
        f"EMG_BAUD={baud} carries {bytes_per_second(baud):.0f} bytes/s, but {_named(channels)} at {rate:g} Hz "
        f"as {format} are at least {ceil(needed)}; what would fit: {fitting}"
    )


def note(baud: int, channels: int, rate: float, format: str) -> str | None:
    """Return what to know where it fits only just; None where there is room."""
    room = bytes_per_second(baud) / rate  # bytes for one sample
    if format == "csv":
        if sample_bytes(channels, "csv") <= room:
            return None
        return f"EMG_BAUD={baud} leaves {room / channels:.1f} bytes a number, comma included: longer ones do not fit"
    if sample_bytes(channels, "binary") <= room:
        return None
    fewest = ceil(FRAME_BYTES / (room - 2 * channels)) if room > 2 * channels else most_samples(channels)
    return (
        f"EMG_BAUD={baud} takes {_named(channels)} at {rate:g} Hz in frames of {fewest} samples or more only"
    )


def fewest_samples(baud: int, channels: int, rate: float, version: int = 1) -> int:
    """Return how few samples a frame of that version may hold for the line to carry them; 1 where none are enough."""
    around = FRAME_BYTES if version == 1 else FRAME2_BYTES
    room = bytes_per_second(baud) / rate - 2 * channels  # what is left of a sample's time
    fewest = ceil(around / room) if room > 0 else 1
    return fewest if fewest <= most_samples(channels) else 1


def _fitting(baud: int, channels: int, rate: float, format: str) -> list[str]:
    """Each a change of one thing."""
    found = []
    faster = next((b for b in RATES if least_bytes(channels, format) * rate <= bytes_per_second(b)), None)
    if faster is not None:
        found.append(f"EMG_BAUD={faster}")
    if format == "csv" and least_bytes(channels, "binary") * rate <= bytes_per_second(baud):
        found.append("EMG_FORMAT=binary")
    fewer = [c for c in range(1, channels) if least_bytes(c, format) * rate <= bytes_per_second(baud)]
    if fewer:
        found.append(f"{_named(fewer[-1])} at {rate:g} Hz")
    found.append(f"{_named(channels)} at {int(bytes_per_second(baud) / least_bytes(channels, format))} Hz")
    return found


def _named(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"


def suited(channels: int, rate: float, format: str, per_frame: int = 1, version: int = 1) -> int | None:
    """Return the usual baud rate of the format if it carries that, else the lowest that does; None: none does.

    `version` is that of the binary frame.
    """
    around = FRAME_BYTES if version == 1 else FRAME2_BYTES
    needed = sample_bytes(channels, format, per_frame, frame_bytes=around) * rate
    return next((b for b in (DEFAULT[format], *RATES) if needed <= bytes_per_second(b)), None)
