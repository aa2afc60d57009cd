"""`flask --app wsgi emg ports`: what EMG can come from, each with the settings that open it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from app.cli.options import as_json, one_line_errors

if TYPE_CHECKING:
    from app.emg.devices import Device


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(0.0, 60.0),
    default=1.5,
    show_default=True,
    help="How long to wait for LSL streams to answer and for probes to dial in.",
)
@click.option(
    "--bind",
    default="127.0.0.1",
    show_default=True,
    help="Address at which probes that dial in are listened for.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Also every board that could be opened if it were there."
)
@as_json
@one_line_errors
def ports(seconds: float, bind: str, everything: bool, as_json: bool) -> None:
    """List serial ports, LSL streams, boards and probes, and the settings that open them."""
    from app.emg.devices import absent, find
    from app.emg.serial_device.port import list_ports

    devices = find(seconds, bind)
    if as_json:
        known = [{**asdict(port), "usb_id": port.usb_id} for port in list_ports()]
        found = [_as_json(device) for device in devices]
        click.echo(json.dumps({"ports": known, "devices": found, "absent": absent()}))
        return
    for line in [*_lines(devices, everything), *absent()]:
        click.echo(line)


def _lines(devices: Sequence[Device], everything: bool) -> Iterator[str]:
    serial = [device for device in devices if device.kind == "serial"]
    for device in serial:
        yield "  ".join(f"{name}={value}" for name, value in device.settings.items() if name != "EMG_MODE")
        if device.about:
            yield f"  {device.about}"
    if not serial:
        yield (
            "this machine has no serial port; `flask --app wsgi emg simulate --to /tmp/emg0` makes a simulated one"
        )
    others = [device for device in devices if device.kind != "serial"]
    for device in others:
        if device.there or everything:
            yield " ".join(
                [*(f"{name}={value}" for name, value in device.settings.items()), device.needs]
            ).strip()
            yield f"  {', '.join(str(part) for part in (device.about, device.description) if part)}"
    hidden = sum(not device.there for device in others)
    if hidden and not everything:
        yield f"{hidden} more boards and probes can be opened if they are there: --all lists them"


def _as_json(device: Device) -> dict[str, Any]:
    return {**asdict(device), "settings": dict(device.settings)}
