"""docs/benchmarks.md and its plots, from the numbers in results.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent.parent / "docs"


def write(found: Mapping[str, Any]) -> None:
    """Every part that has been measured."""
    parts = [
        "# Benchmarks\n\nMade by `make bench` (`python -m benchmarks`); do not edit by hand. The server is pinned to "
        "one core and\nthe clients to the other. These machines are shared and noisy: trust the ratios, which were "
        "taken in one run.\nNo figure of a GPU is here, since none has been measured. `make bench` takes some 20 "
        "minutes; `make bench ARGS=streams`\nmeasures one part.\n"
    ]
    if set(found) >= IN_SHORT:
        parts.append(_in_short(found))
    for name, make in PARTS.items():
        if name in found:
            one = found[name]
            parts.append(make(one) + f"\n`python -m benchmarks {name}`, {one['date']}, {one['machine']}.\n")
    (DOCS / "benchmarks.md").write_text("\n".join(parts))


def _in_short(found: Mapping[str, Any]) -> str:
    """What a person asks first, from the parts below."""
    rows = (*_short_requests(found), *_short_streams(found["streams"]), *_short_rest(found))
    return (
        "## In short\n\nThe server on one core, but for the last line. Each figure stands below, with its date and "
        "machine.\n\n" + _table(("what", "Myostream", "a plain FastAPI + uvicorn server"), rows) + "\n"
    )


def _short_requests(found: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    raw = _only(found["requests"]["default model"], body="raw", concurrency=32)
    large = [_only(found["requests"]["large model"], body=body, concurrency=32) for body in ("raw", "json")]
    alone = found["engine"]["int8"]["mean_latency_ms"]
    ours, theirs = (
        " / ".join(f"{row[key]:.0f}" for row in large) for key in ("per_second", "fastapi_per_second")
    )
    yield "one window in the engine (normalise, infer, softmax), mean", f"{alone:.2f} ms", ""
    yield "`POST /infer/onnx`, raw body, 32 connections", f"{raw['per_second']:.0f} a second", ""
    what = "the same with a model of 430,000 parameters: raw / JSON"
    yield what, f"{ours} a second", f"{theirs} a second"


def _short_streams(found: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    for clients in (100, 300, 500):
        ours = _only(found["myostream"], clients=clients)
        theirs = _only(found["FastAPI + uvicorn"], clients=clients)
        what = f"{clients} streams at {found['fps']:.0f} fps: frames within 10 ms of their last sample"
        yield what, f"{ours['on_time']:.1%}", f"{theirs['on_time']:.1%}"
    many = _only(found["myostream"], clients=1000)
    yield "1000 streams: within one frame period", f"{many['in_period']:.1%}", ""


def _short_rest(found: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    push = found["push"]
    pushed = _only(push["rows"], sources=20)
    what = f"20 pushed sources of {push['channels']} x {push['rate']} Hz: age of a prediction, p50 / p99"
    yield what, f"{pushed['age_p50_ms']:.1f} / {pushed['age_p99_ms']:.1f} ms", ""
    one, two = found["workers"]["default model"]
    times = two["per_second"] / one["per_second"]
    yield "`POST /infer/onnx` with two workers on two cores, times one worker", f"{times:.2f}", ""


def _only(rows: Iterable[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    """The one row that has these values."""
    (found,) = (row for row in rows if wanted.items() <= row.items())
    return found


def _engine(found: Mapping[str, Any]) -> str:
    keys = ("mean_latency_ms", "median_latency_ms", "p99_latency_ms", "throughput_qps")
    rows = [
        (name, *(f"{found[key][k]:.3f}" if k != "throughput_qps" else f"{found[key][k]:.0f}" for k in keys))
        for name, key in (
            ("ONNX Runtime, int8 (default)", "int8"),
            ("ONNX Runtime, fp32", "fp32"),
            ("PyTorch", "pytorch"),
        )
    ]
    alone, beside = found["30 fps streams, alone"], found["30 fps streams, while /benchmark runs"]
    return "\n".join(
        [
            "## Engine\n\nThe default model, one window of 200 x 16: normalise, infer, softmax, on one core, by "
            "`POST /benchmark`.\n",
            _table(("backend", "mean ms", "median ms", "p99 ms", "windows/s"), rows),
            "",
            f"- Batches of 64 through `POST /infer/onnx`: {found['batch 64, windows per second']:.0f} windows/s.",
            f"- First answer {found['seconds to the first answer']:.1f} s after the start; at rest the worker holds "
            f"{found['PSS at rest, MB']:.0f} MB (PSS), PyTorch not loaded.",
            f"- A 30 fps stream while `/benchmark` runs: {beside['on_time']:.1%} of its frames on time, alone "
            f"{alone['on_time']:.1%}.\n",
        ]
    )


def _requests(found: Mapping[str, Any]) -> str:
    ours = [
        (
            row["body"], row["concurrency"], f"{row['per_second']:.0f}", f"{row['of_ceiling']:.2f}",
            f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", f"{row['least_share']:.2f}-{row['most_share']:.2f}",
        )
        for row in found["default model"]
    ]  # fmt: skip
    large = [
        (
            row["body"], row["concurrency"], f"{row['per_second']:.0f}", f"{row['fastapi_per_second']:.0f}",
            f"{row['times_fastapi']:.2f}",
        )
        for row in found["large model"]
    ]  # fmt: skip
    fixed = [
        (row["stack"], f"{row['cpu_us']:.0f}", f"{row['per_second']:.0f}", f"{row['p50_ms']:.2f}")
        for row in found["fixed cost"]
    ]
    return "\n".join(
        [
            "## Requests\n\n`POST /infer/onnx` with the caller's own window. The ceiling is a Flask view under the "
            "same gunicorn and gevent\nthat only reads the body. Share: the requests of the least and the most served "
            "connection, 1 is even.\n",
            _table(("body", "connections", "requests/s", "of ceiling", "p50 ms", "p99 ms", "share"), ours),
            "\nWhat a request costs before anything is done with it (the same 12,800 bytes, 8 connections):\n",
            _table(("stack", "server CPU, us", "requests/s", "p50 ms"), fixed),
            "\nThe same window with a TCN of 430,000 parameters (fp32), beside FastAPI + uvicorn (uvloop, httptools) + "
            "ONNX Runtime:\n",
            _table(("body", "connections", "Myostream/s", "FastAPI/s", "times"), large),
            "",
        ]
    )


def _streams(found: Mapping[str, Any]) -> str:
    rows = [("Myostream", row) for row in found["myostream"]] + [
        ("FastAPI, inference per client", row) for row in found["FastAPI + uvicorn"]
    ]
    cells = [
        (
            name, row["clients"], f"{row['on_time']:.1%}", f"{row['in_period']:.1%}", f"{row['age_p50_ms']:.1f}",
            f"{row['age_p99_ms']:.1f}", f"{row['jitter_p99_ms']:.1f}", row["lost"], f"{row['server_cpu_percent']} %",
        )
        for name, row in rows
    ]  # fmt: skip
    options = found["30 clients, 30 different options"]
    memory = ", ".join(f"{name}: {value:.0f} MB" for name, value in found["memory"].items())
    _plot(found)
    return "\n".join(
        [
            f"## Streams\n\n{found['fps']:.0f} fps, default model, {found['seconds']:.0f} s each. On time: read by "
            "the client within 10 ms of the moment at which the\nlast sample of the frame's window was acquired; in "
            "period: within one frame. Age: that moment to the client.\n",
            _table(
                (
                    "server",
                    "clients",
                    "on time",
                    "in period",
                    "age p50 ms",
                    "p99 ms",
                    "jitter p99 ms",
                    "lost",
                    "server CPU",
                ),
                cells,
            ),
            "\n![Share of frames on time against the number of clients](benchmarks-streams.png)\n",
            f"- 30 clients with 30 different options: {options['on_time']:.1%} on time.",
            f"- CPU after the last client left: {found['after the last client left, CPU percent']} % (the simulator).",
            f"- Memory of the worker: {memory}.\n",
        ]
    )


def _push(found: Mapping[str, Any]) -> str:
    rows = [
        (
            row["sources"], f"{row['frames']:.1%}", row["age_p50_ms"], row["age_p99_ms"], row["lost_samples"],
            row["refused"], f"{row['server_cpu_percent']} %",
        )
        for row in found["rows"]
    ]  # fmt: skip
    return "\n".join(
        [
            f"## Pushed sources\n\nClients that send {found['channels']} channels at {found['rate']} Hz as int16, "
            f"{found['chunk_ms']:.0f} ms a request, each read by one stream of\n{found['fps']:.0f} fps. Age: the "
            "window's last sample handed to the client's socket -> the event read.\n",
            _table(
                ("sources", "frames", "age p50 ms", "p99 ms", "samples lost", "refused", "server CPU"), rows
            ),
            "",
        ]
    )


def _live(found: Mapping[str, Any]) -> str:
    parts = [
        f"## Live sockets\n\nClients that send int16, {found['chunk_ms']:.0f} ms a message, and hear "
        f"{found['fps']:.0f} frames a second as records of 32 bytes on the same\nWebSocket. Age: the window's last "
        "sample handed to the client's socket -> the record read.\n"
    ]
    for name in (key for key in found if " x " in key and "before" not in key):
        rows = [
            (
                row["sources"], f"{row['frames']:.1%}", row["dropped"], row["age_p50_ms"], row["age_p99_ms"],
                row["acks with losses"], f"{row['server_cpu_percent']} %", f"{row['clients_cpu_percent']} %",
                row["memory_mb"],
            )
            for row in found[name]
        ]  # fmt: skip
        head = (
            "sources",
            "frames",
            "dropped",
            "age p50 ms",
            "p99 ms",
            "losses",
            "server CPU",
            "clients' CPU",
            "MB",
        )
        parts += [f"{name}:\n", _table(head, rows), ""]
        if before := found[f"{name}, by POST before"]:
            said = "; ".join(
                f"{row['sources']} sources {row['frames']:.1%} of the frames, age p50 / p99 {row['age_p50_ms']} / "
                f"{row['age_p99_ms']} ms, server CPU {row['server_cpu_percent']} %"
                for row in before
            )
            parts.append(f"By POST, with the build before (e1c6482), in the same run: {said}.\n")
    return "\n".join(parts)


def _workers(found: Mapping[str, Any]) -> str:
    requests = [
        (
            name, row["workers"], f"{row['per_second']:.0f}", f"{row['per_second'] / pair[0]['per_second']:.2f}",
            f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}", f"{row['server_cpu_us']:.0f}",
            f"{row['client_cpu_us']:.0f}", _each(row["server_cpu_percent"]),
        )
        for name in ("default model", "large model")
        for pair in [found[name]]
        for row in pair
    ]  # fmt: skip
    streams = [
        (
            row["workers"], row["clients"], f"{row['on_time']:.1%}", f"{row['in_period']:.1%}",
            f"{row['age_p50_ms']:.1f}", f"{row['age_p99_ms']:.1f}", row["lost"],
            _each(row["server_cpu_percent"]), f"{row['client_cpu_percent']} %",
        )
        for row in found["streams"]
    ]  # fmt: skip
    one, two = found["memory_mb"]
    return "\n".join(
        [
            "## Workers\n\nOne worker beside two (`WEB_CONCURRENCY`) on two cores. Here nothing is pinned, and the "
            "clients' process needs a\ncore at times: it is what limits two workers, so the CPU of a request "
            "tells more than the requests/s. Times: beside\none worker. `POST /infer/onnx`, raw body, "
            f"{found['connections']} connections:\n",
            _table(
                ("model", "workers", "requests/s", "times", "p50 ms", "p99 ms", "server CPU us", "client CPU us",
                 "CPU by worker"), requests,
            ),
            f"\nStreams of {found['fps']:.0f} fps (on time and in period as above):\n",
            _table(
                ("workers", "clients", "on time", "in period", "age p50 ms", "p99 ms", "lost", "CPU by worker",
                 "clients' CPU"), streams,
            ),
            f"\nMemory of a worker (PSS) after the requests: {_each(one, 'MB')}; of two: {_each(two, 'MB')}. The "
            f"machine's load before: {found['load before']:.2f}.",
            "",
        ]
    )  # fmt: skip


def _models_live(found: Mapping[str, Any]) -> str:
    kinds = ("already open", "from the disk")
    first = [
        (row["workers"], *(f"{row[kind]['median_ms']} / {row[kind]['p90_ms']}" for kind in kinds))
        for row in found["first frame"]
    ]
    ages = [
        (what, row["p50_ms"], row["p99_ms"], ratio, f"{row['frames']:.1%}", row.get("dropped", ""))
        for what, row, ratio in _ages_beside(found)
    ]
    memory, own, never = found["memory"], found["people"]["a model each"], found["never swapped"]
    cpu = "not measured" if never is None else f"{never['server_cpu_percent_ratio']:.2f} times"
    return "\n".join(
        [
            "## Another model under running streams\n\nCalibrated models of 8 channels at 200 Hz, "
            f"{found['fps']:.0f} fps. From the request (`PUT /emg/sources/<name>/model`) to the first frame of the new "
            "model,\nread by the last of four clients, in ms, median / p90; a frame alone comes every "
            f"{1e3 / found['fps']:.0f} ms:\n",
            _table(("workers", *kinds), first),
            "\nAges, each beside what it is compared with in the same run (ratio: median of each round's p99):\n",
            _table(("what", "age p50 ms", "p99 ms", "ratio of p99", "frames", "dropped"), ages),
            f"\n- Requests that bring a window, beside {found['people count']} sources that push: with a model each "
            f"{own['requests_per_second_ratio']:.2f} times as many as with one for all.",
            f"- Memory of the worker with one calibrated model {memory['first_mb']} MB, with "
            f"{memory['models']} {memory['last_mb']} MB: {memory['each_more_mb']} MB for each more.",
            f"- CPU of streams that nobody swaps, beside the build before: {cpu}.",
            f"- The machine's load before: {found['load before']:.2f}.\n",
        ]
    )


def _ages_beside(found: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any], object]]:
    readers, beside, never = found["readers"], found["a swap a second"], found["never swapped"]
    yield f"{readers} streams, no swap", beside["without"], ""
    yield f"{readers} streams, a swap a second", beside["with"], beside["p99_ratio"]
    for kind, row in found["people"].items():
        yield (
            f"{found['people count']} pushed sources at {found['people fps']:.0f} fps, {kind}",
            row,
            row.get("p99_ms_ratio", ""),
        )
    if never is not None:
        yield f"{readers} streams that nobody swaps, the build before", never["before"], ""
        yield f"{readers} streams that nobody swaps, this build", never["now"], never["p99_ms_ratio"]


def _each(values: Sequence[float], unit: str = "%") -> str:
    return " + ".join(f"{value:.0f}" for value in values) + f" {unit}"


def _plot(found: Mapping[str, Any]) -> None:
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, key in (("Myostream", "myostream"), ("FastAPI, inference per client", "FastAPI + uvicorn")):
        rows = found[key]
        axes.plot(
            [row["clients"] for row in rows], [100 * row["on_time"] for row in rows], marker="o", label=name
        )
    axes.set_xscale("log")
    axes.set_xlabel("clients at 30 fps, server on one core")
    axes.set_ylabel("frames on time (10 ms), %")
    axes.set_ylim(-3, 103)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(DOCS / "benchmarks-streams.png", dpi=120)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


PARTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "engine": _engine,
    "requests": _requests,
    "streams": _streams,
    "push": _push,
    "live": _live,
    "workers": _workers,
    "models_live": _models_live,
}
IN_SHORT = {"engine", "requests", "streams", "push", "workers"}
