"""What is published, at a real mosquitto, also while that goes and comes back."""

from __future__ import annotations

import gc
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.mqtt_address import MqttAddress, parse_mqtt_address
from app.serving.outputs.actions.table import NO_ROWS, ActionTable
from app.serving.outputs.delivery import Delivery, UndeliveredError
from app.serving.outputs.event_sender import EventSender
from app.serving.outputs.mqtt import MqttBroker, MqttForms
from tests.own_mosquitto import Mosquitto, Subscriber, running
from tests.serving.outputs.gestures import event, new_row, sender_of, table
from tests.serving.station import until

LATE_S = 15.0

pytest.importorskip("paho.mqtt.client", reason="needs requirements-outputs.txt")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with running(tmp_path) as broker:
        yield broker


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    subscriber = Subscriber(mosquitto.port)
    yield subscriber
    subscriber.close()


class Sending:
    """A sender to a broker."""

    def __init__(self, address: MqttAddress, rows: ActionTable = NO_ROWS) -> None:
        self.row, forms, broker = new_row(), MqttForms(address.prefix), MqttBroker(address)
        self.delivery: Delivery[Any] = Delivery("mqtt", broker, self.row)
        broker.start(self.delivery.well, self.delivery.troubled)
        self.sender: EventSender[Any] = sender_of(
            "mqtt", self.delivery, forms.of_event, rows, self.row, default_values=forms.of_values
        )
        self.client = broker._client

    def connected(self) -> Sending:
        until(lambda: self.row.state == "open", LATE_S)
        return self


def address(port: int, rest: str = "") -> MqttAddress:
    return parse_mqtt_address(f"mqtt://127.0.0.1:{port}{rest}")


