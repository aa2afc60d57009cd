"""`flask emg learn`: prompts in a terminal, and plain lines elsewhere, of a lesson on a server that is not its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app import cli
from app.cli.learn.big_letters import ROWS, big
from app.cli.learn.cursor_view import HALF, track
from tests.clients.lesson_server import (
    NONE,
    RESULT,
    WHOLE,
    LessonServer,
    job,
    prompt,
    recording,
    repetition,
    teaching,
)
from tests.clients.small_server import Answer, answering, problem
from tests.server.live import LATE_S, ROOT

Run = Callable[..., Result]

MINE = ("--gestures", "rest,fist", "--repetitions", "1", "--name", "me")
BAD = repetition("rest", "restless", advice="Let the arm lie.")
WRONG = (recording(prompt(1, "rest")), recording(prompt(2, "fist"), BAD), *WHOLE[-1:])


@pytest.fixture
def run() -> Iterator[Run]:
    app = Flask("commands")
    cli.register(app)
    with ExitStack() as servers:

        def invoke(server: LessonServer | str, *words: str, gestures: tuple[str, ...] = MINE[:2]) -> Result:
            url = server if isinstance(server, str) else servers.enter_context(teaching(server))
            args = ["emg", "learn", "--server", url, *gestures, *MINE[2:], *words]
            return app.test_cli_runner().invoke(args=args)

        yield invoke


def test_without_a_terminal_every_event_is_a_line(run: Run) -> None:
    result = run(LessonServer())
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        "note: channel 4 is flat",
        "rest, fist, once each: 9 s in all",
        "get ready for rest: 1.5 s; 4 s left in all",
        "1/2 REST: 1.5 s, then rest; 4 s left in all",
        "2/2 FIST: 1.5 s, then rest; 4 s left in all",
        "  rest 1: good",
        "  fist 1: good",
        "learning: queued",
        "learning: running",
        "learning: done",
    ]
    assert result.stdout.splitlines() == [
        "me: balanced accuracy 0.93 (0.88-0.97) on repetitions left out",
        "  arm is read by it from sample 48210 on, in the place of old",
        "  with 3 repetitions it would likely be 0.95",
        "  better: hold fist longer",
        f"  kept: profile me, recording {_name(result)}",
    ]


def _name(result: Result) -> str:
    found = re.search(r"me-\d{8}-\d{6}", result.stdout)
    assert found is not None
    return found[0]


def test_json_is_all_that_is_known(run: Run) -> None:
    result = run(LessonServer(), "--json")
    said = json.loads(result.stdout)
    assert (said["model"], said["accuracy"], said["used"], said["from_sample"]) == ("me", 0.93, True, 48210)
    assert [(one["label"], one["verdict"]) for one in said["repetitions"]] == [
        ("rest", "good"),
        ("fist", "good"),
    ]


def test_what_goes_wrong_is_asked_once_more_by_itself_where_there_are_no_keys(run: Run) -> None:
    again = {**BAD, "first_sample": 900}
    server = LessonServer(
        (
            *WRONG[:2],
            recording(prompt(1, "rest"), {**BAD, "state": "redone"}),
            recording(prompt(2, "fist"), {**BAD, "state": "redone"}, again),
            recording(None, {**BAD, "state": "redone"}, again, repetition("fist")),
        )
    )
    result = run(server)
    assert "  rest 1: rest that is none. Let the arm lie. Once more." in result.stderr.splitlines()
    assert server.bodies("POST", "/prompt") == [{"action": "redo", "index": 0}]  # and not for ever


def test_a_model_that_is_not_used_is_said_with_its_reason(run: Run) -> None:
    not_used = {**RESULT, "used": False, "why_not_used": "it is not better for sure"}
    result = run(LessonServer(jobs=(job(result=not_used),)))
    assert result.exit_code == 0
    assert "  it is kept, and not used: it is not better for sure" in result.stdout.splitlines()


def test_electrodes_that_were_put_on_again_take_one_prompt_and_the_profiles_model(run: Run) -> None:
    free = repetition("free movement", "nothing")
    server = LessonServer((recording(prompt(1, "free movement")), recording(None, free)))
    server.profile = {"person": "me", "model": "mine", "decision": None, "notes": ""}
    result = run(server, "--again", gestures=())
    assert result.exit_code == 0, result.output
    assert "all gestures of the model and rest, in any order: 13 s in all" in result.stderr
    (began,) = server.bodies("POST", "/emg/recordings")
    assert (began["plan"]["gestures"], began["plan"]["seconds"]) == (["free movement"], 10.0)
    (trained,) = server.bodies("POST", "/trainings")
    assert (trained["base"], trained["unlabelled"], trained["use"]) == ("mine", True, "yes")
    assert server.bodies("POST", "/prompt") == []  # nobody is asked to do it better


@pytest.mark.parametrize(("words", "gestures"), [(("--again",), MINE[:2]), ((), ())])
def test_gestures_are_named_unless_it_is_put_on_again(
    run: Run, words: tuple[str, ...], gestures: tuple[str, ...]
) -> None:
    result = run(LessonServer(), *words, gestures=gestures)
    assert (result.exit_code, "--gestures" in result.stderr) == (2, True)


def test_the_key_goes_with_every_call(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    server = LessonServer()

    def keyed(request: Any) -> Answer:
        asked.append({name.lower(): value for name, value in request.headers.items()}.get("x-api-key"))
        return server(request)

    with answering(keyed) as url:
        assert run(url, "--key", "secret").exit_code == 0
        assert set(asked) == {"secret"}
        monkeypatch.setenv("EMG_API_KEY", "of-the-shell")
        assert run(url).exit_code == 0
        assert "of-the-shell" in asked


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ({"GET /emg/quality": [NONE]}, "error: 404 Not found: there is none"),
        ({"POST /emg/recordings": [problem(409, "Busy", "it is recorded already")]}, "error: 409 Busy:"),
        ({"POST /trainings": [problem(422, "No", "nothing but rest")]}, "error: 422 No: nothing but rest"),
    ],
)
def test_what_is_refused_is_one_line(run: Run, before: dict[str, list[Answer]], why: str) -> None:
    server = LessonServer()
    server.before = {**before, "GET /emg/recordings/<name>": [NONE] if "Busy" in why else []}
    result = run(server)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith(why)
    assert result.stderr.count("error:") == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--server", "nowhere"), "the URL must be like http"),
        (("--server", "http://127.0.0.1:9"), "is the server running"),
        (("--name", "a b"), "name must be"),
        (("--gestures", "fist"), "at least two gestures"),
        (("--key", "two\nlines"), "only printable ASCII"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_recorded(
    run: Run, words: tuple[str, ...], why: str
) -> None:
    server = LessonServer()
    result = run(server, *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert why in result.stderr.splitlines()[-1]
    assert server.bodies("POST", "/emg/recordings") == []


def test_a_stop_leaves_nothing(run: Run) -> None:
    def interrupt(method: str, path: str) -> None:
        if method == "GET" and "/emg/recordings/" in path:
            os.kill(os.getpid(), signal.SIGINT)

    server = LessonServer((WHOLE[1],))
    server.on_ask = interrupt
    result = run(server)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "error: stopped; nothing of it is kept")
    assert [call[0] for call in server.asked[-2:]] == ["POST", "DELETE"]


@pytest.mark.slow
def test_in_a_terminal_the_word_is_large_and_what_went_wrong_waits_for_a_key() -> None:
    server = LessonServer(WRONG[:2])
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    def play(method: str, path: str) -> None:
        if method != "POST" or not path.endswith("/prompt"):
            return
        match server.asked[-1][2]["action"]:
            case "pause":
                server.looks = [recording(prompt(2, None, paused=True), BAD)]
                os.write(ours, b"r")
            case "resume":
                server.looks = [*WHOLE[-1:]]

    server.on_ask = play
    with teaching(server) as url:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "emg", "learn", "--server", url, *MINE]
        env = {**os.environ, "TERM": "xterm-256color"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        os.write(ours, b"\n")  # begin
        late = threading.Timer(LATE_S, process.kill)  # else a key that is not heard would be waited for
        late.start()
        shown = _all_of(ours)
        out, _ = process.communicate(timeout=LATE_S)
        late.cancel()
    assert process.returncode == 0, shown
    assert out.decode().startswith("me: balanced accuracy")
    assert all(row.strip() in shown for row in big("rest", 96))
    assert "Let the arm lie." in shown
    assert server.bodies("POST", "/prompt") == [
        {"action": "pause"},
        {"action": "redo", "index": 0},
        {"action": "resume"},
    ]


def _all_of(descriptor: int) -> str:
    """What is written to a terminal until its other end is closed."""
    pieces = []
    with suppress(OSError):
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
    os.close(descriptor)
    return b"".join(pieces).decode()


def test_a_word_is_five_rows_of_equal_width_or_itself() -> None:
    rows = big("open_hand-1", 200)
    assert len(rows) == ROWS
    assert len({len(row) for row in rows}) == 1
    assert big("open_hand", 20) == ["OPEN HAND"]  # too wide
    assert big("Fäuste", 200) == ["FÄUSTE"]  # not in the table
    assert big("", 200) == [""]


def follow_looks() -> tuple[dict[str, Any], ...]:
    cursor = {
        "position_seconds": 18.5,
        "seconds": 20.0,
        "step_seconds": 0.05,
        "ahead": {"wrist": [0.5] * 41, "hand": [-1.0] * 41},
    }
    return (recording(prompt(0, None), prompt=None, cursor=cursor), recording(None, cursor=None))


FOLLOW = ("--follow", "wrist,hand", "--seconds", "20")


def test_a_cursor_is_followed_without_a_terminal_too(run: Run) -> None:
    result = run(LessonServer(follow_looks()), *FOLLOW, gestures=())
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[:3] == [
        "note: channel 4 is flat",
        "follow the cursor for 20 s: wrist, hand",
        "follow: wrist +0.5, hand -1.0; 1 of 20 s left",
    ]
    assert "learning: done" in result.stderr
    assert result.stdout.startswith("me: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*FOLLOW, "--again"), "--follow takes no --gestures"),
        ((*FOLLOW, "--gestures", "rest,fist"), "--follow takes no --gestures"),
        (("--one-way", "hand", "--gestures", "rest,fist"), "--one-way goes with --follow"),
        (("--follow", "wrist,,hand"), "names with commas between"),
    ],
)
def test_what_contradicts_a_cursor_is_refused(run: Run, words: tuple[str, ...], says: str) -> None:
    result = run(LessonServer(), *words, gestures=())
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_track_shows_the_cursor_and_where_it_will_be() -> None:
    middle = track(0.0, 0.0)
    assert len(middle) == 2 * HALF + 1
    assert middle[HALF] == "●"
    assert track(1.0, -1.0)[0] == "○"
    assert track(1.0, -1.0)[-1] == "●"
    assert track(7.0, 0.5)[-1] == "●"
    assert track(0.5, 0.0)[HALF] == "○"
