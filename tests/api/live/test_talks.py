"""What a client came for, against a runtime and without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.api.live.heard_sources import OwnSource
from app.api.live.talks import Listening
from app.api.live.writer import LiveWriter
from app.api.schemas.params import LiveJob
from app.errors import DataError
from app.serving.runtime import Runtime
from tests.api.conftest import running
from tests.inference.artefacts import make_artefact


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    runtime = running(make_artefact(tmp_path / "tiny"))
    yield runtime
    runtime.close()


def listening(runtime: Runtime) -> Listening:
    pipeline = runtime.pipelines.named(None)
    job = LiveJob(send=frozenset({"quality"}))
    return Listening(OwnSource(runtime, pipeline), job, LiveWriter(len, lambda: True), "")


def test_a_source_that_is_called_otherwise_is_still_there_and_one_that_was_ended_is_not(
    runtime: Runtime,
) -> None:
    """While the server's source is changed, its pipeline is known by the next one's name before it says so itself."""
    talk, pipeline = listening(runtime), runtime.pipelines.named(None)
    runtime.pipelines.rename(pipeline, "another")
    assert talk.over is None
    runtime.pipelines.rename(pipeline, pipeline.name)
    runtime.pipelines.remove(pipeline)
    assert talk.over == "the source has ended"


def test_quality_is_told_when_it_has_changed_and_not_again(runtime: Runtime) -> None:
    talk = listening(runtime)
    assert talk.quality() is not None
    assert talk.quality() is None


def test_who_only_listens_may_send_nothing(runtime: Runtime) -> None:
    with pytest.raises(DataError, match="/emg/sources/<name>/live"):
        listening(runtime).take(b"samples")
