"""Six short programs, each a way to use the client: `python examples/streaming_client.py --example 4`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.append(
    str(Path(__file__).resolve().parent.parent / "clients" / "python" / "src")
)  # where none is installed

from myostream_client import (
    Completed,
    Frame,
    Interrupted,
    Json,
    RefusedError,
    SignalFrame,
    SourceChange,
    StreamingInferenceClient,
    ValueFrame,
)

STREAM_S = 3.0


def example_1_health(client: StreamingInferenceClient) -> None:
    """How is the server?"""
    health = client.health_check()
    model, source = health["model"], health["source"]
    print(f"status {health['status']}, mode {health['emg_mode']}, version {health['version']}")
    if model is None:
        print("no model: the source is shown, judged and recorded")
    else:
        print(f"model {model['name']}: {model['length']} samples x {model['channels']} channels")
    print("no source yet" if source is None else f"source {source['name']}: {source['state']}")
    for name, backend in health["backends"].items():
        print(f"  {name}: {'available' if backend['available'] else backend['reason']}")


def example_2_single_inference(client: StreamingInferenceClient) -> None:
    """One prediction: for the newest window of the server's source, then for a window of your own."""
    try:
        answer = client.single_inference()
    except RefusedError as error:  # no model reads the source
        print(f"no prediction: {error.detail}")
        return
    if "values" in answer:
        print(f"the source: {_listed(answer['values'])} in {answer['latency_ms']} ms")
        return
    print(f"the source: {answer['label']} ({answer['confidence']:.2f}) in {answer['latency_ms']} ms")
    model = client.health_check()["model"]
    silence = [
        [0.0] * model["channels"] for _ in range(model["length"])
    ]  # or a numpy array (length, channels)
    found = client.infer(silence)
    print(
        f"silence:    {found.label} ({found.confidence:.2f}) in {found.latency_ms:.3f} ms on {found.backend}"
    )


def example_3_tensorrt(client: StreamingInferenceClient) -> None:
    """The same in TensorRT, or the reason why not."""
    try:
        answer = client.single_inference_tensorrt()
    except RefusedError as error:
        print(f"no TensorRT here: {error.detail}")
    else:
        print(
            f"{answer['label']} ({answer['confidence']}) in {answer['latency_ms']} ms on {answer['backend']}"
        )


def example_4_stream(client: StreamingInferenceClient, use_tensorrt: bool = True) -> None:
    """A stream with a callback, and what it adds up to."""

    def show(event: Json) -> None:
        if "age_ms" in event and event["frame"] % 15 == 0:
            print(f"frame {event['frame']:3d}: {_said(event)}, {event['age_ms']} ms old")

    done = client.stream_inference(
        STREAM_S, use_tensorrt=use_tensorrt, fps=30, preprocess=True, callback=show
    )
    print(f"{done.frames} frames in {done.seconds:.1f} s ({done.fps:.1f} fps), {done.dropped} dropped")
    print(f"median latency {_ms(done.latency_ms)}, median age {_ms(done.age_ms)}")


def example_5_benchmark(client: StreamingInferenceClient) -> None:
    """How fast is every backend there?"""
    try:
        measured = client.benchmark(num_iterations=200)
    except RefusedError as error:  # there is no model
        print(f"no benchmark: {error.detail}")
        return
    for name, speed in measured.items():
        if speed is None:
            print(f"{name}: not available")
        else:
            print(
                f"{name}: mean {speed['mean_latency_ms']:.3f} ms, p99 {speed['p99_latency_ms']:.3f} ms, "
                f"{speed['throughput_qps']:.0f} windows/s"
            )


def example_6_decisions(client: StreamingInferenceClient, use_tensorrt: bool = True) -> None:
    """What a device follows: typed events, the decision of five votes, and rest when there is no news."""
    model = client.health_check()["model"]
    if model is not None and model["outputs"]["kind"] == "values":
        _follow_values(client, use_tensorrt)
        return
    last = ""
    for event in client.stream(
        duration_seconds=STREAM_S, use_tensorrt=use_tensorrt, votes=5, min_confidence=0.5
    ):
        if isinstance(event, Completed):
            print(f"completed: {event.total_frames} frames")
            continue
        if isinstance(event, (Frame, SourceChange)):
            now = event.decision_label or "rest (no model)"
        elif isinstance(event, SignalFrame):
            now = "rest (no model)"
        else:
            now = "rest (no news)" if isinstance(event, Interrupted) else last
        if now != last:
            strength = f", intensity {event.intensity:.2f}" if isinstance(event, Frame) else ""
            print(f"-> {now}{strength}")
            last = now


def _follow_values(client: StreamingInferenceClient, use_tensorrt: bool) -> None:
    """Do the same with a model of values: what a device follows is `output`."""
    for event in client.stream(duration_seconds=STREAM_S, use_tensorrt=use_tensorrt):
        if isinstance(event, Completed):
            print(f"completed: {event.total_frames} frames")
        elif isinstance(event, (ValueFrame, SourceChange)) and event.output is not None:
            print(f"-> {_listed(event.output)}")


EXAMPLES: tuple[Callable[..., None], ...] = (
    example_1_health,
    example_2_single_inference,
    example_3_tensorrt,
    example_4_stream,
    example_5_benchmark,
    example_6_decisions,
)


def runners() -> list[Callable[[StreamingInferenceClient, bool], None]]:
    """Return each example as a function of the client and of whether to use TensorRT."""
    return [partial(run_example, number) for number in range(1, len(EXAMPLES) + 1)]


def run_example(number: int, client: StreamingInferenceClient, use_tensorrt: bool) -> None:
    """Run one, from 1 on."""
    example = EXAMPLES[number - 1]
    print(f"\n{number}. {(example.__doc__ or '').splitlines()[0]}")
    if number in (4, 6):
        example(client, use_tensorrt)
    else:
        example(client)


def _said(frame: Json) -> str:
    if "values" in frame:
        return _listed(frame["values"])
    return f"{frame['label']} ({frame['confidence']:.2f})" if "prediction" in frame else "no model"


def _listed(values: Json) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} ms"
