"""What is told of an import, by the command and over HTTP alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.emg.recording.contents import opened
from app.emg.recording.from_file import Made


def report_of(root: Path, made: Made, files: Sequence[Path]) -> dict[str, Any]:
    """Return what was imported, found and assumed, for JSON.

    Raises:
        DataError: the recording is gone, or damaged.
    """
    header, rate = made.header, made.header.sampling_rate
    assert header.imported is not None
    with opened(root, made.name) as held:
        labelled = held.labelled_samples() if header.gesture_names else {}
        counted = {
            "samples": held.samples,
            "seconds": round(held.seconds, 3),
            "gaps": held.gaps,
            "lost_samples": held.lost_samples,
            "restarts": held.restarts,
        }
    return {
        "name": made.name,
        "files": [str(file) for file in files],
        "format": header.imported.format,
        "channels": header.channels,
        "channel_names": list(header.names),
        "sampling_rate_hz": rate,
        "rate_source": header.imported.rate_source,
        "units": header.units,
        "subject": header.subject,
        "gesture_names": list(header.gesture_names),
        "rest": header.rest,
        "aux": [
            {
                "name": aux.name,
                "channel_names": list(aux.channel_names),
                "units": aux.units,
                "sampling_rate_hz": aux.sampling_rate,
            }
            for aux in header.aux
        ],
        **counted,
        "labelled_seconds": {label: round(count / rate, 3) for label, count in labelled.items()},
        "found": list(header.imported.found),
        "assumed": list(header.imported.assumed),
    }