def test_a_gesture_in_its_default_form_and_the_last_word(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    sending = Sending(address(mosquitto.port, "/lab/hand")).connected()
    sending.sender.gesture(event(gesture="a/b"))
    sending.sender.rest("shutdown")
    until(lambda: sending.row.messages == 2, LATE_S)
    sending.sender.close()
    until(lambda: len(subscriber.heard) == 4, LATE_S)

    assert subscriber.topics() == [
        "lab/hand/status",
        "lab/hand/a_b/onset",
        "lab/hand/a_b/release",
        "lab/hand/status",
    ]
    assert subscriber.heard[0][1] == "online"
    assert json.loads(subscriber.heard[1][1]) == event(gesture="a/b").fields
    assert json.loads(subscriber.heard[2][1])["reason"] == "shutdown"
    assert subscriber.heard[3][1] == "offline"


def test_a_message_of_the_table(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    rows = table("""\"*.onset" = ['mqtt robot/{gesture} {"grip": {strength}}', 'mqtt robot/go']""")
    sending = Sending(address(mosquitto.port), rows).connected()
    sending.sender.gesture(event())
    until(lambda: len(subscriber.heard) == 3, LATE_S)
    sending.sender.close()
    assert subscriber.heard[1][:2] == ("robot/fist", '{"grip": 0.625}')
    assert json.loads(subscriber.heard[2][1])["gesture"] == "fist"


def test_the_last_will_says_offline_where_the_server_is_killed(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    sending = Sending(address(mosquitto.port)).connected()
    until(lambda: subscriber.heard, LATE_S)
    sending.client.loop_stop()
    sending.client.socket().shutdown(socket.SHUT_RDWR)  # as the kernel does with a process that is gone
    until(lambda: ("myostream/status", "offline", False) in subscriber.heard, LATE_S)
    sending.sender.close()


def test_a_release_that_a_broker_could_not_take_is_told_when_it_is_back(mosquitto: Mosquitto) -> None:
    sending = Sending(address(mosquitto.port)).connected()
    sending.sender.gesture(event(id=1))
    until(lambda: sending.row.messages == 1, LATE_S)
    mosquitto.kill()
    until(lambda: sending.row.state == "failed", LATE_S)
    sending.sender.gesture(event("release", id=1))
    assert sending.sender.trouble is not None
    mosquitto.start()
    subscriber = Subscriber(mosquitto.port)
    until(lambda: "myostream/fist/release" in subscriber.topics(), LATE_S)
    until(lambda: sending.row.state == "open", LATE_S)
    assert sending.sender.trouble is None
    sending.sender.close()
    subscriber.close()


def test_what_a_broker_that_hangs_has_not_acknowledged_is_not_said_to_be_delivered(
    mosquitto: Mosquitto,
) -> None:
    sending = Sending(address(mosquitto.port)).connected()
    mosquitto.freeze()
    sending.sender.gesture(event())
    until(lambda: sending.sender.trouble, LATE_S)
    assert (sending.row.state, sending.row.messages) == ("failed", 0)
    mosquitto.thaw()
    until(lambda: sending.row.messages == 1, LATE_S)
    until(lambda: sending.row.state == "open", LATE_S)
    assert (sending.sender.trouble, sending.row.drops) == (None, 0)
    sending.sender.close()


def test_a_broker_that_hangs_does_not_hold_whoever_leaves(mosquitto: Mosquitto) -> None:
    sending = Sending(address(mosquitto.port)).connected()
    mosquitto.freeze()
    sending.sender.gesture(event())
    until(lambda: sending.sender.trouble, LATE_S)
    sending.sender.close()
    until(lambda: sending.row.drops == 1, LATE_S)
    assert sending.row.messages == 0


def test_what_paho_keeps_where_the_connection_has_just_gone_may_arrive() -> None:
    broker = MqttBroker(address(1))
    broker._connected.set()  # it has not been told yet
    for phase, maybe in (("onset", True), ("hold", False)):
        with pytest.raises(UndeliveredError) as failed:
            broker.send(MqttForms("hand").of_event(event(phase)))
        assert (failed.value.again, failed.value.maybe) == (True, maybe)


def test_a_broker_that_wants_a_password_gets_it_and_one_that_refuses_is_said(tmp_path: Path) -> None:
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("there is no mosquitto: apt-get install mosquitto")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "anna", "se:cret"], check=True)
    with running(tmp_path, f"allow_anonymous false\npassword_file {passwords}") as broker:
        good = Sending(parse_mqtt_address(f"mqtt://anna:se%3Acret@127.0.0.1:{broker.port}/x")).connected()
        good.sender.close()
        bad = Sending(address(broker.port))
        until(lambda: bad.sender.trouble and "refuses" in bad.sender.trouble, LATE_S)
        assert bad.row.state == "failed"
        bad.sender.close()


def test_no_broker_at_all_costs_whoever_tells_it_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sending = Sending(address(port))
    for number in range(2000):
        sending.sender.gesture(event(id=number))
    until(lambda: sending.sender.trouble, LATE_S)
    assert sending.row.drops > 1000, "what nobody heard the beginning of is left out, and the rest is bounded"
    sending.sender.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "mqtt://",
        "mqtt://host/a#b",
        "mqtt://host/a/+",
        "mqtt://host:99999",
        "mqtt://:pw@host",
        "mqtt://ho st",
        "host:1883",
        "mqtt://host/$SYS",
    ],
)
def test_what_is_no_address_of_a_broker(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - a setting says what is allowed
        parse_mqtt_address(url)


def test_what_an_address_says() -> None:
    assert parse_mqtt_address("mqtts://a:p%40ss@host/lab") == MqttAddress(
        "host", 8883, True, "a", "p@ss", "lab"
    )
    assert parse_mqtt_address("mqtt://host") == MqttAddress("host", 1883, False, None, None, "myostream")
    assert "p@ss" not in repr(parse_mqtt_address("mqtts://a:p%40ss@host/lab"))


def expect_distrust(url: str) -> None:
    sending = Sending(parse_mqtt_address(url))
    until(lambda: sending.sender.trouble, LATE_S)
    sending.sender.close()


# paho leaves the socket of a handshake that failed to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_is_checked_and_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's authorities, here one of the test's own."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    (tmp_path / "key.pem").write_bytes(
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes()
    )
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    files = f"certfile {tmp_path}/key.pem\nkeyfile {tmp_path}/key.pem\nallow_anonymous true"
    with running(tmp_path, files) as broker:
        url = f"mqtts://localhost:{broker.port}"
        expect_distrust(url)
        gc.collect()  # now, and not in a test that knows nothing of it
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        Sending(parse_mqtt_address(url)).connected().sender.close()
