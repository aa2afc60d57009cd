"""A person who follows prompts on a real server, and not always: noticed, asked again, only what is right is kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.request import urlopen

import numpy as np
import pytest

from tests.conftest import RECORDINGS
from tests.prompted_person import DEAD, NOTHING, PromptedPerson
from tests.server.live import LATE_S, Json, Live, until
from tests.server.own_project import project, serving
from tests.server.test_source_choice import asked

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data]

SUBJECT, GESTURES, REPETITIONS = "S05.npz", ("fist", "extension"), 2
PLAN = {"gestures": ["rest", *GESTURES], "repetitions": REPETITIONS, "seconds": 3, "rest_seconds": 2}
WRONG = {("fist", 1): NOTHING, ("extension", 2): "fist", ("fist", 3): DEAD}
EXPECTED = {"nothing": "fist", "other": "extension", "bad_signal": "fist"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    if not RECORDINGS.is_dir():
        pytest.skip(f"the shared recordings are not at {RECORDINGS}")
    folder = project(tmp_path_factory.mktemp("prompts"))
    with serving(folder, EMG_MODE="push", EMG_MODEL="none") as live:
        yield live
        assert "Traceback" not in live.log, live.log


def bad(state: Json) -> list[int]:
    """Which repetitions are to be done again."""
    return [
        number
        for number, one in enumerate(state["repetitions"])
        if one["state"] == "done" and one["verdict"] not in (None, "good")
    ]


def test_what_goes_wrong_is_noticed_redone_and_the_saved_file_has_only_what_is_right(live: Live) -> None:
    """A person who does nothing in one step, another gesture in another, and loses an electrode in a third."""
    noticed: dict[str, str] = {}

    def over() -> bool:
        """Look as a page does, and have again what is bad."""
        status, state = asked(live, "GET", "/emg/recordings/one")
        assert status == 200, state
        for number in bad(state)[:1]:
            one = state["repetitions"][number]
            assert one["advice"], one
            again = {"action": "redo", "index": number}
            status, answer = asked(live, "POST", "/emg/recordings/one/prompt", again)
            assert (status, answer["prompt"]["next_label"]) == (200, one["label"]), answer
            noticed[one["verdict"]] = one["label"]
        return bool(state["state"] == "complete")

    with PromptedPerson(live.url, "anna", RECORDINGS / SUBJECT, speed=4, deeds=WRONG) as anna:
        status, _ = asked(live, "POST", "/emg/recordings", {"name": "one", "source": "anna", "plan": PLAN})
        assert status == 201
        anna.follow("one")
        until(over, LATE_S, 0.3)
    assert noticed == EXPECTED
    state = asked(live, "GET", "/emg/recordings/one")[1]
    done = [one for one in state["repetitions"] if one["state"] == "done"]
    assert all(one["verdict"] in (None, "good") for one in done), done
    wanted = sorted((name, k) for name in GESTURES for k in range(1, REPETITIONS + 1))
    assert sorted((one["label"], one["repetition"]) for one in done if one["label"] != "rest") == wanted

    with urlopen(f"{live.url}/emg/recordings/one/download", timeout=LATE_S) as answer:
        content = io.BytesIO(answer.read())
    with np.load(content) as found:
        arrays = {key: found[key] for key in found.files}
    names, index, label = arrays["gesture_names"].tolist(), arrays["sample_index"], arrays["label"]
    held = dict.fromkeys(names, 0)
    for one in done:
        rows = (index >= one["first_sample"]) & (index < one["end_sample"])
        assert set(label[rows]) == {names.index(one["label"])}
        held[one["label"]] += int(rows.sum())
    assert {name: int((label == k).sum()) for k, name in enumerate(names)} == held
    assert {held[name] for name in GESTURES} == {REPETITIONS * 600}
    for name in GESTURES:  # each is loud, has all its electrodes, and is like itself
        loud = [_level(arrays["emg"], index, one) for one in done if one["label"] == name]
        assert all((level > 1).all() for level in loud), loud
        assert np.corrcoef(*loud)[0, 1] > 0.8, loud


def _level(emg: np.ndarray, index: np.ndarray, one: Json) -> np.ndarray:
    """What each channel does in the last two seconds of a repetition."""
    rows = (index >= one["first_sample"] + 200) & (index < one["end_sample"])
    return np.asarray(emg[rows].std(axis=0))


def test_it_stays_paused_and_the_step_begins_anew(live: Live) -> None:
    with PromptedPerson(live.url, "bea", RECORDINGS / SUBJECT, speed=4) as bea:
        plan = {"gestures": ["rest", "fist"], "repetitions": 1, "seconds": 2, "countdown_seconds": 1}
        assert (
            asked(live, "POST", "/emg/recordings", {"name": "two", "source": "bea", "plan": plan})[0] == 201
        )
        bea.follow("two")

        def look() -> Json:
            return asked(live, "GET", "/emg/recordings/two")[1]

        def in_the_fist() -> bool:
            prompt = look()["prompt"]
            return bool(prompt and prompt["label"] == "fist" and prompt["seconds_left"] < prompt["seconds"])

        until(in_the_fist)
        for expected in (200, 409):
            status, paused = asked(live, "POST", "/emg/recordings/two/prompt", {"action": "pause"})
            assert status == expected, paused
        at = bea.pushed
        until(lambda: bea.pushed > at + 600)  # longer than all that was left
        assert (look()["state"], look()["prompt"]["paused"]) == ("recording", True)
        assert asked(live, "POST", "/emg/recordings/two/prompt", {"action": "resume"})[0] == 200
        until(lambda: look()["state"] == "complete")
        states = [(one["label"], one["state"]) for one in look()["repetitions"]]
        assert states == [("rest", "done"), ("fist", "redone"), ("fist", "done")]
