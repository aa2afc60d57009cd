"""Which model reads a source, and through which montage: the operator's, or without one what fits as it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from app.config import Settings
from app.counted import counted
from app.emg.description import SourceDescription
from app.emg.signal.fit import Fit, ModelNeed, band_of, fit, fits, no_fit
from app.emg.signal.montage import Montage
from app.errors import DataError
from app.inference import artefact
from app.inference.manifest import Manifest

log = logging.getLogger(__name__)


def need_of(manifest: Manifest) -> ModelNeed:
    """Return what a model reads."""
    low_hz, high_hz = band_of(manifest.filters, manifest.sampling_rate)
    return ModelNeed(
        manifest.name, manifest.channels, manifest.sampling_rate, manifest.units, low_hz, high_hz
    )


def montage_for(
    settings: Settings, signal: SourceDescription, manifest: Manifest, max_fill: int = 0
) -> Montage | None:
    """Return a fresh montage from that source to that model; None where the source is what the model reads.

    Raises:
        DataError: the model cannot read it; says why, what would be right, and which model here could.
    """
    try:
        found = fit(signal, need_of(manifest), settings.montage, max_fill=max_fill)
    except DataError as error:
        others = [one for one in fitting(settings, signal) if one.name != manifest.name]
        advice = "; ".join(f"EMG_MODEL={one.name} would fit ({one.how})" for one in others)
        raise DataError(f"{error}; {advice or 'no model here fits'}") from None
    return None if found.trivial else found


def fitting(settings: Settings, signal: SourceDescription) -> list[Fit]:
    """Return which models of the instance could read the source, and how."""
    found = artefact.manifests(settings.model_folders)
    return fits(signal, [need_of(manifest) for manifest in found], settings.montage)


def choose(
    settings: Settings, signal: SourceDescription, expected: Manifest | None, others: Iterable[Manifest] = ()
) -> Manifest | None:
    """Return the model that reads the source; None: none does.

    `expected` is the operator's, or without EMG_MODEL the usual one. Only where the operator names none, one of
    `others` may take its place, one that reads the source as it is. What would need a montage is proposed, not chosen.

    Raises:
        DataError: the operator names a model that cannot read it.
    """
    if expected is None:
        return None
    if settings.model is not None:
        montage_for(settings, signal, expected)
        return expected
    for manifest in (expected, *others):
        if as_it_is(settings, signal, manifest):
            if manifest is not expected:
                log.info("EMG_MODEL is not set: %s reads this source as it is", manifest.name)
            return manifest
    log.warning("%s", no_model(settings, signal, fitting(settings, signal)))
    return None


def no_model(settings: Settings, signal: SourceDescription, could: Sequence[Fit]) -> str:
    """Return in one line what to do where no model reads a source, of those that `could`."""
    if not could:
        return no_fit(signal, settings.montage)
    ways = "; ".join(f"EMG_MODEL={one.name} could ({one.how})" for one in could)
    return f"no model reads {counted(signal.channels, 'channel')} at {signal.sampling_rate:g} Hz: {ways}"


def as_it_is(settings: Settings, signal: SourceDescription, manifest: Manifest) -> bool:
    """Return whether a model reads that source without resampling; EMG_CHANNELS may choose from it."""
    try:
        montage = fit(signal, need_of(manifest), settings.montage)
    except DataError:
        return False
    return montage.ratio.up == montage.ratio.down
