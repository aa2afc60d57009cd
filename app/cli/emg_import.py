"""`flask --app wsgi emg import`: any file of the field as a recording, with what was found and assumed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.exports import as_format, expect_target, write
from app.cli.options import as_gestures, as_json, force, one_line_errors
from app.counted import counted, verb
from app.errors import BusyError, DataError, MyostreamError

if TYPE_CHECKING:
    from app.emg.files.imported import ImportedFile, ImportHints
    from app.emg.recording.from_file import Made

MOST_BYTES = 4 * 2**30  # of a recording; an hour of 64 channels at 2 kHz is 1.7 GiB


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write this file, and keep no recording.")
@as_format
@click.option("--name", help="Of the recording in instance/recordings; by default the file's.")
@click.option("--emg", help="Columns, variables or stream of the signal: 1-8, 3,1,2, raw.")
@click.option("--label", help="Column, variable or stream of the labels.")
@click.option("--time", "clock", help="Column that is the clock; none where no column is.")
@click.option("--rest", help="Name or number of the class that is rest.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Samples a second.")
@click.option("--units", help="Of the signal: V, mV, uV, nV, counts, unknown.")
@click.option("--board", help="BrainFlow's name or number of the board, of its files without header.")
@click.option("--subject", help="Who was recorded: a code of letters and digits, such as S01.")
@as_gestures
@force
@as_json
@one_line_errors
def import_(
    files: tuple[Path, ...],
    out: Path | None,
    form: str | None,
    name: str | None,
    subject: str | None,
    **said: Any,
) -> None:
    """Import files, or folders of them, as one recording; each file begins another stretch of signal.

    What a file is, is found by its content. What was found and assumed is printed, kept in the recording, and can be
    overridden by an option.
    """
    as_json, force = said.pop("as_json"), said.pop("force")
    if out is not None:
        form = expect_target(out, form, force)
        if name is not None:
            raise DataError("--name is of a recording in instance/recordings; with --out there is none")
    elif form is not None:
        raise DataError("--format is of the file that --out names")
    _expect_codes(name, subject)
    report = _imported(files, _hints(**said), out, form, name, subject)
    click.echo(json.dumps(report) if as_json else _words(report))


def _hints(
    gestures: list[str] | None, rate: float | None, clock: str | None, units: str | None, **said: Any
) -> ImportHints:
    from app.emg.files.imported import ImportHints
    from app.emg.units import ACCEPTED, accepted

    names = None if gestures is None else tuple(gestures)
    known = None if units is None else accepted(units)
    if units is not None and known is None:
        raise DataError(f"--units must be {ACCEPTED}; got {units!r}")
    return ImportHints(gesture_names=names, rate_hz=rate, time=clock, units=known, **said)


def _imported(
    paths: Sequence[Path],
    hints: ImportHints,
    out: Path | None,
    form: str | None,
    name: str | None,
    subject: str | None,
) -> dict[str, Any]:
    from dataclasses import replace

    from app.config import Settings
    from app.emg.files.importing import import_files
    from app.emg.recording.import_report import report_of
    from app.serving.recordings.export_folder import export_folder

    root = Settings.from_env().instance / "recordings"
    found, files = import_files(paths, hints)
    found = found if subject is None else replace(found, subject=subject)
    try:
        with export_folder(root) as folder:
            into = root if out is None else folder / "made"
            made = _made(found, files, folder / "aside", into, name, _called(paths[0]))
            report = report_of(into, made, files)
            if out is not None and form is not None:
                write(form, into, made.name, out)
    except FileExistsError:
        raise BusyError(f"there is a recording {name} already; choose another name or delete it") from None
    except OSError as error:
        raise MyostreamError(f"the recording cannot be written: {error.strerror or error}") from None
    return {"recording": str(into / made.name if out is None else out), **report}


def _called(path: Path) -> str:
    """Return what a recording is called after."""
    return path.resolve().name if path.is_dir() else path.stem


def _made(
    found: ImportedFile, files: Sequence[Path], aside: Path, root: Path, name: str | None, called: str
) -> Made:
    from app.emg.recording.from_file import write_recording

    aside.mkdir()
    with _bar() as bar:
        return write_recording(
            found,
            files,
            aside=aside,
            root=root,
            name=name,
            called=called,
            now=time.time(),
            most_bytes=MOST_BYTES,
            tell=bar.update,
        )


@contextmanager
def _bar() -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(
        unit=" samples", unit_scale=True, desc="import", file=sys.stderr, leave=False, disable=None
    ) as bar:
        yield bar


def _words(report: dict[str, Any]) -> str:
    files = report["files"]
    which = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    rate = f"{report['sampling_rate_hz']:.6g} Hz ({report['rate_source']})"
    lines = [
        f"{which}: {report['format']}, {counted(report['channels'], 'channel')} at {rate}, {report['units']}"
    ]
    lines += [
        f"beside it: {aux['name']}, {counted(len(aux['channel_names']), 'channel')} at {aux['sampling_rate_hz']:.6g} Hz"
        for aux in report["aux"]
    ]
    lines += [f"found: {line}" for line in report["found"]]
    lines += [f"assumed: {line}" for line in report["assumed"]]
    times = report["labelled_seconds"].items()
    labelled = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times if seconds)
    samples, gaps = report["lost_samples"], report["gaps"]
    are = f"{counted(samples, 'sample')} {verb(samples, 'is', 'are')}"
    lost = f"; {are} missing in {counted(gaps, 'gap')}" if gaps else ""
    said = labelled or "no labels"
    return "\n".join([*lines, f"wrote {report['recording']}: {report['seconds']:.1f} s: {said}{lost}"])


def _expect_codes(name: str | None, subject: str | None) -> None:
    from app.emg.recording.folder import SUBJECT, SUBJECT_ALLOWED, check_name

    if name is not None:
        check_name(name)
    if subject is not None and SUBJECT.fullmatch(subject) is None:
        raise DataError(f"--subject {SUBJECT_ALLOWED}, got {subject!r}")
