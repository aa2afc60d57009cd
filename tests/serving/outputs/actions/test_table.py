"""The grammar of actions.toml: what each row becomes, and one line about each mistake."""

from __future__ import annotations

import json

import pytest

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.serving.outputs.actions.table import MOST_ROWS
from app.serving.outputs.actions.template import OF_EVENTS, Template
from app.serving.outputs.keyboard import KeyStroke
from app.serving.outputs.mqtt import MqttMessage
from app.serving.outputs.osc import OscMessage
from tests.inference.artefacts import make_manifest
from tests.serving.outputs.gestures import event, table


def filled(text: str, way: str, of: GestureEvent) -> list[object]:
    fields = {"reason": None, **of.fields, "json": json.dumps(of.fields)}
    return [row.action.fill(fields) for row in table(text).for_event(way, of)]


def test_a_row_says_which_event_becomes_which_message() -> None:
    text = '"fist.onset" = "osc /grip 1"\n"fist.release" = "osc /grip 0"'

    assert filled(text, "osc", event("onset")) == [OscMessage("/grip", (1,))]
    assert filled(text, "osc", event("release")) == [OscMessage("/grip", (0,))]
    assert filled(text, "osc", event("hold")) == []
    assert filled(text, "osc", event("onset", gesture="point")) == []
    assert filled(text, "mqtt", event("onset")) == []


def test_a_list_is_several_messages_and_all_rows_that_fit_are_sent_in_the_order_of_the_file() -> None:
    text = '"*.onset" = ["osc /any {gesture}", "mqtt a b"]\n"fist.*" = "osc /fist {phase}"'

    assert filled(text, "osc", event()) == [OscMessage("/any", ("fist",)), OscMessage("/fist", ("onset",))]
    assert filled(text, "mqtt", event()) == [MqttMessage("a", "b", sure=True)]


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("fist.double.onset", {"variant": "double"}),
        ("fist.long.hold", {"variant": "long", "phase": "hold"}),
        ("*.*", {}),
        ("*.single.*", {}),
    ],
)
def test_a_variant_may_be_named(key: str, fits: dict[str, str]) -> None:
    text = f'"{key}" = "osc /it"'
    changes = {"phase": "onset", **fits}

    assert filled(text, "osc", event(changes.pop("phase"), **changes)) == [OscMessage("/it", ())]


def test_a_row_of_a_variant_is_not_for_another() -> None:
    assert filled('"fist.double.onset" = "osc /it"', "osc", event(variant="single")) == []


def test_without_quotes_it_is_the_same_row() -> None:
    """TOML reads `fist.onset = ...` as a table in a table."""
    assert filled('fist.onset = "osc /grip 1"', "osc", event()) == [OscMessage("/grip", (1,))]
    assert filled('[fist]\nonset = "osc /grip 1"', "osc", event()) == [OscMessage("/grip", (1,))]


def test_a_gestures_name_may_have_blanks_and_dots() -> None:
    text = '"open hand.onset" = "osc /a"\n"v1.5.double.release" = "osc /b"'

    assert filled(text, "osc", event(gesture="open hand")) == [OscMessage("/a", ())]
    assert filled(text, "osc", event("release", gesture="v1.5", variant="double")) == [OscMessage("/b", ())]


def test_placeholders_are_filled_and_one_alone_keeps_its_type() -> None:
    text = '"fist.release" = "osc /{gesture} {strength} {id} {reason} \'{gesture} {phase}\'"'

    (message,) = filled(text, "osc", event("release"))
    assert message == OscMessage("/fist", (0.625, 7, "rest", "fist release"))
    assert [type(value) for value in message.values] == [float, int, str, str]


def test_json_can_be_written_as_it_is_and_the_whole_event_as_well() -> None:
    text = """"fist.onset" = ['mqtt t {"grip": {strength}}', 'mqtt t {json}', 'mqtt t']"""

    first, second, third = filled(text, "mqtt", event())
    assert json.loads(first.payload) == {"grip": 0.625}
    assert json.loads(second.payload) == json.loads(third.payload) == event().fields


def test_a_reason_that_there_is_not_is_empty() -> None:
    assert filled('"fist.onset" = "mqtt t [{reason}]"', "mqtt", event()) == [
        MqttMessage("t", "[]", sure=True)
    ]


def test_an_empty_list_sends_nothing_and_an_empty_file_has_no_rows() -> None:
    assert table('"fist.hold" = []').rows == ()
    assert table("# nothing yet\n").rows == ()


def test_a_mark_at_the_beginning_as_windows_editors_write_it_is_no_trouble() -> None:
    assert len(table('\ufeff"fist.onset" = "osc /a"').rows) == 1


