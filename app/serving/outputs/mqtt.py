"""Gesture events to an MQTT broker (3.1.1), by paho-mqtt, which connects again by itself."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.mqtt_address import MqttAddress
from app.serving.outputs.actions.action import Asked
from app.serving.outputs.actions.template import JSON, Template
from app.serving.outputs.delivery import UndeliveredError

FORM = 'mqtt TOPIC PAYLOAD, such as "mqtt hand/grip {strength}"; without a payload the event as JSON'
ACK_S = 2.0  # in which a broker acknowledges
KEEPALIVE_S = (
    5  # a broker tells the last will after one and a half of it, where the network is gone without a word
)
MOST_TOPIC = 65535  # bytes


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A topic and what is published there; `sure`: at least once, else at most once."""

    topic: str
    payload: str
    sure: bool


@dataclass(frozen=True, slots=True)
class MqttAction:
    """A message with places in it."""

    topic: Template
    payload: Template

    def fill(self, fields: Mapping[str, Any]) -> MqttMessage:
        values = {name: _level(value) for name, value in fields.items()}
        return MqttMessage(self.topic.fill(values), self.payload.fill(fields), _sure(fields.get("phase")))


def parse_mqtt(asked: Asked) -> MqttAction:
    """Return what `topic payload` says.

    Raises:
        ConfigError: it is none.
    """
    topic, _, payload = asked.text.partition(" ")
    if not topic:
        raise ConfigError(f"a topic is missing; the form is {FORM}")
    if re.search(r"[+#\x00]", topic) or topic.startswith("$") or len(topic.encode()) > MOST_TOPIC:
        raise ConfigError(
            f"{topic[:80]!r} is no topic to publish at: '+', '#' and a '$' at its beginning are not allowed"
        )
    return MqttAction(
        Template.parse(topic, asked.places), Template.parse(payload.strip() or f"{{{JSON}}}", asked.places)
    )


class MqttForms:
    """The default forms, below a topic of the setting."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def of_event(self, event: GestureEvent) -> MqttMessage:
        """Return such as `myostream/fist/onset` with the event as JSON."""
        topic = f"{self._prefix}/{_level(event.gesture)}/{event.phase}"
        return MqttMessage(topic, json.dumps(event.fields), _sure(event.phase))

    def of_values(self, values: Mapping[str, float], timestamp: float) -> MqttMessage:
        """Return `myostream/values` with a frame of values as JSON."""
        return MqttMessage(
            f"{self._prefix}/values", json.dumps({**values, "timestamp": timestamp}), sure=False
        )


class MqttBroker:
    """Publishes. `PREFIX/status` says `online`, retained, and by the last will `offline` when this server is gone."""

    def __init__(self, address: MqttAddress) -> None:
        mqtt = load_mqtt()
        self._status, self._address, self._closing = f"{address.prefix}/status", address, False
        self._well: Callable[[], object] = bool
        self._troubled: Callable[[str], object] = str
        self._connected = threading.Event()
        self._client = client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"myostream-{secrets.token_hex(6)}"
        )
        client.will_set(self._status, "offline", qos=1, retain=True)
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if address.tls:
            client.tls_set()  # the system's authorities; the name is checked
        client.reconnect_delay_set(1, 15)
        client.connect_timeout = 5.0
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail = lambda *_: self._lost("the broker cannot be reached, or is not trusted")

    def start(self, well: Callable[[], object], troubled: Callable[[str], object]) -> None:
        """Connect, again and again; `well` and `troubled` are told how the connection is."""
        self._well, self._troubled = well, troubled
        self._client.connect_async(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def send(self, message: MqttMessage) -> None:
        """Publish one, and wait until the broker has it where it is to be sure.

        Raises:
            UndeliveredError: there is no connection, or this is closed before an acknowledgement.
        """
        if not self._connected.is_set():
            raise UndeliveredError("the broker is not connected")
        told = self._client.publish(message.topic, message.payload, qos=int(message.sure))
        if told.rc != 0:
            why = f"the broker is not connected (error {told.rc})"
            raise UndeliveredError(why, maybe=message.sure)  # paho keeps it, and may send it by itself
        late = f"the broker has not acknowledged a message within {ACK_S:g} s"
        while message.sure and not told.is_published():  # paho sends it again by itself once it is connected
            if self._closing:
                raise UndeliveredError(late, again=False, maybe=True)
            told.wait_for_publish(ACK_S)
            if not told.is_published():
                self._troubled(late)

    def close(self) -> None:
        """Say `offline` and leave."""
        self._closing = True
        if self._connected.is_set():
            with contextlib.suppress(RuntimeError, ValueError):  # it has just been lost
                self._client.publish(self._status, "offline", qos=1, retain=True).wait_for_publish(0.2)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._lost(f"the broker refuses: {reason}")
            return
        client.publish(self._status, "online", qos=1, retain=True)
        self._connected.set()
        self._well()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._connected.is_set() and not self._closing:  # one that was refused has been told of
            self._lost(f"the connection to the broker was lost ({reason})")

    def _lost(self, why: str) -> None:
        self._connected.clear()
        self._troubled(why)


def load_mqtt() -> Any:
    """Return paho's client.

    Raises:
        ConfigError: paho-mqtt is not there.
    """
    try:
        from paho.mqtt import client
    except ImportError:
        raise ConfigError("EMG_MQTT needs paho-mqtt: install requirements-outputs.txt") from None
    return client


def _sure(phase: str | None) -> bool:
    return phase in ("onset", "release")


def _level(value: Any) -> Any:
    """Return a value such that it is one level of a topic."""
    return re.sub(r"[+#/\x00]", "_", value) if isinstance(value, str) else value
