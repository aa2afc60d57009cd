from __future__ import annotations

from pathlib import Path

import pytest

from app.config import EmgMode, Settings, misspelt, refuse_open_door
from app.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_settings_from_outside(clean_environment: None) -> None: ...


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    assert Settings.from_env(dotenv=None) == Settings()


def test_the_environment_wins_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("EMG_LOG_LEVEL=debug\nEMG_MAX_STREAMS=5\n")
    monkeypatch.setenv("EMG_LOG_LEVEL", "error")
    settings = Settings.from_env(dotenv)
    assert (settings.log_level, settings.max_streams) == ("error", 5)


def test_an_empty_value_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_CH", "")
    assert Settings.from_env(dotenv=None).channels is None


def test_mains_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_MAINS", "off")
    assert Settings.from_env(dotenv=None).mains_hz is None


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("EMG_MODE", "realtim", "dummy"),
        ("EMG_WIN", "-5", "above 0"),
        ("EMG_WIN", "200.5", "whole number"),
        ("EMG_CH", "zero", "whole number"),
        ("EMG_FS", "nan", "above 0"),
        ("EMG_FS", "inf", "above 0"),
        ("EMG_MAINS", "55", "50, 60 or off"),
        ("EMG_BACKENDS", "pytorch,tpu", "pytorch"),
        ("EMG_BACKENDS", "pytorch,pytorch", "pytorch"),
        ("EMG_LOG_LEVEL", "loud", "warning"),
        ("EMG_MAX_BODY", "0", "above 0"),
        ("EMG_BIND", "localhost", "host:port"),
        ("EMG_BIND", "127.0.0.1:99999", "host:port"),
        ("WEB_CONCURRENCY", "2", "1"),
    ],
)
def test_a_wrong_value_is_one_line_with_name_value_and_what_is_allowed(
    name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as error:
        Settings.from_env(dotenv=None)
    message = str(error.value)
    assert name in message
    assert value in message
    assert allowed in message
    assert "\n" not in message


def test_ninapro_mode_without_a_recording_says_what_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_MODE", "ninapro")
    with pytest.raises(ConfigError, match="EMG_RECORDING is empty"):
        Settings.from_env(dotenv=None)


def test_a_recording_in_another_mode_is_a_contradiction_that_names_both() -> None:
    with pytest.raises(ConfigError, match=r"EMG_RECORDING=a\.npz .* EMG_MODE is dummy"):
        Settings(emg_mode=EmgMode.DUMMY, recording=Path("a.npz"))


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:8000", "127.1.2.3:1", "[::1]:8000", "localhost:80", "unix:/run/m.sock"]
)
def test_loopback_needs_no_key(bind: str) -> None:
    refuse_open_door(bind, allow_anonymous=False)


@pytest.mark.parametrize("bind", ["0.0.0.0:8000", "[::]:8000", "192.168.1.5:8000", "example.org:80", ":8000"])
def test_a_wider_bind_needs_an_explicit_yes(bind: str) -> None:
    with pytest.raises(ConfigError, match="EMG_ALLOW_ANONYMOUS=1"):
        refuse_open_door(bind, allow_anonymous=False)
    refuse_open_door(bind, allow_anonymous=True)


def test_a_misspelt_setting_is_noticed() -> None:
    assert misspelt(["EMG_RECORDNG", "EMG_MODEL", "PATH"]) == [
        "EMG_RECORDNG is not a setting; did you mean EMG_RECORDING?"
    ]
