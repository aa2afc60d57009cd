"""`flask --app wsgi emg ports`: the serial ports of this machine."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from app.cli.options import as_json, one_line_errors


@click.command()
@as_json
@one_line_errors
def ports(as_json: bool) -> None:
    """List the serial ports of this machine, and what EMG_PORT and EMG_USB would name them."""
    from app.emg.serial_device.port import list_ports

    found = list_ports()
    if as_json:
        click.echo(json.dumps({"ports": [{**asdict(port), "usb_id": port.usb_id} for port in found]}))
        return
    for port in found:
        click.echo(f"EMG_PORT={port.device}" + (f"  EMG_USB={port.usb_id}" if port.usb_id else ""))
        if port.description:
            click.echo(f"  {port.description}")
    if not found:
        click.echo(
            "this machine has no serial port; `flask --app wsgi emg simulate --to /tmp/emg0` makes a simulated one"
        )
