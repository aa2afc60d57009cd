"""The fuzzer's table of routes is whole, and a route that is not in it is noticed."""

from __future__ import annotations

from app import create_app
from tests.server.fuzz.garbage import KINDS, shots
from tests.server.fuzz.routes import ROUTES, documented_503, known, missing, sound


def test_the_fuzzer_knows_every_route() -> None:
    assert missing(known(), create_app()) == []


def test_a_route_that_it_does_not_know_is_named_and_so_is_one_that_is_gone() -> None:
    app = create_app()
    app.add_url_rule("/new/<name>", view_func=lambda name: name, methods=["PUT"])
    assert missing(known() | {("/old", "GET")}, app) == [
        "PUT /new/<name> is unknown to the fuzzer",
        "GET /old is no route any more",
    ]


def test_every_route_gets_every_kind_of_garbage() -> None:
    kinds: dict[tuple[str, str], set[str]] = {}
    for shot in shots(list(ROUTES), seed=1):
        kinds.setdefault((shot.sound.rule, shot.sound.method), set()).add(shot.kind)
    assert kinds == dict.fromkeys(known(), KINDS)


def test_garbage_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    few = sound("push", "reader")[10:13]
    first, again, other = ([shot.pieces for shot in shots(few, seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_where_a_503_may_come_is_taken_from_the_description() -> None:
    paths = {"/a/{name}": {"get": {"responses": {"200": {}, "503": {}}}, "post": {"responses": {"200": {}}}}}
    assert documented_503({**paths, "/b": {"parameters": []}}) == {("/a/<name>", "GET")}
