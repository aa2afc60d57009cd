"""What is looked at before a reload: all that would keep a worker from starting, without opening a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.serving.preflight import complaint


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("EMG_BACKENDS", "onnxruntime")
    return monkeypatch


@pytest.mark.parametrize(
    "settings",
    [{}, {"EMG_MODE": "push"}, {"EMG_MODE": "realtime", "EMG_PORT": "/dev/nobody-has-this"}],
    ids=["simulator", "push", "a device that may come later"],
)
def test_what_a_worker_could_open_is_sound(chosen: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        chosen.setenv(name, value)
    assert complaint(workers=1) is None


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"EMG_MODEL": "nobody"}, "nobody"),
        ({"EMG_MODE": "ninapro", "EMG_RECORDING": "/nowhere/S1.mat"}, "/nowhere/S1.mat"),
        ({"EMG_UDP": "nowhere.invalid:12346"}, "nowhere.invalid"),
        ({"EMG_MODE": "realtime", "EMG_PORT": "/dev/tty", "EMG_BAUD": "9600"}, "9600"),
        ({"EMG_FAULTS": "nonsense"}, "nonsense"),
        ({"EMG_API_KEYS_FILE": "/nowhere/keys"}, "/nowhere/keys"),
    ],
    ids=["model", "recording", "address", "baud rate", "faults", "keys"],
)
def test_what_would_end_a_worker_at_its_start_is_named(
    chosen: pytest.MonkeyPatch, settings: dict[str, str], names: str
) -> None:
    """Only the model was looked at: a reload to a recording that is not there ended the server."""
    for name, value in settings.items():
        chosen.setenv(name, value)
    said = complaint(workers=1)
    assert said is not None
    assert names in said
    assert "\n" not in said


def test_a_certificate_that_was_renewed_badly_is_named(chosen: pytest.MonkeyPatch, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text("half of a certificate", encoding="utf-8")
    for name in ("EMG_TLS_CERT", "EMG_TLS_KEY"):
        chosen.setenv(name, str(both))
    assert f"EMG_TLS_CERT={both}" in str(complaint(workers=1))


def test_several_workers_may_share_pushed_sources(chosen: pytest.MonkeyPatch) -> None:
    chosen.setenv("EMG_MODE", "push")
    assert complaint(workers=2) is None
