from __future__ import annotations

import json
import logging
import re
import socket

import pytest

from app.emg.udp_line import UdpLine, change_line, line, value_line
from app.errors import ConfigError


@pytest.mark.parametrize(
    ("decision", "intensity", "text"),
    [(3, 0.714, b"3 0.71\n"), (0, 0.0, b"0 0.00\n"), (12, 1.7, b"12 1.00\n"), (1, -0.2, b"1 0.00\n")],
)
def test_the_line_is_the_class_and_the_velocity(decision: int, intensity: float, text: bytes) -> None:
    assert line(decision, intensity) == text


def test_libemgs_controller_reads_it() -> None:
    """As its ClassifierController with output_format "predictions" takes it apart."""
    words = line(4, 0.5).decode().split(" ")
    assert (float(words[0]), float(words[1])) == (4.0, 0.5)


def test_libemgs_controller_of_a_regressor_reads_values() -> None:
    """As its RegressorController does: every number but the last, which is the time."""
    text = value_line([0.5, -12.25, 1e-7, 123456.5], 1764000000.25)
    numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", text.decode())]

    assert text.endswith(b"\n")
    assert numbers == [0.5, -12.25, 1e-7, 123456.5, 1764000000.25]


def test_who_splits_at_blanks_takes_a_change_of_the_model_for_its_rest() -> None:
    text = change_line(2, "anna", ("fist", "a b", "rest"))
    words = text.decode().split(" ")
    assert (float(words[0]), float(words[1])) == (2.0, 0.0)
    assert json.loads(text.split(b" ", 2)[2]) == {"model": "anna", "classes": ["fist", "a b", "rest"]}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_lines_arrive_one_a_datagram(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.getaddrinfo(host, 0)[0][0]
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind((host, 0))
        receiver.settimeout(5.0)
        sender = UdpLine(host, receiver.getsockname()[1])
        sender.send(2, 0.25)
        sender.send(0, 0.0)
        assert [receiver.recv(100), receiver.recv(100)] == [b"2 0.25\n", b"0 0.00\n"]
        sender.close()


def test_a_receiver_that_is_not_there_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sender = UdpLine("127.0.0.1", port)
    for _ in range(50):
        sender.send(1, 1.0)
    sender.close()
    assert caplog.text == ""


def test_what_cannot_be_sent_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    sender = UdpLine("127.0.0.1", 9)
    sender.close()
    with caplog.at_level(logging.WARNING):
        sender.send(1, 1.0)
        sender.send(1, 1.0)
    assert len(caplog.records) == 1


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"EMG_UDP=no\.such\.host\.invalid:12346: the host was not found"):
        UdpLine("no.such.host.invalid", 12346)
