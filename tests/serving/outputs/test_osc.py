"""Messages as a python-osc server and a bare socket receive them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.errors import ConfigError
from app.serving.outputs.delivery import Delivery
from app.serving.outputs.osc import OscMessage, OscReceiver, of_event, of_values
from app.serving.outputs.udp_json import TextDatagrams
from app.serving.outputs.udp_json import of_event as json_of_event
from tests.serving.outputs.gestures import event, new_row, sender_of, table
from tests.serving.station import until

pytest.importorskip("pythonosc", reason="needs requirements-outputs.txt")


class Server:
    """python-osc's own server, and all that it heard."""

    def __init__(self) -> None:
        from pythonosc.dispatcher import Dispatcher
        from pythonosc.osc_server import BlockingOSCUDPServer

        dispatcher = Dispatcher()
        self.heard: list[tuple[Any, ...]] = []
        dispatcher.set_default_handler(lambda *said: self.heard.append(said))
        self._server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.address: tuple[str, int] = self._server.server_address
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_a_gesture_in_its_default_form(server: Server) -> None:
    row = new_row()
    sender = sender_of("osc", Delivery("osc", OscReceiver(server.address), row), of_event)
    for phase in ("onset", "hold", "release"):
        sender.gesture(event(phase))
    until(lambda: len(server.heard) == 3)
    sender.close()
    assert server.heard[0] == ("/myostream/onset", "fist", 7, 0.625, pytest.approx(0.9), 0.0)
    assert [heard[0] for heard in server.heard] == [
        "/myostream/onset",
        "/myostream/hold",
        "/myostream/release",
    ]
    assert row.messages == 3


def test_a_message_of_the_table_with_numbers_texts_and_places(server: Server) -> None:
    rows = table('"*.onset" = ["osc /hand/{gesture} 1 2.5 {strength} \'a text\'", "osc /bang"]')
    sender = sender_of("osc", Delivery("osc", OscReceiver(server.address), new_row()), of_event, rows)
    sender.gesture(event(gesture="open hand"))
    until(lambda: len(server.heard) == 2)
    sender.close()
    assert server.heard == [("/hand/open_hand", 1, 2.5, 0.625, "a text"), ("/bang",)]


def test_a_large_number_is_sent_as_one(server: Server) -> None:
    receiver = OscReceiver(server.address)
    receiver.send(OscMessage("/sample", (2**40, -1)))
    until(lambda: server.heard)
    receiver.close()
    assert server.heard == [("/sample", 2**40, -1)]


def test_a_time_is_sent_to_the_millisecond(server: Server) -> None:
    rows = table('"*.onset" = "osc /at {timestamp} {strength}"')
    sender = sender_of("osc", Delivery("osc", OscReceiver(server.address), new_row()), of_event, rows)
    sender.gesture(event())
    until(lambda: server.heard)
    sender.close()
    assert server.heard == [("/at", event().timestamp, 0.625)]


def test_values_in_their_default_form() -> None:
    assert of_values({"wrist": 1, "grip": -0.5}, 0.0) == OscMessage("/myostream/values", (1.0, -0.5))


def test_a_receiver_that_is_not_there_is_no_trouble() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    row = new_row()
    delivery = Delivery("osc", OscReceiver(address), row)
    sender = sender_of("osc", delivery, of_event)
    for number in range(20):
        sender.gesture(event(id=number))
    until(lambda: row.messages == 39)  # each but the last with its release
    sender.close()
    assert row.failures == 0


def test_a_host_that_there_is_not_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"EMG_OSC=no\.such\.host\.invalid:9000: the host was not found"):
        OscReceiver(("no.such.host.invalid", 9000))


def test_json_is_one_event_a_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        row = new_row()
        carrier = Delivery("udp-json", TextDatagrams(receiver.getsockname()), row)
        rows = table("""\"fist.release" = 'udp-json {"grip": 0, "why": "{reason}"}'""")
        for sent in (
            sender_of("udp-json", carrier, json_of_event),
            sender_of("udp-json", carrier, None, rows),
        ):
            sent.gesture(event())
            sent.rest("gap")
        until(lambda: row.messages == 3)
        carrier.close()
        heard = [receiver.recv(2000) for _ in range(3)]
    assert heard[0].startswith(
        b'{"gesture": "fist", "phase": "onset", "id": 7, "variant": "single", "class": 1'
    )
    assert b'"reason": "gap"' in heard[1]
    assert heard[2] == b'{"grip": 0, "why": "gap"}'
