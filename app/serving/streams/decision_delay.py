"""How long after a gesture begins a stream decides for it, by all that lies between."""

from __future__ import annotations

from app.emg.signal.filters import design, group_delay_ms
from app.emg.signal.montage import Montage
from app.inference.control import control_delay_ms
from app.inference.decision import decision_delay_ms
from app.inference.manifest import Manifest
from app.serving.streams.events import StreamOptions


def filter_delay_ms(manifest: Manifest, mains_hz: float | None) -> float:
    """Return the delay of the model's filters, in ms. It takes a while: once, at the start."""
    sos = design(manifest.filters, manifest.sampling_rate, mains_hz)
    return group_delay_ms(sos, manifest.sampling_rate)


def stream_delay_ms(
    options: StreamOptions,
    manifest: Manifest,
    montage: Montage | None,
    *,
    filter_ms: float,
    latency_ms: float,
) -> float:
    """Return the mean delay in ms of a stream's decisions, with the engine's `latency_ms` as measured.

    Of a model of values, of what should be acted upon: the filter that makes it smooth is counted.
    """
    smooth_ms = control_delay_ms(manifest.control_rule, manifest.outputs.values, 1 / options.fps)
    return smooth_ms + decision_delay_ms(
        window_ms=1e3 * manifest.length / manifest.sampling_rate,
        hop_ms=1e3 / options.fps,
        votes=options.rule_with(manifest).votes,
        filter_ms=filter_ms,
        montage_ms=0.0 if montage is None else montage.delay_ms,
        latency_ms=latency_ms,
    )
