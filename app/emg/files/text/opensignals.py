"""OpenSignals text (PLUX, BITalino): a header in JSON, then counts around mid-scale, parted by tabs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.counted import counted
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.table.assemble import Table, assemble
from app.emg.files.table.layout import AuxColumns, Layout, called, chosen_emg, column_of, says_none
from app.emg.files.table.names import aux_of
from app.emg.files.text.csv_text import open_table
from app.emg.files.text.labelled_names import with_name
from app.errors import DataError

NAME = "OpenSignals text"

MOST_BITS = 32  # of a count

_FIRST = b"# OpenSignals Text File Format"
_COUNTER = "nseq"
_AUX = {"XYZ": "accelerometer", "ACC": "accelerometer", "RAW": "raw"}


@dataclass(frozen=True, slots=True)
class _Device:
    """A device of the header: its columns begin at `first` in the table."""

    address: str
    first: int
    columns: tuple[str, ...]
    sensors: tuple[str, ...]  # of the last columns
    bits: tuple[int, ...]
    rate_hz: float

    @property
    def analog(self) -> range:
        """The columns of sensors: the last ones."""
        end = self.first + len(self.columns)
        return range(end - len(self.sensors), end)


def matches(head: FileHead) -> bool:
    """Return whether it begins as OpenSignals' text files do."""
    return head.head.lstrip(b"\xef\xbb\xbf").startswith(_FIRST)


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through the file once and return what it holds.

    Raises:
        DataError: the header is damaged or does not fit the table, or no sensor is an EMG.
    """
    table = open_table(path)
    devices = tuple(_devices(path, table))
    layout = _layout(table, devices, hints)
    return assemble(table, with_name(layout, path, hints), hints)


def _devices(path: Path, table: Table) -> Iterator[_Device]:
    line = next((line for line in table.dialect.header if line.lstrip("# ").startswith("{")), "")
    try:
        said = json.loads(line.lstrip("# "))
        first = 0
        for address, one in said.items():
            device = _device(address, one, first)
            first += len(device.columns)
            yield device
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path.name}: the header of this OpenSignals file is damaged ({type(error).__name__}: {str(error)[:80]}); "
            "its second line must be JSON with sensor, column and sampling rate of each device"
        ) from None
    if first != table.dialect.width:
        names = counted(first, "column")
        raise DataError(f"{path.name}: its header names {names}, the table has {table.dialect.width}")


def _device(address: str, said: Mapping[str, Any], first: int) -> _Device:
    columns = tuple(map(str, said["column"]))
    sensors = tuple(map(str, said.get("sensor") or said["label"]))[: len(columns)]
    bits = tuple(int(bit) for bit in said.get("resolution", ()))[-len(sensors) :]
    if wrong := [bit for bit in bits if not 1 <= bit <= MOST_BITS]:
        raise ValueError(f"a resolution of {wrong[0]} bits")
    return _Device(address, first, columns, sensors, bits, float(said["sampling rate"]))


def _layout(table: Table, devices: tuple[_Device, ...], hints: ImportHints) -> Layout:
    names = [column for device in devices for column in device.columns]
    rates = {device.rate_hz for device in devices}
    if len(rates) > 1 and hints.rate_hz is None:
        raise DataError(
            f"{table.file}: its devices have rates of "
            f"{' and '.join(f'{rate:g}' for rate in sorted(rates))} Hz in one table; --rate says that of its rows"
        )
    sensors = {
        k: sensor for device in devices for k, sensor in zip(device.analog, device.sensors, strict=True)
    }
    bits = {k: bit for device in devices for k, bit in zip(device.analog, device.bits, strict=False)}
    emg = chosen_emg(
        table.file,
        hints,
        names,
        len(names),
        tuple(k for k, s in sensors.items() if s.upper().startswith("EMG")),
    )
    if not emg:
        raise DataError(
            f"{table.file}: by its header no sensor is an EMG ({', '.join(sensors.values())}); --emg "
            f"says which columns are, such as --emg {names[-1]}"
        )
    counter = next((k for k, name in enumerate(names) if name.lower() == _COUNTER), None)
    label = column_of(table.file, "--label", hints.label, names, len(names))
    rest = [k for k in range(len(names)) if k not in (*emg, counter, label) and names[k].lower() != _COUNTER]
    offsets = tuple(float(2 ** (bits[k] - 1)) if k in bits else 0.0 for k in emg)
    return Layout(
        format=NAME,
        emg=emg,
        channel_names=tuple(_unique([names[k] for k in emg])),
        units="counts",
        offsets=offsets,
        counter=counter,
        clock=None
        if says_none(hints.time)
        else column_of(table.file, "--time", hints.time, names, len(names)),
        label=label,
        aux=tuple(_beside(names, sensors, rest)),
        rate_hz=rates.pop() if len(rates) == 1 else None,
        found=(
            f"{table.dialect.said}; device {', '.join(device.address for device in devices)}",
            *_told(table, sensors, emg, offsets, bits),
        ),
    )


def _told(
    table: Table,
    sensors: Mapping[int, str],
    emg: tuple[int, ...],
    offsets: tuple[float, ...],
    bits: Mapping[int, int],
) -> Iterator[str]:
    yield (
        f"{', '.join(called(table.dialect, k) for k in emg)}: EMG by the header's list of sensors "
        f"({', '.join(sensors.values())})"
    )
    if any(offsets):
        k, offset = next((k, offset) for k, offset in zip(emg, offsets, strict=True) if offset)
        yield f"counts of {bits[k]} bits around mid-scale: {offset:g} is taken off"


def _beside(names: list[str], sensors: Mapping[int, str], rest: list[int]) -> Iterator[AuxColumns]:
    groups: dict[str, list[int]] = {}
    for k in rest:
        sensor = sensors.get(k)
        kind = "digital" if sensor is None else _AUX.get(sensor.upper()) or aux_of(sensor) or sensor.lower()
        groups.setdefault(kind, []).append(k)
    for kind, columns in groups.items():
        yield AuxColumns(
            name=kind,
            columns=tuple(columns),
            channel_names=tuple(_unique([names[k] for k in columns])),
            units="counts",
        )


def _unique(names: list[str]) -> Iterator[str]:
    """Yield names; those of a second device that are there already get a number."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"
