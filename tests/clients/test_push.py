"""Pushed sources by POST: what is sent, sent again, and declared anew; and by either way to a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from myostream_client import (
    Frame,
    PushedSource,
    Receipt,
    RefusedError,
    ServerUnreachableError,
    StreamingInferenceClient,
)
from myostream_client.server_http import Server
from tests.clients.conftest import ClientOf
from tests.clients.cutting_proxy import CuttingProxy
from tests.clients.small_server import Answer, Asked, answering, problem
from tests.server.live import Live, gunicorn

CHANNELS, RATE = 16, 2000


class Shelf:
    """A server's side of one source: where it is, and what comes twice."""

    def __init__(self) -> None:
        self.declared: dict[str, Any] | None = None
        self.asked: list[Asked] = []
        self.next_sample: int | None = None
        self.troubles: list[Callable[[], Answer] | str] = []

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if not asked.path.endswith("samples") and "?" not in asked.path:
            if asked.method == "DELETE":
                self.declared = None
                return Answer(204)
            self.declared = json.loads(asked.body)
            return Answer(201, {"next_sample": self.next_sample})
        if self.declared is None:
            return problem(404, "Not Found", "there is no source 'arm'")
        trouble = self.troubles.pop(0) if self.troubles else None
        if callable(trouble):
            return trouble()
        query = {k: v[0] for k, v in parse_qs(urlsplit(asked.path).query).items()}
        first, count = int(query["first_sample"]), len(asked.body) // 4 // 2
        start = first if self.next_sample is None else self.next_sample
        fresh = max(0, min(count, first + count - start))
        lost = max(0, first - start)
        self.next_sample = max(start, first + count)
        if trouble == "the answer is lost":
            return Answer(None)
        return Answer(
            200,
            {
                "accepted": fresh,
                "duplicates": count - fresh,
                "lost_samples": lost,
                "next_sample": self.next_sample,
            },
        )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def source(shelf: Shelf) -> Iterator[PushedSource]:
    with (
        answering(shelf) as url,
        PushedSource(
            Server(url=url),
            "arm",
            channels=2,
            sampling_rate_hz=200,
            sleep=lambda _: None,
            transport="http",
        ) as source,
    ):
        yield source


def test_chunks_carry_the_number_of_their_first_sample(shelf: Shelf, source: PushedSource) -> None:
    assert shelf.declared == {"channels": 2, "sampling_rate_hz": 200, "units": "uV"}
    source.send(np.ones((10, 2)))
    source.skip(5)
    receipt = source.send(np.ones((3, 2)))
    assert (receipt.accepted, receipt.lost_samples, receipt.next_sample, source.next_sample) == (3, 5, 18, 18)
    first, second = shelf.asked[1:]
    assert first.path == "/emg/sources/arm/samples?first_sample=0&dtype=float32"
    assert second.path == "/emg/sources/arm/samples?first_sample=15&dtype=float32"
    assert first.body == np.ones((10, 2), "<f4").tobytes()


def test_counts_of_a_device_go_as_they_are_with_their_scale(shelf: Shelf) -> None:
    with (
        answering(shelf) as url,
        PushedSource(
            Server(url=url), "a/b", channels=2, sampling_rate_hz=200, scale=0.5, transport="http"
        ) as source,
    ):
        source.send(np.array([[1, 2], [3, 4]], np.int16)[:, ::-1])
    assert shelf.asked[1].path == "/emg/sources/a%2Fb/samples?first_sample=0&dtype=int16&scale=0.5"
    assert shelf.asked[1].body == np.array([[2, 1], [4, 3]], "<i2").tobytes()


def test_a_chunk_whose_answer_was_lost_is_sent_again_under_its_number(
    shelf: Shelf, source: PushedSource
) -> None:
    shelf.troubles = ["the answer is lost", "the answer is lost"]
    receipt = source.send(np.ones((10, 2)))
    assert (receipt.accepted, receipt.duplicates) == (0, 10)
    assert source.next_sample == shelf.next_sample == 10


def test_a_server_that_is_busy_is_waited_for(shelf: Shelf, source: PushedSource) -> None:
    shelf.troubles = [lambda: problem(429, "Too Many Requests", "slower", **{"Retry-After": "1"})] * 3
    assert source.send(np.ones((10, 2))).accepted == 10


