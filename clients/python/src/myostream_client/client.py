"""Calls of one server, and the way to its streams and to sources of your own."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .errors import ClientError
from .event_stream import GIVE_UP_S, EventStream, Json
from .events import Interrupted
from .lessons import (
    FREE_MOVEMENT,
    Lesson,
    Listeners,
    OnCursor,
    OnProgress,
    OnPrompt,
    OnRepetition,
    Taught,
)
from .live.source import LiveSource
from .live.windows import WindowSocket
from .predictions import Prediction, Values, predictions_of, values_of
from .pushed_source import PushedSource
from .server_http import Caller, Server
from .summary import StreamSummary, Tally
from .teaching import Teaching
from .transport import AUTO, Transport

if TYPE_CHECKING:
    import numpy as np

    Window = np.ndarray[Any, Any] | list[Any]

DEFAULT_URL = "http://127.0.0.1:8000"
BENCHMARK_S = 600.0  # 100,000 iterations of three backends take long
DEVICES_S = 60.0  # radio devices take long to be found and to open
MODEL_S = 60.0  # a large model takes long to open, in every worker
ROUTES = {None: "/infer", "onnxruntime": "/infer/onnx", "tensorrt": "/infer/tensorrt"}


class StreamingInferenceClient:
    """One server.

    Calls raise `ClientError`: `ServerUnreachableError`, `RefusedError` (with the server's own `detail`),
    `KeyRefusedError` or `NotMyostreamError`.

    Not for several threads at once; each stream and each pushed source has a connection of its own.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
        transport: str = AUTO,
    ) -> None:
        """`transport` is how streams and samples go: "auto" (WebSocket where there is one), "websocket" or "http"."""
        self._transport = Transport(transport)
        self._server = Server(url=url, api_key=api_key, tls=tls)
        self._caller = Caller(self._server, timeout_s)

    def health_check(self) -> Json:
        """`GET /health`: backends, model (None without one) and source."""
        return self._caller.call("GET", "/health")

    def wait_until_ready(self, patience_s: float = 60.0) -> None:
        """Return when the server would answer; raises what it last said when it does not within `patience_s`."""
        ends = time.monotonic() + patience_s
        while True:
            try:
                self._caller.call("GET", "/health/ready")
                return
            except ClientError as error:
                if not error.passing or time.monotonic() > ends:
                    raise
            time.sleep(0.25)

    def sources(self) -> Json:
        """`GET /emg/sources`: channels, rate, model (or what to do without one) and state of each source."""
        return self._caller.call("GET", "/emg/sources")

    def devices(self) -> Json:
        """`GET /emg/devices`: what is there now, each with the `settings` that open it."""
        return self._caller.call("GET", "/emg/devices", timeout_s=DEVICES_S)

    def use_source(self, settings: Mapping[str, Any]) -> Json:
        """`PUT /emg/source`: have the server read another source, and return it.

        Streams go on: they get `SourceChange` events, then frames of the new one. `settings` are those of a device in
        `devices()`, or your own: {"EMG_MODE": "lsl", "EMG_LSL": "name=armband"}.
        """
        body = {"settings": dict(settings)}
        return self._caller.call("PUT", "/emg/source", body=body, timeout_s=DEVICES_S)

    def position(self) -> Json:
        """`GET /emg/source/position`: where the replay is that the server reads, how long it is, and whether it waits.

        Raises:
            RefusedError: the source is no replay (409).
        """
        return self._caller.call("GET", "/emg/source/position")

    def go_on(self, position_s: float | None = None, *, paused: bool | None = None) -> Json:
        """`PUT /emg/source/position`: have the replay go on from there, wait, or play on; what is None stays as it is.

        The sample index counts on. While it waits the source counts as stalled, and decisions fall to rest.

        Raises:
            RefusedError: the source is no replay (409), or the position is beyond its end (422).
        """
        wanted = {"position_seconds": position_s, "paused": paused}
        body = {name: value for name, value in wanted.items() if value is not None}
        return self._caller.call("PUT", "/emg/source/position", body=body)

    def models(self) -> Json:
        """`GET /models`: those that lie there, each with its classes, and which sources it fits."""
        return self._caller.call("GET", "/models")

    def classes(self, source: str | None = None, *, model: str | None = None) -> list[str]:
        """Return what that model decides between, or without `model` the one that reads the source now.

        Empty where none does, and of one that gives values. Without `source` the server's default one is meant.
        """
        if model is None:
            found = self.sources()
            wanted = source or found["default"]
            model = next((one["model"] for one in found["sources"] if one["name"] == wanted), None)
        if model is None:
            return []
        own = self.health_check()["model"]  # it may lie elsewhere than those of `/models`
        if own is None or own["name"] != model:
            own = self._caller.call("GET", f"/models/{_quoted(model)}")
        classes: list[str] = own["classes"]
        return classes

    def use_model(self, source: str, model: str | None) -> Json:
        """`PUT /emg/sources/<source>/model`: have another model read it, None for none; `from_sample` is its first.

        Streams go on: they get a `ModelChange`, then frames of the new one. It is opened and compared with its
        reference before; where that fails nothing changes.

        Raises:
            RefusedError: there is no such source (404), another change is under way (409), it does not fit (422), or
                it cannot be used (503).
        """
        path, body = f"/emg/sources/{_quoted(source)}/model", {"model": model}
        return self._caller.call("PUT", path, body=body, timeout_s=MODEL_S)

    def profiles(self) -> Json:
        """`GET /profiles`: people, each with their model, montage and decision rule."""
        return self._caller.call("GET", "/profiles")

    def use_profile(self, source: str, profile: str) -> Json:
        """`PUT /emg/sources/<source>/model`: have a source read as a profile says, as `use_model` has it."""
        path, body = f"/emg/sources/{_quoted(source)}/model", {"profile": profile}
        return self._caller.call("PUT", path, body=body, timeout_s=MODEL_S)

    def use_model_before(self, source: str) -> Json:
        """`DELETE /emg/sources/<source>/model`: go back to the model or profile before, as often as there was one.

        Raises:
            RefusedError: as `use_model`, and there was none (409).
        """
        return self._caller.call("DELETE", f"/emg/sources/{_quoted(source)}/model", timeout_s=MODEL_S)

    def stream_stats(self) -> Json:
        """`GET /infer/stream/stats`: what the streams have done, and the latency of every stage."""
        return self._caller.call("GET", "/infer/stream/stats")

    def single_inference(
        self,
        batch: int = 1,
        channels: int | None = None,
        length: int | None = None,
        steps: int | None = None,
        preprocess: bool = True,
        *,
        model: str | None = None,
    ) -> Json:
        """`POST /infer` for the newest windows of the server's source. None: the model's own.

        `model` names one that predicts; by default it is the source's.
        """
        asked = {
            "batch": batch,
            "channels": channels,
            "length": length,
            "steps": steps,
            "preprocess": preprocess,
            "model": model,
        }
        return self._caller.call("POST", "/infer", body=_given(asked))

    def single_inference_tensorrt(
        self,
        batch: int = 1,
        channels: int | None = None,
        length: int | None = None,
        preprocess: bool = True,
        *,
        model: str | None = None,
    ) -> Json:
        """`POST /infer/tensorrt`: the same in TensorRT, or `RefusedError` with the reason and the cure."""
        asked = {
            "batch": batch,
            "channels": channels,
            "length": length,
            "preprocess": preprocess,
            "model": model,
        }
        return self._caller.call("POST", "/infer/tensorrt", body=_given(asked))

    def infer(
        self,
        window: Window,
        *,
        preprocess: bool = True,
        backend: str | None = None,
        model: str | None = None,
    ) -> Prediction:
        """Your own window (length, channels), in the model's units: a numpy array or nested lists.

        An array goes as float32 bytes, which costs both sides far less than JSON. `backend` is None for the best, or
        "onnxruntime" or "tensorrt"; `model` is None for the server's own, or the name of one that lies there.
        """
        if not isinstance(window, list) and window.ndim != 2:
            raise ValueError(
                f"a window is (length, channels), got an array of {window.shape}; see infer_batch"
            )
        windows = [window] if isinstance(window, list) else window[None]
        return self.infer_batch(windows, preprocess=preprocess, backend=backend, model=model)[0]

    def infer_batch(
        self,
        windows: Window,
        *,
        preprocess: bool = True,
        backend: str | None = None,
        model: str | None = None,
    ) -> list[Prediction]:
        """Return the same for many windows at once, (batch, length, channels)."""
        return predictions_of(self._inferred(windows, preprocess, backend, model))

    def infer_values(
        self,
        windows: Window,
        *,
        preprocess: bool = True,
        backend: str | None = None,
        model: str | None = None,
    ) -> list[Values]:
        """Return the same of a model that gives values: joint angles, forces, proportional control."""
        return values_of(self._inferred(windows, preprocess, backend, model))

    def _inferred(self, windows: Window, preprocess: bool, backend: str | None, model: str | None) -> Json:
        if backend not in ROUTES:
            raise ValueError(f"backend must be None, 'onnxruntime' or 'tensorrt', got {backend!r}")
        if isinstance(windows, list):
            body: Json | bytes = {"emg": windows, "preprocess": preprocess, **_given({"model": model})}
            query, kind = {}, "application/json"
        else:
            if windows.ndim != 3:
                raise ValueError(f"windows are (batch, length, channels), got an array of {windows.shape}")
            body = windows.astype("<f4", copy=False).tobytes()  # C order, whatever it was
            shape = dict(zip(("batch", "length", "channels"), windows.shape, strict=True))
            query = {**shape, "preprocess": preprocess, **_given({"model": model})}
            kind = "application/octet-stream"
        return self._caller.call("POST", ROUTES[backend], query=query, body=body, content_type=kind)

    def windows(
        self,
        length: int,
        *,
        channels: int | None = None,
        model: str | None = None,
        backend: str | None = None,
        preprocess: bool = True,
        give_up_s: float = 30.0,
    ) -> WindowSocket:
        """Return a connection that windows of your own go by, and their predictions come back; see `infer_batch`.

        with client.windows(200) as socket:
            socket.send(window)
            print(socket.predictions()[0].label)

        Raises:
            NoWebSocketError: the server has none.
            RefusedError: it has no such model, or that takes other windows.
        """
        asked = {"length": length, "channels": channels, "model": model, "backend": backend}
        options = _given({**asked, "preprocess": preprocess})
        return WindowSocket(self._server, options, give_up_s=give_up_s)

    def benchmark(self, num_iterations: int = 1000) -> Json:
        """`POST /benchmark`: the speed of every backend; None for one that is not there."""
        body = {"num_iterations": num_iterations}
        return self._caller.call("POST", "/benchmark", body=body, timeout_s=BENCHMARK_S)

    def stream(
        self,
        *,
        duration_seconds: float | None = None,
        use_tensorrt: bool = True,
        fps: float = 30.0,
        preprocess: bool = True,
        last_event_id: str = "",
        give_up_s: float = GIVE_UP_S,
        transport: str | None = None,
        **more: Any,
    ) -> EventStream:
        """Typed events, one after the other, through cut connections and restarts of the server.

        `more` is any other field of `POST /infer/stream`: votes, min_confidence, enter, leave, change, backend,
        include_signal, include_aux, events, gesture_rules, source, model (which it keeps, whichever reads the source).
        Without the first five, decisions are made as the model says. With `events=True` there are `GestureEvent`s
        between the frames. Where no model reads the source the frames are `SignalFrame`s, and of a model that gives
        values `ValueFrame`s, of which the first five are not asked. `transport` is for this stream.
        """
        asked = {"duration_seconds": duration_seconds, "use_tensorrt": use_tensorrt, "fps": fps}
        options = _given({**asked, "preprocess": preprocess, **more})
        return EventStream(
            self._server,
            options,
            last_event_id=last_event_id,
            give_up_s=give_up_s,
            transport=transport,
            known=self._transport,
        )

    def stream_inference(
        self,
        duration_seconds: float | None = None,
        use_tensorrt: bool = True,
        fps: float = 30.0,
        preprocess: bool = True,
        callback: Callable[[Json], object] | None = None,
        **more: Any,
    ) -> StreamSummary:
        """Give each event, as the server's dictionary, to `callback`, and in the end the figures.

        A callback that returns False (not None) ends the stream.
        """
        began, tally = time.monotonic(), Tally()
        with self.stream(
            duration_seconds=duration_seconds,
            use_tensorrt=use_tensorrt,
            fps=fps,
            preprocess=preprocess,
            **more,
        ) as stream:
            for said in stream.raw():
                tally.count(said)
                if not isinstance(said, Interrupted) and callback is not None and callback(said) is False:
                    break
        return tally.summary(time.monotonic() - began)

    def push(
        self, name: str, *, channels: int, sampling_rate_hz: float, units: str = "uV", **more: Any
    ) -> PushedSource:
        """Return a source that this program fills, on a server in EMG_MODE=push.

        with client.push("armband", channels=8, sampling_rate_hz=200) as source:
            source.send(chunk)  # (n, channels)
        """
        return PushedSource(
            self._server,
            name,
            channels=channels,
            sampling_rate_hz=sampling_rate_hz,
            units=units,
            known=self._transport,
            **more,
        )

    def live(
        self, name: str, *, channels: int, sampling_rate_hz: float, units: str = "uV", **more: Any
    ) -> LiveSource:
        """Return a source that this program fills, and what the server says of it, on one connection.

        with client.live("armband", channels=8, sampling_rate_hz=200, send=["decisions"]) as live:
            for event in live.through(chunks):
                print(event)

        `more`: `send` (of "frames", "decisions", "quality", "states"), `format="binary"` for records of 32 bytes, what
        `push` takes, and any field of `POST /infer/stream`.
        """
        return LiveSource(
            self._server,
            name,
            channels=channels,
            sampling_rate_hz=sampling_rate_hz,
            units=units,
            known=self._transport,
            **more,
        )

    def recordings(self) -> Json:
        """`GET /emg/recordings`: all of them, the newest first."""
        return self._caller.call("GET", "/emg/recordings")

    def recording(self, name: str) -> Json:
        """`GET /emg/recordings/<name>`: its state, and of one with a plan what was asked and how it went."""
        return self._caller.call("GET", f"/emg/recordings/{_quoted(name)}")

    def quality(self, source: str | None = None) -> Json:
        """`GET /emg/quality`: which electrodes deliver a signal worth judging; None: of the server's own source."""
        return self._caller.call("GET", "/emg/quality", query={"source": source})

    def teach(
        self,
        name: str,
        gestures: Sequence[str],
        *,
        repetitions: int = 2,
        seconds: float = 3.0,
        rest_seconds: float = 2.0,
        countdown_seconds: float = 3.0,
        source: str | None = None,
        person: str | None = None,
        base: str | None = None,
        use: str = "if-better",
        on_prompt: OnPrompt | None = None,
        on_repetition: OnRepetition | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        give_up_s: float = GIVE_UP_S,
    ) -> Taught:
        """Record a person who does what `on_prompt` is told, learn a model from that, and have the source use it.

        `on_prompt` is told some ten times a second, `on_repetition` of each repetition once it is judged,
        `on_progress` how it stands with the training. What they return is done: "pause", "resume", "redo" (the last
        repetition, or the one under way), a repetition that was told (that one again), "skip" or "cancel"; `cancel`
        may be set by any thread.

        The model, and the profile of the person that keeps it, are called `name`; where there is such a model, the
        new one has a number behind it. `use` says whether the source is read by it: "if-better", "yes" or "no".

        Raises:
            ValueError: it would be refused once all of it had been recorded.
            TeachingCancelledError: somebody wanted no more of it; what was not recorded to its end is deleted.
            TeachingError: the recording ended before its plan, or nothing could be learned from it.
            RefusedError: the server said no.
            ServerUnreachableError: it was away for longer than `give_up_s`.
        """
        lesson = Lesson(
            name=name,
            gestures=gestures,
            repetitions=repetitions,
            seconds=seconds,
            rest_seconds=rest_seconds,
            countdown_seconds=countdown_seconds,
            source=source,
            person=person,
            base=base,
            use=use,
        )
        listeners = Listeners(on_prompt=on_prompt, on_repetition=on_repetition, on_progress=on_progress)
        return self._taught(lesson, listeners, cancel, give_up_s)

    def follow(
        self,
        name: str,
        values: Sequence[str],
        *,
        one_way: Sequence[str] = (),
        seconds: float = 120.0,
        seed: int = 0,
        source: str | None = None,
        person: str | None = None,
        use: str = "yes",
        on_cursor: OnCursor | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        give_up_s: float = GIVE_UP_S,
    ) -> Taught:
        """Record a person whose hand follows the cursor that `on_cursor` is told, and learn a model of values.

        Each of `values` goes from -1 to 1 (those of `one_way` from 0 to 1): alone at first, then all at once. The
        cursor is told some twenty times a second. The rest is as in `teach`; the source is read by the model at once,
        since no model of gestures can be compared with it.

        Raises:
            TeachingError: the recording ended before the cursor did, or as `teach`.
            ValueError, TeachingCancelledError, RefusedError, ServerUnreachableError: as `teach`.
        """
        lesson = Lesson(
            name=name,
            gestures=(),
            values=values,
            one_way=one_way,
            seconds=seconds,
            seed=seed,
            source=source,
            person=person,
            use=use,
        )
        listeners = Listeners(on_cursor=on_cursor, on_progress=on_progress)
        return self._taught(lesson, listeners, cancel, give_up_s)

    def put_on_again(
        self,
        name: str,
        *,
        seconds: float = 10.0,
        countdown_seconds: float = 3.0,
        source: str | None = None,
        base: str | None = None,
        use: str = "yes",
        on_prompt: OnPrompt | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        give_up_s: float = GIVE_UP_S,
    ) -> Taught:
        """Bring a model to how its electrodes are worn now, by some seconds of free movement, and use it.

        Most of its gestures and rest are made in them, in any order, 10 s or longer; the one prompt is called
        `FREE_MOVEMENT`. `base` is the model, by default the newest of the profile `name`. The rest is as in `teach`;
        nobody says which gesture was made when, so what is made is not judged.

        Raises:
            TeachingError: the movement does not show how it is worn, or as `teach`.
            TeachingCancelledError, RefusedError, ServerUnreachableError: as `teach`.
        """
        lesson = Lesson(
            name=name,
            gestures=(FREE_MOVEMENT,),
            repetitions=1,
            seconds=seconds,
            countdown_seconds=countdown_seconds,
            source=source,
            base=base,
            use=use,
            unlabelled=True,
        )
        listeners = Listeners(on_prompt=on_prompt, on_progress=on_progress)
        return self._taught(lesson, listeners, cancel, give_up_s)

    def _taught(
        self, lesson: Lesson, listeners: Listeners, cancel: threading.Event | None, give_up_s: float
    ) -> Taught:
        caller = Caller(self._server)  # this may be another thread than that of the other calls
        try:
            return Teaching(caller, lesson, listeners, cancel, give_up_s).run()
        finally:
            caller.close()

    def close(self) -> None:
        self._caller.close()

    def __enter__(self) -> StreamingInferenceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _quoted(name: str) -> str:
    return quote(name, safe="")
