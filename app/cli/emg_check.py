"""`flask --app wsgi emg check`: what the source of the settings delivers, without a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from app.cli.options import as_json, one_line_errors
from app.counted import counted
from app.errors import ConfigError

if TYPE_CHECKING:
    from app.emg.source import Source
    from app.emg.source_check import SourceReport

BAR = 40  # characters of the longest


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True, help="How long to read."
)
@as_json
@one_line_errors
def check(seconds: float, as_json: bool) -> None:
    """Read the source that the settings name, and say whether it is sound; exit status 1 where it is not."""
    from app.config import Settings
    from app.emg.source_check import SourceCheck
    from app.serving.engine.opening import expected_artefact
    from app.serving.pipelines.monitoring import monitor_for
    from app.serving.sources.opening import open_reading

    settings = Settings.from_env()
    usual = expected_artefact(settings)
    opened = open_reading(settings, None if usual is None else usual.manifest)
    if opened is None:
        raise ConfigError("EMG_MODE=push has no source of its own to check; ask the server: GET /emg/quality")
    source = opened.source
    monitor = monitor_for(source, opened.manifest, settings.mains_hz, opened.path.montage)
    try:
        with _bar(source, seconds) as bar:
            found = SourceCheck(source, monitor, progress=bar.update).run(seconds)
        device, notes = getattr(source, "sums", {}), tuple(getattr(source, "notes", ()))
    finally:
        source.close()
    click.echo(
        json.dumps({**_as_json(source, found, device), "assumed": list(notes)})
        if as_json
        else "\n".join(_lines(source, found, device, notes))
    )
    if not found.ok:
        sys.exit(1)


def _bar(source: Source, seconds: float) -> Any:
    from tqdm import tqdm

    shown = "{desc}: {bar} {n:.0f}/{total:.0f} s"
    return tqdm(total=seconds, desc=source.name, file=sys.stderr, leave=False, disable=None, bar_format=shown)


def _as_json(source: Source, found: SourceReport, device: Mapping[str, int]) -> dict[str, Any]:
    channels = [{**asdict(channel), "ok": channel.ok} for channel in found.quality.channels]
    return {
        "source": source.name,
        "ok": found.ok,
        "seconds": found.seconds,
        "samples": found.samples,
        "sampling_rate_hz": source.sampling_rate,
        "measured_rate_hz": found.rate_hz,
        "rate_ok": found.rate_ok,
        "gaps": found.gaps,
        "lost_samples": found.lost_samples,
        "restarts": found.restarts,
        "errors": list(found.errors),
        "device": dict(device),
        "chunks": {
            "number": found.chunks,
            "median_ms": found.median_ms,
            "p99_ms": found.p99_ms,
            "max_ms": found.max_ms,
            "histogram": [
                {"from_ms": low, "to_ms": high, "number": number} for low, high, number in found.histogram
            ],
        },
        "quality": {"ok": found.quality.ok, "loss": found.quality.loss, "channels": channels},
    }


def _lines(
    source: Source, found: SourceReport, device: Mapping[str, int], notes: Sequence[str]
) -> Iterator[str]:
    channels, samples = counted(source.channels, "channel"), counted(found.samples, "sample")
    yield f"{source.name}: {channels}, {samples} in {found.seconds:.1f} s"
    yield _rate_line(source, found)
    yield (
        f"lost      {counted(found.lost_samples, 'sample')} in {counted(found.gaps, 'gap')}; "
        f"the signal began anew {counted(found.restarts, 'time')}"
    )
    if device:
        yield "device    " + ", ".join(f"{name} {number}" for name, number in device.items())
    for note in notes:
        yield f"assumed   {note}"
    for error in found.errors:
        yield f"error     {error}"
    yield from _histogram(found)
    yield from _channels(source, found)
    yield "all is well" if found.ok else "NOT well: see above"


def _rate_line(source: Source, found: SourceReport) -> str:
    if found.rate_hz is None:
        return f"rate      nominal {source.sampling_rate:g} Hz; it takes 8 s to measure the true one"
    off = found.rate_hz / source.sampling_rate - 1.0  # also of a recording that is played faster
    verdict = "" if found.rate_ok else "  TOO FAR: is EMG_FS, or the device, set wrong?"
    return f"rate      {found.rate_hz:.1f} Hz, {off:+.2%} of the nominal {source.sampling_rate:g} Hz{verdict}"


def _histogram(found: SourceReport) -> Iterator[str]:
    if found.median_ms is None:
        return
    yield (
        f"chunks    {found.chunks}, a median of {found.median_ms:.1f} ms apart, "
        f"p99 {found.p99_ms:.1f} ms, at most {found.max_ms:.1f} ms"
    )
    most = max(found.intervals)
    for low, high, number in found.histogram:
        if number:
            span = f"{low:g}-{high:g} ms" if high is not None else f"over {low:g} ms"
            yield f"  {span:>12} {number:7d} {'#' * max(1, round(BAR * number / most))}"


def _channels(source: Source, found: SourceReport) -> Iterator[str]:
    if all(channel.rms is None for channel in found.quality.channels):
        return
    yield f"channel   RMS {source.units:>8}    hum"
    for channel in found.quality.channels:
        hum = "    -" if channel.hum_ratio is None else f"{channel.hum_ratio:5.0%}"
        yield f"  {channel.channel:5d}   {channel.rms:12.2f}  {hum}  {', '.join(channel.problems) or 'ok'}"
