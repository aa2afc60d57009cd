"""What stands in the log, and what never does."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from app import logs
from app.config import ROOT

log = logging.getLogger("app.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The log goes there; afterwards it goes where it went before."""
    root = logging.getLogger()
    names = ("gunicorn.error", "gunicorn.access")
    kept = [
        (logger, logger.handlers, logger.level, logger.propagate)
        for logger in (root, *map(logging.getLogger, names))
    ]
    yield io.StringIO()
    for logger, handlers, level, propagate in kept:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    log.warning("source %s: %d gaps\nin two lines", "sim", 3)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == (
        "source sim: 3 gaps\nin two lines",
        "warning",
        "app.test",
    )
    assert str(line["timestamp"]).endswith("Z")


def test_away_from_a_terminal_auto_is_json_and_text_is_plain(stream: io.StringIO) -> None:
    logs.configure("info", "auto", stream)
    log.info("first")
    assert lines(stream)[0]["event"] == "first"
    stream.truncate(0)
    logs.configure("info", "text", stream)
    log.info("second")
    assert "second" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        json.loads(stream.getvalue().strip("\0"))


def test_a_traceback_is_within_its_line(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    try:
        raise RuntimeError("the device was lost")
    except RuntimeError:
        log.exception("a frame failed")
    (line,) = lines(stream)
    assert "RuntimeError: the device was lost" in str(line["exception"])


def test_what_is_below_the_level_is_not_written_and_each_line_only_once(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    logs.configure("warning", "json", stream)
    log.info("no")
    log.error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_gunicorn_writes_through_the_same(stream: io.StringIO) -> None:
    gunicorn = logging.getLogger("gunicorn.error")
    gunicorn.handlers, gunicorn.propagate = [logging.StreamHandler(stream)], False
    logs.configure("info", "json", stream)
    gunicorn.info("Booting worker with pid: %s", 7)
    assert [line["event"] for line in lines(stream)] == ["Booting worker with pid: 7"]


@pytest.mark.parametrize(
    "secret",
    [
        "GET /infer/stream?ticket=SECRET-1_x&fps=3",
        "{'X-API-Key': 'SECRET'}",
        "x-api-key: SECRET",
        "no such key emg_SECRETSECRETSECRETSECRET-_x",
    ],
)
def test_no_key_and_no_ticket_is_ever_written(stream: io.StringIO, secret: str) -> None:
    for form in ("json", "text"):
        logs.configure("info", form, stream)
        log.error("Error handling request %s", secret)
        try:
            raise ValueError(secret)
        except ValueError:
            log.exception("failed")
    assert "***" in stream.getvalue()
    assert "SECRET" not in stream.getvalue()


def test_what_a_request_binds_stands_in_its_own_lines_only(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    logs.bind()  # tests before may have made requests on this thread

    def request(number: str) -> None:
        logs.bind(request_id=number)
        log.info("served")

    threads = [threading.Thread(target=request, args=(number,)) for number in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.info("nobody's")
    assert sorted(str(line.get("request_id")) for line in lines(stream)) == ["None", "a", "b"]


def test_the_log_loads_no_library_for_tracebacks_that_it_does_not_show() -> None:
    """structlog takes rich where there is one, 5 MB of every process; who wants it can still have it."""
    code = "import sys, app.logs; assert 'rich' not in sys.modules; import rich.console"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
