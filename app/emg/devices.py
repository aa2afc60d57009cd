"""One list of what EMG can come from: what is there now, and boards of which nobody can know whether they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.emg.brainflow.board_names import SUFFIX
from app.emg.brainflow.boards import describe
from app.emg.brainflow.needs import SYNTHETIC, needs, settings_for
from app.emg.brainflow.sdk import LOADERS, Sdk
from app.emg.description import SourceDescription
from app.emg.lsl.library import load_pylsl
from app.emg.otb.listener import Listener
from app.emg.otb.probes import PORTS, probe_of
from app.emg.serial_device import port as serial_port
from app.errors import ConfigError, SourceError
from app.variables import OTB_PROBES as KINDS

LOOK_S = 1.5  # for streams to answer and probes to dial in again
NAP_S = 0.05
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Something that EMG can come from.

    `there`: it was seen just now; False: it can be opened if it is there, which only opening it would tell.
    `settings` open it; `needs` are further ones, with examples for values.
    """

    kind: str  # serial, lsl, brainflow, mindrove or otb
    name: str
    there: bool
    settings: Mapping[str, str]
    needs: str = ""
    about: str = ""
    description: SourceDescription | None = field(default=None)  # where it is known without opening it


def find(seconds: float = LOOK_S, bind: str = LOOPBACK) -> list[Device]:
    """Return the devices of this machine and its network, those that are there first; look for `seconds`.

    `bind` is the address at which probes that dial in are listened for; one that does is hung up on, and dials again.
    """
    lsl = _resolver()
    probes = list(_dialled(bind, seconds))  # takes that long; the streams answer meanwhile
    streams = list(_streams(lsl))
    boards = [board for mode in LOADERS for board in _boards(mode)]
    found = [*_ports(), *streams, *probes, *boards, *_probes({probe.name for probe in probes})]
    return sorted(found, key=lambda device: not device.there)


def absent() -> list[str]:
    """Return a line for every kind of device that cannot be looked for, since its package is not installed."""
    lines = []
    for load in (load_pylsl, *LOADERS.values()):
        try:
            load()
        except ConfigError as error:
            lines.append(str(error))
    return lines


def _ports() -> Iterator[Device]:
    for port in serial_port.list_ports():
        named = {"EMG_USB": port.usb_id} if port.usb_id else {}
        yield Device(
            kind="serial",
            name=port.device,
            there=True,
            settings={"EMG_MODE": "realtime", "EMG_PORT": port.device, **named},
            about=port.description,
        )


def _resolver() -> Any:
    """Return what collects the streams of the network from now on; None without pylsl."""
    try:
        return load_pylsl().ContinuousResolver()
    except ConfigError:
        return None


def _streams(resolver: Any) -> Iterator[Device]:
    """Return the streams of numbers at a fixed rate: what else there is carries no signal."""
    if resolver is None:
        return
    infos = list({info.uid(): info for info in resolver.results()}.values())
    names = [info.name() for info in infos]
    for info in infos:
        if info.nominal_srate() <= 0 or info.channel_format() == 3:
            continue
        alone = names.count(info.name()) == 1 or not info.source_id()
        query = f"name={info.name()}" if alone else f"source_id={info.source_id()}"
        yield Device(
            kind="lsl",
            name=info.name(),
            there=True,
            settings={"EMG_MODE": "lsl", "EMG_LSL": query},
            about=f"type {info.type() or 'unknown'}, on {info.hostname()}",
            description=SourceDescription(channels=info.channel_count(), sampling_rate=info.nominal_srate()),
        )


def _boards(mode: str) -> Iterator[Device]:
    try:
        sdk = LOADERS[mode]()
    except ConfigError:
        return
    for name, number in sdk.boards.items():
        if (board := _board(sdk, mode, name, number)) is not None:
            yield board


def _board(sdk: Sdk, mode: str, name: str, number: int) -> Device | None:
    short = name.removesuffix(SUFFIX).lower()
    try:
        description = describe(sdk, number, {}, short).description
    except ConfigError:  # no EMG, or known by its master only
        return None
    return Device(
        kind=mode,
        name=short,
        there=number == SYNTHETIC,
        settings={"EMG_MODE": mode, "EMG_BOARD": short},
        needs=settings_for(needs(name)),
        about=f"{sdk.title}'s simulator" if number == SYNTHETIC else f"a board that {sdk.title} knows",
        description=description,
    )


def _dialled(bind: str, seconds: float) -> Iterator[Device]:
    """Listen for `seconds`, and return the kinds of probes that dial in; where a server listens, they stay its."""
    listeners = {}
    for port in sorted(set(PORTS.values())):
        listener = Listener(bind, port)
        try:
            listener.open()
        except SourceError:
            continue
        listeners[port] = listener
    seen: dict[int, str] = {}
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for port, listener in listeners.items():
            dialled = listener.accept(0.0)
            if dialled is not None:
                dialled[0].close()
                seen.setdefault(port, dialled[1])
        time.sleep(min(NAP_S, left))
    for listener in listeners.values():
        listener.close()
    for port, address in seen.items():
        for kind in (kind for kind in KINDS if PORTS[kind] == port):
            yield _probe(kind, there=True, about=f"dialled in from {address}", bind=bind)


def _probes(seen: set[str]) -> Iterator[Device]:
    for kind in KINDS:
        if kind not in seen:
            yield _probe(
                kind, there=False, about=f"a probe that dials in at port {PORTS[kind]}", bind=LOOPBACK
            )


def _probe(kind: str, *, there: bool, about: str, bind: str) -> Device:
    wider = {} if bind == LOOPBACK else {"EMG_OTB_BIND": bind}
    return Device(
        kind="otb",
        name=kind,
        there=there,
        settings={"EMG_MODE": "otb", "EMG_OTB": kind, **wider},
        needs="" if wider or there else "EMG_OTB_BIND=0.0.0.0",
        about=about,
        description=probe_of(kind).description,
    )
