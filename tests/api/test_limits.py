"""Rates, streams of one caller, durations, batches: what is beyond a limit is told when to come back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.api.access.rate import Rate
from app.api.access.tickets import FileTickets, RedisTickets
from app.errors import NotReadyError
from tests.api.conftest import CHANNELS, LENGTH
from tests.api.test_security import EMG, KEYS, RAW, Make, client_with, opened, sent, ticket_of  # noqa: F401
from tests.own_redis import running

SECOND = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Any]:
    """A real Redis on a unix socket: its URL, and the process."""
    path = tmp_path / "redis.sock"
    with running(path) as process:
        yield f"unix://{path}", process


def test_more_than_the_rate_is_429_and_says_when_to_come_back(client_with: Make) -> None:  # noqa: F811
    client = client_with(rate_limit="3/minute")
    statuses = [client.get("/health").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = client.get("/health")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "EMG_RATE_LIMIT" in refused.get_json()["detail"]
    assert client.get("/health", environ_base=SECOND).status_code == 200
    assert client.get("/health/live").status_code == 200


def test_the_fast_path_and_flask_count_together_and_each_request_once(client_with: Make) -> None:  # noqa: F811
    client = client_with(rate_limit="4/minute")
    assert client.post("/infer", data=EMG, content_type=RAW).status_code == 200
    assert client.post("/infer", data=EMG[:-1], content_type=RAW).status_code == 422  # goes through both
    assert client.get("/health").status_code == 200
    assert client.post("/infer", data=EMG, content_type=RAW).status_code == 200
    refused = client.post("/infer", data=EMG, content_type=RAW)
    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)


def test_a_key_has_one_count_from_every_address_and_guesses_count_for_the_address(
    client_with: Make,  # noqa: F811
) -> None:
    client = client_with(rate_limit="2/minute", api_keys=tuple(key for key, _ in KEYS.values()))
    get = [
        client.get("/health", headers=sent("reader"), environ_base=at).status_code for at in ({}, SECOND, {})
    ]
    assert get == [200, 200, 429]
    assert client.get("/health", headers=sent("chief")).status_code == 200
    guesses = [client.get("/health", headers={"X-API-Key": "guess"}).status_code for _ in range(3)]
    assert guesses == [403, 403, 429]


def test_two_workers_count_together_in_redis(redis: Any) -> None:
    url, _ = redis
    one, other = Rate("3/minute", url), Rate("3/minute", url)
    assert [one.hit("a"), other.hit("a"), one.hit("a")] == [None, None, None]
    assert other.hit("a") == pytest.approx(60, abs=2)
    assert other.hit("b") is None


def test_without_redis_each_counts_for_itself_and_says_so(
    redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url, process = redis
    rate = Rate("2/minute", url)
    assert rate.hit("a") is None
    process.kill()
    process.wait()
    assert [rate.hit("a"), rate.hit("a")] == [None, None]
    assert rate.hit("a") is not None
    rate._down_until = 0.0  # it is time to try again
    rate.hit("a")
    with running(Path(url.removeprefix("unix://"))):
        rate._down_until = 0.0
        assert rate.hit("a") is None
    said = [record.message for record in caplog.records if "EMG_REDIS_URL" in record.message]
    assert ["does not answer" in line for line in said] == [True, False]
    assert "answers again" in said[1]


def test_a_ticket_in_redis_is_good_once_for_all_machines(redis: Any) -> None:
    url, process = redis
    one, other = RedisTickets(url), RedisTickets(url)
    ticket = one.issue("lab")
    assert (other.redeem(ticket), one.redeem(ticket)) == ("lab", None)
    process.kill()
    process.wait()
    with pytest.raises(NotReadyError, match="X-API-Key"):
        one.issue("lab")


def test_a_ticket_in_a_file_is_good_once_for_all_workers_and_not_for_long(tmp_path: Path) -> None:
    now = [time.time()]
    one, other = FileTickets(tmp_path), FileTickets(tmp_path, wall=lambda: now[0])
    ticket = one.issue("lab")
    assert all(ticket not in path.name for path in tmp_path.iterdir())
    assert (other.redeem(ticket), one.redeem(ticket)) == ("lab", None)
    old = other.issue("lab")
    now[0] += 31
    assert other.redeem(old) is None
    other.issue("a")
    now[0] += 31
    other.issue("b")
    assert len(list(tmp_path.iterdir())) == 1  # what was never used is swept


def test_a_folder_of_tickets_that_is_swept_away_is_made_again(tmp_path: Path) -> None:
    tickets = FileTickets(tmp_path / "tickets")
    for _ in range(2):  # systemd-tmpfiles looks after /tmp
        ticket = tickets.issue("lab")
        assert tickets.redeem(ticket) == "lab"
        shutil.rmtree(tmp_path / "tickets")
        assert tickets.redeem(ticket) is None
    (tmp_path / "tickets").write_text("in the way")
    with pytest.raises(NotReadyError, match="X-API-Key"):
        tickets.issue("lab")


def test_one_caller_cannot_take_all_the_streams(client_with: Make) -> None:  # noqa: F811
    client = client_with(max_streams_per_key=2, api_keys=tuple(key for key, _ in KEYS.values()))
    ask = "/infer/stream?duration_seconds=30"
    first, second = (client.get(ask, headers=sent("reader")) for _ in range(2))
    third = client.get(ask, headers=sent("reader"))
    assert (third.status_code, third.headers["Retry-After"]) == (429, "5")
    by_ticket = client.get(f"{ask}&ticket={ticket_of(client, headers=sent('reader'))}")
    assert by_ticket.status_code == 429  # the key's own streams, however they were opened
    other = client.get(ask, headers=sent("chief"))
    assert (first.status_code, second.status_code, other.status_code) == (200, 200, 200)
    first.close()
    again = client.get(ask, headers=sent("reader"))
    assert again.status_code == 200
    for answer in (second, other, again):
        answer.close()


def test_a_stream_ends_at_the_longest_duration(client_with: Make) -> None:  # noqa: F811
    client = client_with(max_duration_s=0.3)
    assert client.get("/infer/stream?duration_seconds=0.4").status_code == 422
    with client.get("/infer/stream") as answer:
        assert b'"status":"completed"' in answer.get_data()


def test_a_batch_is_held_to_the_largest(client_with: Make) -> None:  # noqa: F811
    client = client_with(max_batch=2)
    many = np.zeros((3, LENGTH, CHANNELS), "<f4").tobytes()
    for answer in (
        client.post("/infer", json={"batch": 3}),
        client.post("/infer", data=many, content_type=RAW),
    ):
        assert answer.status_code == 422
        assert "2" in answer.get_json()["detail"]
    assert client.post("/infer", data=many[: len(many) // 3 * 2], content_type=RAW).status_code == 200
