"""What a stream says of its delay: all that lies between, the filter that makes values smooth among it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.inference.control import ControlRule, control_delay_ms
from app.serving.streams.decision_delay import stream_delay_ms
from app.serving.streams.events import StreamOptions
from tests.inference.value_models import regression


@pytest.mark.parametrize("fps", [10.0, 30.0, 100.0])
def test_the_delay_of_what_makes_values_smooth_is_counted(tmp_path: Path, fps: float) -> None:
    plain = regression(tmp_path).manifest
    rule = ControlRule(min_cutoff_hz=1.0, beta=8.0)
    options = StreamOptions(fps=fps, backend="onnxruntime")

    def delay(control: ControlRule | None) -> float:
        return stream_delay_ms(options, replace(plain, control=control), None, filter_ms=3.0, latency_ms=1.0)

    window_ms = 1e3 * plain.length / plain.sampling_rate
    assert delay(None) == pytest.approx(window_ms / 2 + 500 / fps + 4)
    smooth = control_delay_ms(rule, plain.outputs.values, 1 / fps)
    assert smooth > 5
    assert delay(rule) == pytest.approx(delay(None) + smooth)