def test_a_source_that_the_server_has_forgotten_is_declared_again(shelf: Shelf, source: PushedSource) -> None:
    source.send(np.ones((10, 2)))
    shelf.declared = shelf.next_sample = None  # it was restarted
    receipt = source.send(np.ones((10, 2)))
    assert shelf.declared is not None
    assert (receipt.accepted, receipt.lost_samples, receipt.next_sample) == (10, 0, 20)


def test_a_second_run_goes_on_where_the_first_ended(shelf: Shelf) -> None:
    with answering(shelf) as url:
        settings: dict[str, Any] = {"channels": 2, "sampling_rate_hz": 200, "transport": "http"}
        first = PushedSource(Server(url=url), "arm", **settings)
        first.send(np.ones((10, 2)))
        with PushedSource(Server(url=url), "arm", **settings) as second:
            assert second.send(np.ones((5, 2))).accepted == 5
            assert second.next_sample == 15
        first.close()


def test_what_is_wrong_is_said_before_or_after_the_server_sees_it(shelf: Shelf, source: PushedSource) -> None:
    with pytest.raises(ValueError, match=r"a chunk must be \(n, 2\), got an array of \(10, 3\)"):
        source.send(np.ones((10, 3)))
    with pytest.raises(ValueError, match="each sample must have 2 channels"):
        source.send([[1.0, 2.0], [1.0]])
    shelf.troubles = [lambda: problem(422, "Unprocessable Entity", "samples: not a number")]
    with pytest.raises(RefusedError, match="samples: not a number"):
        source.send(np.full((10, 2), np.nan))
    assert source.next_sample == 0
    assert source.send(np.empty((0, 2))).accepted == 0


def taken(source: PushedSource, samples: Any) -> Receipt:
    """What the server has done with these samples, whichever way they went."""
    sent, last = source.send(samples), source.flush()
    return Receipt(
        accepted=sent.accepted + last.accepted,
        duplicates=sent.duplicates + last.duplicates,
        lost_samples=sent.lost_samples + last.lost_samples,
        next_sample=last.next_sample,
    )


@pytest.mark.server
@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_real_server_predicts_from_what_is_pushed_through_a_cut_and_a_restart(
    tmp_path: Path, client_of: ClientOf, transport: str
) -> None:
    samples = np.random.default_rng(0).normal(0, 30, (RATE, CHANNELS))
    with gunicorn(tmp_path, EMG_MODE="push") as first, CuttingProxy(first.port) as proxy:
        client = client_of(proxy.url, transport=transport)
        with client.push("arm", channels=CHANNELS, sampling_rate_hz=RATE) as source:
            assert source.transport == transport
            assert taken(source, samples).accepted == RATE
            assert isinstance(next(iter(client.stream(source="arm", fps=10))), Frame)
            proxy.cut()
            assert taken(source, samples[:100].tolist()).next_sample == RATE + 100
            with gunicorn(tmp_path, EMG_MODE="push") as second:
                proxy.target_port = second.port
                proxy.cut()
                receipt = taken(source, samples)
                assert (receipt.accepted, receipt.lost_samples, receipt.next_sample) == (
                    RATE,
                    0,
                    2 * RATE + 100,
                )
                frame = next(iter(client.stream(source="arm", fps=10)))
                assert isinstance(frame, Frame)
                assert _names(client) == ["arm"]
                source.close()
                assert _names(client) == []


@pytest.mark.server
def test_a_server_that_stays_away_is_given_up(tmp_path: Path, client_of: ClientOf) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live, CuttingProxy(live.port) as proxy:
        client = client_of(proxy.url)
        with client.push("arm", channels=CHANNELS, sampling_rate_hz=RATE, give_up_s=0.5) as source:
            proxy.refuses = True
            proxy.cut()
            with pytest.raises(ServerUnreachableError):
                source.send(np.zeros((10, CHANNELS)))


@pytest.mark.server
def test_a_server_in_another_mode_takes_no_source_and_says_so(server: Live, client_of: ClientOf) -> None:
    with pytest.raises(RefusedError, match="EMG_MODE=push"):
        client_of(server.url).push("arm", channels=CHANNELS, sampling_rate_hz=RATE)


def _names(client: StreamingInferenceClient) -> list[str]:
    sources = client._caller.call("GET", "/emg/sources")["sources"]
    return [one["name"] for one in sources]
