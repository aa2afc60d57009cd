"""The file that a command writes a recording to: `.npz`, BDF+ as BIDS in a `.zip`, or XDF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.options import expect_free_file
from app.errors import DataError

if TYPE_CHECKING:
    from app.emg.recording.export_npz import Summary

SUFFIXES = {"npz": ".npz", "bdf": ".zip", "xdf": ".xdf"}
ENDINGS = ".npz, .zip (BDF+ with the side files of BIDS) or .xdf"

as_format = click.option(
    "--format",
    "form",
    type=click.Choice(tuple(SUFFIXES)),
    help=f"Of --out; by default what it ends in: {ENDINGS}.",
)


def expect_target(out: Path, form: str | None, force: bool) -> str:
    """Return the format that `out` is to have.

    Raises:
        DataError: its ending says none or another, it is there already, or its folder is not.
    """
    found = next((name for name, suffix in SUFFIXES.items() if out.suffix.lower() == suffix), None)
    if found is None or form not in (None, found):
        raise DataError(f"--out {out} must end in {ENDINGS if form is None else SUFFIXES[form]}")
    expect_free_file(out, force)
    if not out.parent.is_dir():
        raise DataError(f"{out.parent} is not a folder")
    return found


def write(form: str, root: Path, name: str, out: Path) -> Summary:
    """Write a recording to `out`, which is there in full or not at all, and return what it holds.

    Raises:
        DataError: it holds no sample, or what this format cannot hold.
        OSError: it cannot be written.
    """
    from app.emg.recording.contents import opened
    from app.emg.recording.export_bids import write_zip
    from app.emg.recording.export_npz import summary_of, write_npz
    from app.emg.recording.export_xdf import write_xdf

    writers: dict[str, Callable[[Path, str, Path], object]] = {
        "npz": write_npz,
        "bdf": write_zip,
        "xdf": write_xdf,
    }
    writers[form](root, name, out)
    with opened(root, name) as held:
        return summary_of(held)
