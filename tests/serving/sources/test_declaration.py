"""What a client has declared, as workers tell one another."""

from __future__ import annotations

import json

import pytest

from app.emg.auxiliary import AuxStream
from app.errors import NotReadyError
from app.serving.sources.declaration import read, written
from app.serving.sources.declared import Declared

PLAIN = Declared(name="arm", channels=8, sampling_rate=200.0, units="uV")


@pytest.mark.parametrize(
    "declared",
    [
        PLAIN,
        Declared(
            name="leg",
            channels=2,
            sampling_rate=1000.0,
            units=None,
            model="own",
            profile="ada",
            aux=(AuxStream(name="acc", channel_names=("x", "y"), units="g", sampling_rate=50.0),),
        ),
    ],
    ids=["plain", "all"],
)
def test_a_declaration_is_read_as_it_was_written(declared: Declared) -> None:
    assert read(written(declared)) == declared


@pytest.mark.parametrize(
    "declaration",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'"aux"',
        json.dumps({**json.loads(written(PLAIN)), "invented": 1}).encode(),
        json.dumps({**json.loads(written(PLAIN)), "channels": "eight"}).encode(),
        json.dumps({**json.loads(written(PLAIN)), "aux": [{"channel_names": 3}]}).encode(),
    ],
    ids=["nothing", "no text", "a list", "empty", "a text", "a newer version", "no number", "aux"],
)
def test_what_a_worker_of_another_version_has_written_is_a_503_and_no_failure(declaration: bytes) -> None:
    with pytest.raises(NotReadyError, match="another version"):
        read(declaration)
