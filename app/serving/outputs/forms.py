"""How the messages of each way out are read in the table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.config import Settings
from app.serving.outputs.actions.action import ParseAction
from app.serving.outputs.gamepad import parse_pad
from app.serving.outputs.keyboard import parse_keys
from app.serving.outputs.lsl_gestures import parse_marker
from app.serving.outputs.mqtt import parse_mqtt
from app.serving.outputs.osc import parse_osc
from app.serving.outputs.udp_json import parse_datagram
from app.serving.outputs.webhook import parse_post

OSC, MQTT, UDP_JSON, WEBHOOK = "osc", "mqtt", "udp-json", "webhook"
LSL, KEYBOARD, GAMEPAD = "lsl", "keyboard", "gamepad"

FORMS: Mapping[str, ParseAction] = MappingProxyType(
    {
        OSC: parse_osc,
        MQTT: parse_mqtt,
        UDP_JSON: parse_datagram,
        WEBHOOK: parse_post,
        LSL: parse_marker,
        KEYBOARD: parse_keys,
        GAMEPAD: parse_pad,
    }
)
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        OSC: "EMG_OSC",
        MQTT: "EMG_MQTT",
        UDP_JSON: "EMG_UDP_JSON",
        WEBHOOK: "EMG_WEBHOOK",
        LSL: "EMG_LSL_OUTLET",
        KEYBOARD: "EMG_KEYBOARD",
        GAMEPAD: "EMG_GAMEPAD",
    }
)  # what switches each of them on


def switched_on(settings: Settings) -> set[str]:
    """Return the ways out that the settings ask for."""
    asked = {
        OSC: settings.osc is not None,
        MQTT: settings.mqtt is not None,
        UDP_JSON: settings.udp_json is not None,
        WEBHOOK: settings.webhook is not None,
        LSL: settings.lsl_outlet,
        KEYBOARD: settings.keyboard,
        GAMEPAD: settings.gamepad,
    }
    return {way for way, wanted in asked.items() if wanted}
