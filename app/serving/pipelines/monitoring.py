"""What judges the channels of a source, by the levels of the model that reads it."""

from __future__ import annotations

from app.emg.quality.monitor import QualityMonitor
from app.emg.signal.montage import Montage
from app.emg.source import Source
from app.emg.units import factor
from app.inference.manifest import Manifest


def monitor_for(
    source: Source, manifest: Manifest | None, mains_hz: float | None, montage: Montage | None = None
) -> QualityMonitor:
    """Return what judges the source's channels; their levels too, where its units can be made the model's."""
    levels = levels_for(source, manifest, montage)
    return QualityMonitor(source.channels, source.sampling_rate, mains_hz, *levels)


def levels_for(
    source: Source, manifest: Manifest | None, montage: Montage | None
) -> tuple[float | None, float | None]:
    """Return the model's levels of rest and of contraction in the source's units; None where they cannot be made."""
    scale = None if manifest is None else factor(source.units, manifest.units)
    scale = montage.scale if montage is not None else scale
    if manifest is None or scale is None:
        return None, None
    return manifest.rest_rms / scale, manifest.active_rms / scale
