"""A person with an armband, for tests: pushes to a real server what the prompts of a recording ask for.

The signal is that of one of the people of `myo-readings` (8 channels, 200 Hz), who acts some 0 to 0.7 s after a prompt,
goes from gesture to gesture as it was recorded, does a repetition that was not done yet when one is asked again, and
rests as they did after it: what they rest like when nobody asks anything of them, for a minute, is calmer.

    with PromptedPerson(live.url, "anna", PERSON) as anna:       # declares the source, pushes rest
        anna.follow("anna-1")                                   # a recording with a plan, begun by anybody
        ...                                                     # the page, the command, the client under test
        left = anna.left_over()                                 # what was not asked for: to judge a model on

`speed` is how many times faster than life it goes while a recording is followed; else it rests at its own pace. A
server takes 30 s of signal at once and 1.5 times the declared rate after that: a plan of 60 s takes 20 s, with a speed
of 5. What counts are samples: a machine that stalls stalls the person too, and nothing is late. `deeds` is what goes
wrong: by gesture and how many times it was asked (from 1), NOTHING, RESTLESS, DEAD or the name of the gesture that is
done instead. With a dead channel the others do as asked.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from app.emg.files.recordings import Recording, load
from app.emg.source import UNLABELLED, Samples

CHUNK_S = 0.1  # of signal that goes to the server at a time, and between two looks at the prompt
DELAY_S = (0.0, 0.7)  # of a person behind a prompt
LATE_S = 60.0
NOTHING, RESTLESS, DEAD = "nothing", "restless", "dead"
REST = "rest"

Json = dict[str, Any]


@dataclass(slots=True)
class Repertoire:
    """What somebody can do: stretches of each gesture, one a repetition, and rest, which goes round and round."""

    recording: Recording  # of one session
    stretches: Mapping[str, list[slice]]
    turned: int = 0  # channels that the band sits away from where it was worn
    done: list[slice] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, file: Path, session: int = 1, turned: int = 0) -> Repertoire:
        """Return that of a person of the shared recordings."""
        whole = load(file)
        rows = np.flatnonzero(whole.session == session)
        columns = ("emg", "label", "label_cue", "repetition", "session", "recording")
        one = replace(whole, **{name: getattr(whole, name)[rows] for name in columns}, aux=())
        key = np.stack([one.label, one.repetition, one.recording])
        cuts = np.flatnonzero(np.diff(key).any(axis=0)) + 1
        found: dict[str, list[slice]] = {name: [] for name in one.gesture_names}
        for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            if one.label[begin] != UNLABELLED and end - begin > one.fs:
                found[one.gesture_names[one.label[begin]]].append(slice(int(begin), int(end)))
        return cls(one, found, turned)

    def next_of(self, gesture: str) -> slice:
        """Return a repetition that was not done yet, and the first again after the last."""
        stretches = self.stretches[gesture]
        which = stretches[self._counts[gesture] % len(stretches)]
        self._counts[gesture] += 1
        self.done.append(which)
        return which

    def samples(self, rows: slice) -> Samples:
        return np.roll(self.recording.emg[rows], self.turned, axis=1).astype("<f4")

    def rest_after(self, stretch: slice) -> slice | None:
        """Return how they rested after that repetition; None where the recording ends with it."""
        return next((rest for rest in self.stretches[REST] if rest.start == stretch.stop), None)

    def left_over(self, lesson: Sequence[str] = (), held_s: float = 0.0, rest_s: float = 0.0) -> Recording:
        """Return what was not done, labelled; all else is without a label.

        With the gestures of a `lesson` only what it would have asked for: `held_s` of each repetition of one of them,
        and `rest_s` of the rest after it.
        """
        emg, label = self.samples(slice(None)), self.recording.label.copy()
        names, fs = self.recording.gesture_names, self.recording.fs
        if lesson:
            label[:] = UNLABELLED
        for name in lesson:
            for stretch in self.stretches[name]:
                rest = self.rest_after(stretch)
                label[_first(stretch, held_s * fs)] = names.index(name)
                if rest is not None:
                    label[_first(rest, rest_s * fs)] = names.index(REST)
        for rows in self.done:
            label[rows] = UNLABELLED
        return replace(self.recording, emg=emg, label=label, label_cue=label)


def _first(stretch: slice, count: float) -> slice:
    return slice(stretch.start, min(stretch.stop, stretch.start + round(count)))


class Performance:
    """What the person does from sample to sample, told what is asked."""

    def __init__(
        self,
        repertoire: Repertoire,
        deeds: Mapping[tuple[str, int], str] | None = None,
        names: Mapping[str, str] | None = None,
        seed: int = 0,
        delay_s: tuple[float, float] = DELAY_S,
    ) -> None:
        self._repertoire, self._deeds, self._names = repertoire, dict(deeds or {}), dict(names or {})
        self._rng, self._delay_s = np.random.default_rng(seed), delay_s
        self._fs = repertoire.recording.fs
        self._rests = cycle(sorted(repertoire.stretches[REST], key=lambda one: one.start - one.stop))
        self._asked: Counter[str] = Counter()
        self._doing: slice | None = None  # of a gesture; None: rest
        self._at = 0
        self._take_rest(next(self._rests))
        self._next: tuple[int, str] | None = None  # in so many samples, what
        self._gesture = REST
        self._dead = False
        self._heard: object = None

    def hear(self, label: str | None, which: object, anew: bool = False) -> None:
        """Take what is asked now; `which` tells one prompt from another of the same gesture.

        `anew`: what was cut short before, which counts as asked once.
        """
        if which == self._heard:
            return
        self._heard = which
        wanted = REST if label is None else label
        if label is not None and not anew:
            self._asked[label] += 1
        deed = self._deeds.get((wanted, self._asked[wanted])) if label is not None else None
        self._dead = deed == DEAD
        does = {NOTHING: REST, RESTLESS: self._some_gesture(), DEAD: wanted, None: wanted}.get(deed, deed)
        delay = round(self._rng.uniform(*self._delay_s) * self._fs)
        self._next = (delay, str(does))

    def play(self, count: int) -> Samples:
        """Return the next samples (count, channels)."""
        found: list[Samples] = []
        while count:
            n = count
            if self._next is not None:
                wait, does = self._next
                if wait == 0:
                    self._begin(does)
                    self._next = None
                    continue
                n = min(n, wait)
                self._next = (wait - n, does)
            part = self._some(n)
            found.append(part)
            count -= len(part)
            if self._next is not None and len(part) < n:  # a stretch was over
                self._next = (self._next[0] + n - len(part), self._next[1])
        samples = np.concatenate(found)
        if self._dead:
            samples = samples.copy()
            samples[:, 0] = 0.0
        return samples

    def _begin(self, gesture: str) -> None:
        if gesture == REST and self._doing is not None:
            rest = self._repertoire.rest_after(self._doing)
            if rest is not None:
                self._take_rest(rest)
        self._gesture = gesture
        self._doing = None if gesture == REST else self._repertoire.next_of(self._own(gesture))
        self._at = 0

    def _some(self, most: int) -> Samples:
        """Return up to so many samples of what is being done."""
        if self._doing is None:
            begin = self._rest.start + self._rest_at
            end = min(begin + most, self._rest.stop)
            self._rest_at = end - self._rest.start
            if end == self._rest.stop:
                self._take_rest(next(self._rests))
            return self._repertoire.samples(slice(begin, end))
        begin = self._doing.start + self._at
        end = min(begin + most, self._doing.stop)
        self._at = end - self._doing.start
        if end == self._doing.stop:  # longer than anybody has held it: once more
            self._begin(self._gesture)
        return self._repertoire.samples(slice(begin, end))

    def _take_rest(self, rest: slice) -> None:
        self._rest, self._rest_at = rest, 0
        self._repertoire.done.append(rest)

    def _own(self, gesture: str) -> str:
        return self._names.get(gesture, gesture)

    def _some_gesture(self) -> str:
        return next(name for name in self._repertoire.stretches if name != REST)


class PromptedPerson:
    """Somebody who pushes to a server, and does what a recording there asks. `names` says what unknown gestures are."""

    def __init__(
        self,
        url: str,
        source: str,
        file: Path,
        *,
        session: int = 1,
        turned: int = 0,
        speed: float = 1.0,
        deeds: Mapping[tuple[str, int], str] | None = None,
        names: Mapping[str, str] | None = None,
        seed: int = 0,
        declare: Mapping[str, Any] | None = None,
    ) -> None:
        self.source, self._speed = source, speed
        self.repertoire = Repertoire.of(file, session, turned)
        self._performance = Performance(self.repertoire, deeds, names, seed)
        self._host = urlsplit(url).netloc
        recording = self.repertoire.recording
        self._declared = {
            "channels": recording.channels,
            "sampling_rate_hz": recording.fs,
            **(declare or {}),
        }
        self._chunk = round(CHUNK_S * recording.fs)
        self._follows: str | None = None
        self._asked: set[tuple[str, str, int]] = set()
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"person {source}", daemon=True)
        self.pushed = 0

    def follow(self, recording: str | None) -> None:
        """Do what that recording asks from now on; None: rest. One that is not there yet is waited for."""
        self._follows = recording

    def left_over(self) -> Recording:
        """Return what was not asked for, labelled."""
        return self.repertoire.left_over()

    def __enter__(self) -> PromptedPerson:
        connection = HTTPConnection(self._host, timeout=LATE_S)
        status, answer = _ask(connection, "POST", f"/emg/sources/{quote(self.source)}", dict(self._declared))
        connection.close()
        assert status == 201, answer
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join(LATE_S)
        if self._failed is not None and kind is None:
            raise self._failed

    def _run(self) -> None:
        connection = HTTPConnection(self._host, timeout=LATE_S)
        try:
            due = time.monotonic()
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due = max(due, time.monotonic())  # who is late does not hurry: prompts are as late
                self._look(connection)
                self._push(connection, self._performance.play(self._chunk))
                due += CHUNK_S / (1.0 if self._follows is None else self._speed)
        except BaseException as error:
            self._failed = error
        finally:
            connection.close()

    def _look(self, connection: HTTPConnection) -> None:
        """Read the prompt, as a page does."""
        follows = self._follows
        prompt = None
        if follows is not None:
            status, state = _ask(connection, "GET", f"/emg/recordings/{quote(follows)}")
            assert status in (200, 404), state
            prompt = state.get("prompt")
        if prompt is None or prompt["label"] is None:
            self._performance.hear(None, None)
        else:
            label, over = prompt["label"], state["repetitions"]
            one = (follows, label, prompt["repetition"])
            judged = {(follows, each["label"], each["repetition"]) for each in over if each["verdict"]}
            anew = label != REST and one in self._asked and one not in judged
            self._asked.add(one)
            self._performance.hear(
                label, (follows, prompt["step"], len(over)), anew
            )  # which grow with every prompt

    def _push(self, connection: HTTPConnection, samples: Samples) -> None:
        path = f"/emg/sources/{quote(self.source)}/samples?first_sample={self.pushed}"
        while True:
            status, answer = _ask(connection, "POST", path, samples.tobytes())
            if status != 429 or self._stop.is_set():
                break
            self._stop.wait(0.2)  # as fast as the server takes it
        assert status == 200 or self._stop.is_set(), answer
        self.pushed += len(samples)


def _ask(
    connection: HTTPConnection, method: str, path: str, body: Json | bytes | None = None
) -> tuple[int, Json]:
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection.request(method, path, content, {} if content is None else {"Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")
