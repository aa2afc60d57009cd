"""`/metrics`: what all workers have counted, as Prometheus reads it.

The counts lie in the shared memory (app/serving/counters/shared_metrics.py); only here they become Prometheus's
families, when they are asked for (docs/decisions/0012-metrics-on-the-board.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask import Response, current_app, request
from flask_smorest import Blueprint
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app.api.access.access import READ, needs
from app.api.context import current_runtime
from app.serving.counters.histograms import OTHER, BucketHistogram
from app.serving.counters.model_table import MODEL_S
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.slot import BATCH, ENGINE_S, LAG_S, REQUEST_S, STAGES
from app.serving.counters.source_table import SOURCE_STATES
from app.serving.runtime import VERSION, Runtime

bp = needs(READ)(Blueprint("metrics", __name__, description="How the server is doing, for Prometheus"))

STAGE_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@bp.get("/metrics")
@bp.response(200, {"type": "string"}, content_type="text/plain")
def metrics() -> Response:
    """All counters, of all workers together, in Prometheus's text format (or OpenMetrics, where it is asked for)."""
    registry = CollectorRegistry()
    registry.register(Families(current_runtime(), current_app.extensions["metrics"]))
    encode, kind = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=kind)


class Families(Collector):
    """`shared` has the requests; it is the runtime's own but under `flask run`."""

    def __init__(self, runtime: Runtime, shared: SharedMetrics) -> None:
        self._runtime, self._metrics = runtime, shared

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: the registry would collect twice."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._server()
        yield from self._requests()
        yield from self._engine()
        yield from self._fleet()
        yield from self._bus()
        yield from self._models()
        yield from self._streams()
        yield from self._sources()
        yield from self._outputs()
        yield from self._processes()

    def _server(self) -> Iterator[Metric]:
        expected = self._runtime.expected
        model = "" if expected is None else expected.name
        info = InfoMetricFamily("myostream", "The server and its model")
        mode = self._runtime.settings.emg_mode.value
        info.add_metric((), {"version": VERSION, "model": model, "emg_mode": mode})
        yield info
        ready = not self._runtime.health.not_ready()
        yield GaugeMetricFamily(
            "myostream_ready", "1 where the worker that answers this is ready", float(ready)
        )

    def _requests(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "myostream_http_requests", "Answers", labels=("method", "route", "status")
        )
        took = HistogramMetricFamily(
            "myostream_http_request_duration_seconds",
            "Time until the answer was there; of a stream, until it began",
            labels=("method", "route", "status"),
        )
        for labels, histogram in sorted(self._metrics.requests().items()):
            total.add_metric(labels, histogram.cumulative()[-1])
            took.add_metric(labels, _buckets(histogram, REQUEST_S), histogram.sum)
        yield from (total, took)

    def _engine(self) -> Iterator[Metric]:
        by = ("backend",)
        latency = HistogramMetricFamily(
            "myostream_engine_latency_seconds", "One call of the engine", labels=by
        )
        wait = HistogramMetricFamily(
            "myostream_engine_queue_wait_seconds", "From a request until the engine took it", labels=by
        )
        batch = HistogramMetricFamily("myostream_engine_batch_windows", "Windows in one call", labels=by)
        failed = CounterMetricFamily("myostream_engine_errors", "Calls that raised", labels=by)
        hung = CounterMetricFamily("myostream_engine_hangs", "Calls that did not return in time", labels=by)
        for name, row in sorted(self._runtime.metrics.engines().items()):
            latency.add_metric((name,), _buckets(row.latency_s, ENGINE_S), row.latency_s.sum)
            wait.add_metric((name,), _buckets(row.wait_s, ENGINE_S), row.wait_s.sum)
            batch.add_metric((name,), _buckets(row.windows, BATCH), row.windows.sum)
            failed.add_metric((name,), row.failed)
            hung.add_metric((name,), row.hung)
        yield from (latency, wait, batch, failed, hung)

    def _fleet(self) -> Iterator[Metric]:
        counts = self._runtime.metrics.fleets()
        yield GaugeMetricFamily(
            "myostream_remote_trouble",
            "Open models for which a worker cannot ask the fleet now",
            counts.trouble,
        )
        yield CounterMetricFamily(
            "myostream_remote_late",
            "Questions to the fleet that were not answered in EMG_OIP_TIMEOUT",
            counts.late,
        )
        yield CounterMetricFamily(
            "myostream_remote_passed_on",
            "Questions to the fleet that another backend was asked in its place",
            counts.passed_on,
        )

    def _bus(self) -> Iterator[Metric]:
        bus = self._runtime.bus
        yield GaugeMetricFamily(
            "myostream_bus_nodes",
            "Workers of all machines on the bus, as the worker that answers this knows; 0 without a bus",
            0 if bus is None else len(bus.nodes()),
        )
        yield GaugeMetricFamily(
            "myostream_bus_trouble",
            "1 where the bus does not work for the worker that answers this; its log says what",
            float(bus is not None and bus.trouble),
        )

    def _models(self) -> Iterator[Metric]:
        by, found = ("model",), self._runtime.metrics.models()
        workers = GaugeMetricFamily("myostream_model_open", "Workers that have it open", labels=by)
        memory = GaugeMetricFamily(
            "myostream_model_memory_bytes",
            "By how much the workers that have it open grew while it was opened (resident memory; whatever else they "
            "did meanwhile is in it, and what they had left over is not)",
            labels=by,
        )
        latency = HistogramMetricFamily(
            "myostream_model_latency_seconds",
            "Calls of the engine that windows of it took part in",
            labels=by,
        )
        windows = CounterMetricFamily("myostream_model_windows", "Windows that it has judged", labels=by)
        failed = CounterMetricFamily("myostream_model_errors", "Calls that raised", labels=by)
        for name, row in sorted(found.items()):
            workers.add_metric((name,), row.open)
            memory.add_metric((name,), row.memory)
            latency.add_metric((name,), _buckets(row.latency_s, MODEL_S), row.latency_s.sum)
            windows.add_metric((name,), row.windows)
            failed.add_metric((name,), row.failed)
        number = sum(row.open if name == OTHER else row.open > 0 for name, row in found.items())
        yield GaugeMetricFamily("myostream_models_open", "Models that some worker has open", number)
        yield from (workers, memory, latency, windows, failed)

    def _streams(self) -> Iterator[Metric]:
        stats = self._runtime.stats
        yield GaugeMetricFamily("myostream_streams_active", "Streams open now", stats.active_streams)
        yield CounterMetricFamily("myostream_frames_sent", "Frames sent, to all clients", stats.frames_sent)
        yield CounterMetricFamily(
            "myostream_frames_dropped", "Frames that a client has missed", stats.frames_dropped
        )
        stages = HistogramMetricFamily(
            "myostream_frame_stage_seconds",
            "Stages of a frame; age: from its last sample to its event. Right to 2 %",
            labels=("stage",),
        )
        for stage in STAGES:
            times = stats.distribution(stage)
            buckets = [(str(bound), float(times.at_most(bound * 1e3))) for bound in STAGE_S]
            stages.add_metric((stage,), [*buckets, ("+Inf", float(times.count))], times.total_ms / 1e3)
        yield stages

    def _sources(self) -> Iterator[Metric]:
        by = ("source",)
        state = GaugeMetricFamily(
            "myostream_source_state", "1 for the state that the source is in", labels=("source", "state")
        )
        age = GaugeMetricFamily("myostream_source_last_sample_age_seconds", "Of the newest sample", labels=by)
        counters = {
            "samples": CounterMetricFamily(
                "myostream_source_samples", "Samples, those lost included", labels=by
            ),
            "gaps": CounterMetricFamily("myostream_source_gaps", "Gaps in the signal", labels=by),
            "lost_samples": CounterMetricFamily("myostream_source_lost_samples", "Samples lost", labels=by),
            "stalls": CounterMetricFamily("myostream_source_stalls", "Times that it fell silent", labels=by),
        }
        for name, row in sorted(self._runtime.metrics.sources().items()):
            for one in SOURCE_STATES:
                state.add_metric((name, one), float(row.state == one))
            age.add_metric((name,), row.age_s)
            for field, family in counters.items():
                family.add_metric((name,), getattr(row, field))
        yield from (state, age, *counters.values())
        yield self._source_models()

    def _source_models(self) -> Metric:
        """Return which model reads each source that this worker knows."""
        info = InfoMetricFamily(
            "myostream_source_model",
            "The model that reads the source, empty where none does",
            labels=("source",),
        )
        for pipeline in self._runtime.pipelines:
            model = pipeline.use.model
            said = ("", "") if model is None else (model.name, model.artefact.sha256)
            info.add_metric((pipeline.name,), dict(zip(("model", "sha256"), said, strict=True)))
        return info

    def _outputs(self) -> Iterator[Metric]:
        by = ("output",)
        up = GaugeMetricFamily("myostream_output_open", "1 while a worker sends that way", labels=by)
        frames = CounterMetricFamily("myostream_output_frames", "Frames sent that way", labels=by)
        failures = CounterMetricFamily("myostream_output_failures", "Times that it failed", labels=by)
        messages = CounterMetricFamily(
            "myostream_output_messages", "Messages of gestures delivered", labels=by
        )
        drops = CounterMetricFamily("myostream_output_dropped", "Messages that nobody got", labels=by)
        for name, output in sorted(self._runtime.metrics.outputs().items()):
            messages.add_metric((name,), output.messages)
            drops.add_metric((name,), output.drops)
            up.add_metric((name,), float(output.state == "open"))
            frames.add_metric((name,), output.frames)
            failures.add_metric((name,), output.failures)
        yield from (up, frames, failures, messages, drops)

    def _processes(self) -> Iterator[Metric]:
        lag = HistogramMetricFamily("myostream_hub_lag_seconds", "How late a worker's hub wakes a sleeper")
        histogram = self._runtime.metrics.hub_lag()
        lag.add_metric((), _buckets(histogram, LAG_S), histogram.sum)
        by = ("worker",)
        memory = GaugeMetricFamily("myostream_worker_memory_bytes", "Resident memory", labels=by)
        cpu = CounterMetricFamily("myostream_worker_cpu_seconds", "Processor time of all threads", labels=by)
        workers = self._runtime.metrics.workers()
        for worker in workers:
            memory.add_metric((str(worker.slot),), worker.resident_bytes)
            cpu.add_metric((str(worker.slot),), worker.cpu_s)
        yield from (lag, memory, cpu)
        yield GaugeMetricFamily("myostream_workers", "Workers that live", len(workers))


def _buckets(histogram: BucketHistogram, bounds: tuple[float, ...]) -> list[tuple[str, float]]:
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return list(zip(names, map(float, histogram.cumulative()), strict=True))
