"""What BrainFlow, or MindRove's fork of it, says of a board: channels, rate, and what comes beside EMG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.emg.brainflow.aux_rows import AuxRows, aux_rows
from app.emg.brainflow.board_names import SUFFIX, board_id
from app.emg.brainflow.needs import PLAYBACK, STREAMING, missing, settings_for
from app.emg.brainflow.parameters import Parameters, parse
from app.emg.brainflow.sdk import Sdk, load_brainflow
from app.emg.description import SourceDescription
from app.errors import ConfigError

UNITS = "uV"  # of EMG and EEG: https://brainflow.readthedocs.io/en/stable/DataFormatDesc.html
# What has to be given for a played file or a network stream to carry another preset as well
FURTHER: Mapping[int, Mapping[int, tuple[str, ...]]] = {
    PLAYBACK: {1: ("file_aux",), 2: ("file_anc",)},
    STREAMING: {1: ("ip_address_aux", "ip_port_aux"), 2: ("ip_address_anc", "ip_port_anc")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One board, and what is needed to open it."""

    id: int
    name: str
    rows: tuple[int, ...]  # of its data: the EMG channels
    sampling_rate: float  # Hz
    counter_row: int | None  # package numbers
    timestamp_row: int | None = None
    aux: tuple[AuxRows, ...] = ()
    parameters: Parameters = field(default_factory=dict)

    @property
    def channels(self) -> int:
        return len(self.rows)

    @property
    def description(self) -> SourceDescription:
        return SourceDescription(
            channels=self.channels,
            sampling_rate=self.sampling_rate,
            units=UNITS,
            aux_streams=tuple(one.stream for one in self.aux),
        )


def find_board(text: str, parameters: str = "", *, port: str | None = None, sdk: Sdk | None = None) -> Board:
    """Return the board that EMG_BOARD, EMG_BOARD_PARAMS and EMG_PORT name.

    A played file and a network stream are described by the board that they came from, their `master_board`.

    Raises:
        ConfigError: no such board, it has no EMG channels, something is missing to open it, or its SDK is not there.
    """
    sdk = sdk or load_brainflow()
    name = text.strip().upper().replace("-", "_") if sdk.prefix else text
    number = board_id(name.removeprefix(sdk.prefix), sdk.boards, f"EMG_BOARD={text}", sdk.title)
    given = _with_port(parse(parameters, sdk), port)
    name = next(name for name, one in sdk.boards.items() if one == number)
    if absent := missing(name, given):
        raise ConfigError(
            f"EMG_BOARD={text}: it needs {' and '.join(absent)}, such as {settings_for(absent)}"
        )
    return describe(sdk, number, given, f"EMG_BOARD={text}")


def describe(sdk: Sdk, number: int, given: Parameters, said: str) -> Board:
    """Return the board of this number by its own description; `said` is what named it.

    Raises:
        ConfigError: it has no description, or no EMG channels.
    """
    master = int(given.get("master_board", number)) if number in FURTHER else number
    default = sdk.describe(master)
    if default is None:
        raise ConfigError(f"{said}: it is not a device that {sdk.title} can describe")
    rows = tuple(default.get("emg_channels", ()))
    if not rows:
        has = ", ".join(key for key in default if key.endswith("_channels"))
        of = "" if master == number else f" of {default['name']}"
        raise ConfigError(f"{said}: by its own description{of} it has no EMG channels, but {has}")
    name = default["name"] if master == number else f"{_title(sdk, number)} of {default['name']}"
    return Board(
        id=number,
        name=name,
        rows=rows,
        sampling_rate=float(default["sampling_rate"]),
        counter_row=default.get("package_num_channel"),
        timestamp_row=default.get("timestamp_channel"),
        aux=aux_rows(_presets(sdk, master, number, given), rows),
        parameters=given,
    )


def _presets(sdk: Sdk, master: int, number: int, given: Parameters) -> Mapping[int, Mapping[str, Any]]:
    """Return the descriptions of the presets that will come."""
    wanted = [
        preset
        for preset in sdk.presets(master)
        if number not in FURTHER or all(name in given for name in FURTHER[number].get(preset, ()))
    ]
    found = {preset: sdk.describe(master, preset) for preset in wanted}
    return {preset: description for preset, description in found.items() if description is not None}


def _title(sdk: Sdk, number: int) -> str:
    name = next(name for name, one in sdk.boards.items() if one == number)
    return name.removesuffix(SUFFIX).replace("_", " ").capitalize()


def _with_port(given: Parameters, port: str | None) -> Parameters:
    if port is None:
        return given
    if given.get("serial_port", port) != port:
        raise ConfigError(
            f"EMG_PORT={port} and serial_port={given['serial_port']} in EMG_BOARD_PARAMS are two ports: name one"
        )
    return {**given, "serial_port": port}
