"""`flask --app wsgi emg simulate`: a fake serial device, so that anyone can try EMG_MODE=realtime."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import named_recordings
from app.cli.options import as_json, one_line_errors
from app.counted import counted
from app.errors import ConfigError, DataError
from app.variables import OTB_PROBES as KINDS

if TYPE_CHECKING:
    from app.emg.serial_device.fake_device import Encoder
    from app.emg.serial_device.port import SerialPort
    from app.emg.serial_device.pseudo_terminal import PseudoTerminal
    from app.emg.source import Source

a_share = click.FloatRange(0.0, 1.0)
above_0 = click.FloatRange(0.0, min_open=True)


@click.command()
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="A new path such as /tmp/emg0, which becomes a link to a pseudo-terminal; or a serial port, such as "
    "the other end of a null-modem cable. With --otb: address:port to dial, such as 127.0.0.1:54321.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["binary", "csv"]),
    default="binary",
    show_default=True,
    help="Frames of bytes, or lines of text.",
)
@click.option("--recording", help=f"What it plays. {named_recordings.HELP} Default: simulated muscles.")
@click.option("--faults", default="", help="Such as gap@20000:500,flat@40000:ch3,hum@0:50=20,stall@60000:2.")
@click.option("--damage", type=a_share, default=0.0, help="The share of frames or lines with a wrong byte.")
@click.option("--channels", type=click.IntRange(1, 256), help="Default: as EMG_MODEL takes.")
@click.option("--rate", type=above_0, help="Nominal, in Hz. Default: as EMG_MODEL takes.")
@click.option("--speed", type=above_0, default=1.0, help="True rate over nominal: 1.06 is a device 6 % fast.")
@click.option(
    "--scale", type=above_0, default=1.0, show_default=True, help="Units (microvolt) for one count."
)
@click.option(
    "--per-frame",
    type=click.IntRange(1, 255),
    help="Samples; binary. Default: as few as fit through the usual baud rate.",
)
@click.option(
    "--frame",
    type=click.IntRange(1, 2),
    default=2,
    show_default=True,
    help="The version of the frame; 2 says rate and scale. binary.",
)
@click.option(
    "--tilt", type=above_0, help="An accelerometer's rate, in Hz, beside the EMG. binary, --frame 2."
)
@click.option("--counter/--no-counter", default=True, help="In front of every line; csv.")
@click.option(
    "--otb",
    type=click.Choice(KINDS),
    help="Be a probe of OT Bioelettronica, which does as it is told by its server.",
)
@click.option("--baud", type=click.IntRange(1), help="Default: one that carries it.")
@click.option("--seed", type=int, default=0, show_default=True, help="The simulated person and day.")
@click.option(
    "--seconds", type=above_0, help="Default: until Ctrl-C, or the end of the recording's last loop."
)
@as_json
@one_line_errors
def simulate(
    to: Path, as_json: bool, seconds: float | None, damage: float, otb: str | None, **options: Any
) -> None:
    """Be a fake device that sends samples in real time. Ctrl-C pulls its plug."""
    from app.emg.serial_device.fake_device import FakeDevice

    if otb is not None:
        _be_probe(otb, str(to), as_json, seconds, **options)
        return
    source = _source(**options)
    options["per_frame"] = options["per_frame"] or _per_frame(source, **options)
    options["baud"] = _baud(source, **options)
    encoder, settings = _encoder(source, **options), _settings(to, **options)
    line = _line(to, options["baud"])
    device = FakeDevice(source, encoder, line, damage=damage, seed=options["seed"])
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the link goes, too
    try:
        click.echo(json.dumps(settings) if as_json else _invitation(source, settings, options["recording"]))
        sys.stdout.flush()  # whoever started us may wait for this line
        until = None if seconds is None else time.monotonic() + seconds
        for _ in device.run():
            if until is not None and time.monotonic() >= until:
                break
    except KeyboardInterrupt:
        pass
    finally:
        source.close()
        line.close()
        signal.signal(signal.SIGTERM, before)
        click.echo(
            f"sent {counted(device.samples, 'sample')}; {counted(device.damaged, 'piece')} damaged, "
            f"{device.overruns} lost because nobody read fast enough",
            err=True,
        )


def _be_probe(
    kind: str, to: str, as_json: bool, seconds: float | None, *, speed: float, seed: int, **_: Any
) -> None:
    """Dial in, again and again, until Ctrl-C or the end of the seconds."""
    from app.emg.otb.fake_probe import FakeProbe
    from app.emg.otb.probes import PORTS

    host, _colon, port = to.rpartition(":") if ":" in to else (to, "", str(PORTS[kind]))
    if not port.isdigit():
        raise ConfigError(f"--to {to}: with --otb it is address:port, such as 127.0.0.1:{PORTS[kind]}")
    settings = {"EMG_MODE": "otb", "EMG_OTB": kind, "EMG_OTB_BIND": f"{host}:{port}"}
    named = " ".join(f"{name}={value}" for name, value in settings.items())
    click.echo(
        json.dumps(settings)
        if as_json
        else f"a {kind} that dials {host}:{port}. In another terminal, with a model that takes what it sends:\n\n"
        f"  {named} make serve\n\nCtrl-C switches it off."
    )
    sys.stdout.flush()
    probe = FakeProbe(kind, lambda channels, rate: _simulator(channels, rate, speed, seed))
    timer = threading.Timer(seconds or threading.TIMEOUT_MAX, probe.close)
    timer.daemon = True
    timer.start()
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while not probe.closed:
            probe.run(host, int(port), threading.TIMEOUT_MAX)
    except KeyboardInterrupt:
        pass
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, before)
        click.echo(f"sent {counted(probe.samples, 'sample')}", err=True)


def _source(
    *,
    recording: str | None,
    channels: int | None,
    rate: float | None,
    speed: float,
    seed: int,
    faults: str,
    **_: Any,
) -> Source:
    from app.emg.simulated.faults import FaultInjector, parse

    found = parse(faults)
    if recording is not None:
        source = _playback(recording, channels, rate, speed)
    else:
        source = _simulator(channels, rate, speed, seed)
    return FaultInjector(source, found) if found else source


def _playback(recording: str, channels: int | None, rate: float | None, speed: float) -> Source:
    from app.emg.files.loading import load_path
    from app.emg.simulated.playback import Playback

    with named_recordings.recording_path(recording) as path:
        source = Playback(load_path(path, labelled=False), speed=speed)
    for name, asked, own in (("channels", channels, source.channels), ("rate", rate, source.sampling_rate)):
        if asked is not None and asked != own:
            raise DataError(f"--{name} {asked:g} contradicts {path.name}, which has {own:g}: leave it out")
    return source


def _simulator(channels: int | None, rate: float | None, speed: float, seed: int) -> Source:
    from app.config import DEFAULT_MODEL, NO_MODEL, Settings
    from app.emg.recording.prompts.label_plan import REST
    from app.emg.simulated.simulator import Simulator
    from app.inference import artefact
    from app.serving.sources.opening import SIMULATED_GESTURES

    settings = Settings.from_env()
    chosen = None if settings.model == NO_MODEL else settings.model
    manifest = artefact.find(chosen or DEFAULT_MODEL, settings.model_folders).manifest
    return Simulator(
        channels or manifest.channels,
        rate or manifest.sampling_rate,
        manifest.classes or SIMULATED_GESTURES,
        manifest.rest_class or REST,
        seed,
        speed=speed,
    )


def _encoder(
    source: Source,
    *,
    format_: str,
    frame: int,
    scale: float,
    per_frame: int,
    counter: bool,
    tilt: float | None,
    **_: Any,
) -> Encoder:
    from app.emg.serial_device.fake_device import CsvEncoder, PacketEncoder
    from app.emg.serial_device.frames import most_samples, most_samples2

    if tilt is not None and (format_ == "csv" or frame == 1):
        raise ConfigError("--tilt needs --format binary and --frame 2: nothing else has room for it")
    if format_ == "csv":
        return CsvEncoder(scale, counter)
    if frame == 1 and source.channels > 255:
        raise ConfigError(f"--frame 1 holds at most 255 channels, not {source.channels}")
    most = (most_samples if frame == 1 else most_samples2)(source.channels)
    if per_frame > most:
        raise ConfigError(
            f"--per-frame {per_frame} is too many: a frame holds at most {counted(most, 'sample')} "
            f"of {counted(source.channels, 'channel')}"
        )
    if tilt is None:
        return PacketEncoder(
            source.channels, scale, per_frame, rate=None if frame == 1 else source.sampling_rate
        )
    every = max(1, round(source.sampling_rate / tilt / per_frame)) * per_frame
    return PacketEncoder(source.channels, scale, per_frame, rate=source.sampling_rate, tilt_every=every)


def _per_frame(source: Source, *, frame: int, baud: int | None, **_: Any) -> int:
    from app.emg.serial_device import baud as bauds

    wanted = baud or bauds.DEFAULT["binary"]
    return bauds.fewest_samples(wanted, source.channels, source.sampling_rate, frame)


def _baud(source: Source, *, format_: str, frame: int, per_frame: int, baud: int | None, **_: Any) -> int:
    from app.emg.serial_device import baud as bauds

    if baud is None:
        baud = bauds.suited(source.channels, source.sampling_rate, format_, per_frame, frame)
    bauds.require(baud or max(bauds.RATES), source.channels, source.sampling_rate, format_)
    return baud or max(bauds.RATES)


def _line(to: Path, baud: int) -> PseudoTerminal | SerialPort:
    from app.emg.serial_device.port import SerialPort
    from app.emg.serial_device.pseudo_terminal import PseudoTerminal

    if to.is_char_device() and not to.is_symlink():
        return SerialPort(str(to), baud)
    return PseudoTerminal(to)


def _settings(to: Path, *, baud: int, format_: str, frame: int, scale: float, **_: Any) -> dict[str, str]:
    says_scale = format_ == "binary" and frame == 2
    return {
        "EMG_MODE": "realtime",
        "EMG_PORT": str(to),
        "EMG_FORMAT": format_,
        "EMG_BAUD": str(baud),
        **({} if scale == 1.0 or says_scale else {"EMG_SCALE": f"{scale:g}"}),
    }


def _invitation(source: Source, settings: dict[str, str], recording: str | None) -> str:
    what = Path(recording).name if recording else "simulated muscles"
    names: Sequence[str] = [f"{name}={value}" for name, value in settings.items()]
    return (
        f"{what}: {counted(source.channels, 'channel')} at {source.sampling_rate:g} Hz. "
        f"In another terminal, with a model that takes that:\n\n  {' '.join(names)} make serve\n\n"
        "Ctrl-C pulls the plug."
    )