@pytest.mark.parametrize(
    ("text", "row", "allowed"),
    [
        ('\n"fist.onset" = "osx /grip 1"', 'line 2: "fist.onset"', "allowed: osc, mqtt, udp-json, webhook"),
        (
            '"fist.onst" = "osc /grip 1"',
            'line 1: "fist.onst"',
            "'onst' is no phase: onset, hold, release or *",
        ),
        ('"fist" = "osc /grip 1"', '"fist"', "a phase is missing"),
        ('".onset" = "osc /grip 1"', '".onset"', "GESTURE.PHASE"),
        ('"fist.onset" = 1', '"fist.onset"', "one text"),
        ('"fist.onset" = ["osc /a", 2]', '"fist.onset"', "one text"),
        ('"fist.onset" = ""', '"fist.onset"', "'' is no way out"),
        ('"fist.onset" = "osc grip 1"', '"fist.onset"', "an OSC address begins with '/'"),
        ('"fist.onset" = "osc"', '"fist.onset"', "an OSC address begins with '/'"),
        ('"fist.onset" = "osc /a*b 1"', '"fist.onset"', "no OSC address"),
        ('"fist.onset" = "osc /a \'b"', '"fist.onset"', "No closing quotation"),
        (
            '"fist.onset" = "osc /grip {strenth}"',
            '"fist.onset"',
            "{strenth} is no placeholder; allowed: {gesture}",
        ),
        ('"fist.onset" = "mqtt"', '"fist.onset"', "a topic is missing"),
        ('"fist.onset" = "mqtt a/# 1"', '"fist.onset"', "is no topic to publish at"),
        ('"fist.onset" = "mqtt $SYS/a 1"', '"fist.onset"', "is no topic to publish at"),
        ('"fist.onset" = "keyboard spce"', '"fist.onset"', "'spce' is no key; allowed: a, b"),
        ('"fist.onset" = "keyboard"', '"fist.onset"', "keyboard tap KEY"),
        ('"fist.release" = "keyboard hold a"', '"fist.release"', "only an onset can hold something"),
        ('"fist.hold" = "keyboard a"', '"fist.hold"', "for hold write tap"),
        ('"fist.onset" = "gamepad souht"', '"fist.onset"', "allowed: south, east"),
        ('"fist.onset" = "gamepad x 2"', '"fist.onset"', "-1 to 1"),
        ('"fist.onset" = "gamepad x"', '"fist.onset"', "gamepad AXIS VALUE"),
        ('"values" = "webhook {grip}"', '"values"', "not sent for every frame"),
        ('"values" = "lsl {grip}"', '"values"', "rows of gestures"),
        ('"values" = "keyboard a"', '"values"', "keyboard KEY"),
        ('"fist.onset" = "udp-json ' + "x" * 1500 + '"', '"fist.onset"', "at most 1400"),
    ],
)
def test_a_mistake_is_one_line_with_the_row_and_what_is_allowed(text: str, row: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as failed:
        table(text)
    said = str(failed.value)
    assert "\n" not in said
    assert said.startswith("actions.toml")
    assert row in said
    assert allowed in said


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'"fist.onset" = "osc /a', "is no TOML"),
        (b'"a.onset" = "osc /a"\n"a.onset" = "osc /b"', "is no TOML"),
        (b'\n"fist.onset" = "osc /\xff"', "line 2: is not UTF-8"),
        (b"#" * 300_000, "at most 262144"),
        (b"[" * 5000, "is no TOML"),
    ],
)
def test_a_file_that_is_no_table_is_one_line_too(content: bytes, what: str) -> None:
    from app.serving.outputs.actions.table import parse_table
    from app.serving.outputs.forms import FORMS

    with pytest.raises(ConfigError, match=what) as failed:
        parse_table(content, FORMS)
    assert "\n" not in str(failed.value)


def test_a_table_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"at most {MOST_ROWS}"):
        table('"fist.onset" = [' + '"osc /a",' * (MOST_ROWS + 1) + "]")


def test_rows_of_values_take_any_name_since_only_the_model_knows_its_values() -> None:
    (row,) = table('"values" = "osc /dof {wrist} {grip}"').for_values("osc")

    assert row.action.fill({"wrist": 0.5, "grip": -1.0}) == OscMessage("/dof", (0.5, -1.0))
    with pytest.raises(KeyError):
        row.action.fill({"wrist": 0.5})


def test_a_values_name_may_have_blanks_and_signs_and_json_stays_text() -> None:
    rows = table(
        """"values" = ["osc /dof {wrist-flexion} '{Index MCP}'", 'udp-json {"a": {Größe (cm)}, "b": [{1}]}']"""
    )
    fields = {"wrist-flexion": 0.5, "Index MCP": -1.0, "Größe (cm)": 2.0, "1": 3.0}

    assert [row.action.fill(fields) for row in rows.for_values("osc")] == [OscMessage("/dof", (0.5, -1.0))]
    assert [row.action.fill(fields) for row in rows.for_values("udp-json")] == ['{"a": 2.0, "b": [3.0]}']
    for text in ('{"a": {}}', "{ }", '{"a": [1, {"b": 2}]}', "{'a', b}"):
        assert Template.parse(text, OF_EVENTS).fill({}) == text


def test_a_key_is_held_while_the_gesture_lasts_and_struck_where_it_says_so() -> None:
    text = '"fist.onset" = ["keyboard space", "keyboard tap ctrl+c"]\n"fist.release" = "keyboard a"'

    assert filled(text, "keyboard", event()) == [
        KeyStroke(("space",), held=True),
        KeyStroke(("leftctrl", "c"), held=False),
    ]
    assert filled(text, "keyboard", event("release")) == [KeyStroke(("a",), held=False)]


@pytest.mark.parametrize("named", ["fst", "rest"])  # rest is no gesture: no event is ever of it
def test_gestures_that_the_model_has_not_are_found(named: str) -> None:
    rows = table(f'"*.onset" = "osc /a"\n"{named}.onset" = "osc /b"')
    tiny = make_manifest(name="tiny", classes=("rest", "fist"), rest_class="rest")

    with pytest.raises(
        ConfigError,
        match=rf"line 2: \"{named}.onset\": '{named}' is no gesture of the model tiny; allowed: fist, or \*",
    ):
        rows.expect_gestures(tiny)
    table('"fist.onset" = "osc /b"').expect_gestures(tiny)
