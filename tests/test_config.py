from __future__ import annotations

from pathlib import Path

import pytest

from app.config import ROOT, EmgMode, Settings, expect_alone, refuse_open_door
from app.errors import ConfigError
from app.fleet_address import parse_address


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
        ("EMG_OIP_URL", "triton:8000", "such as http://triton:8000"),
        ("EMG_OIP_URL", "grpc://triton:8001", "such as http://triton:8000"),
        ("EMG_OIP_URL", "http://", "such as http://triton:8000"),
        ("EMG_OIP_URL", "http://triton:99999", "such as http://triton:8000"),
        ("EMG_OIP_URL", "http://triton:0", "such as http://triton:8000"),
        ("EMG_OIP_URL", "http://triton:8000/?model=a", "without user and query"),
        ("EMG_OIP_URL", "http://[::1", "such as http://triton:8000"),
        ("EMG_OIP_TIMEOUT", "0", "seconds above 0"),
        ("EMG_LOG_LEVEL", "loud", "warning"),
        ("EMG_MAX_BODY", "0", "above 0"),
        ("EMG_SPEED", "0", "max"),
        ("EMG_LOOP", "perhaps", "1 or 0"),
        ("EMG_BAUD", "fast", "921600"),
        ("EMG_FORMAT", "json", "csv or binary"),
        ("EMG_USB", "arduino", "2341:0043"),
        ("EMG_SCALE", "-1", "above 0"),
        ("EMG_LSL", "EMG", "type=..."),
        ("EMG_UDP", "localhost", "host:port"),
        ("EMG_MAX_SOURCES", "0", "above 0"),
        ("EMG_SOURCE_IDLE", "never", "seconds"),
        ("EMG_PROFILE", "../anna", "letters"),
        ("EMG_MAX_MODELS", "0", "above 0"),
        ("EMG_DRAIN", "-1", "seconds from 0 to 600"),
        ("EMG_DRAIN", "nan", "seconds from 0 to 600"),
        ("EMG_DRAIN", "601", "seconds from 0 to 600"),
        ("EMG_BIND", "localhost", "host:port"),
        ("EMG_BIND", "127.0.0.1:99999", "host:port"),
        ("WEB_CONCURRENCY", "0", "above 0"),
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("redis//:hushhush@lab:6379/0", "***@lab:6379/0"),
        ("http://lab:hush@hush@lab:6379/0", "http://***@lab:6379/0"),
        ("redis://:hush/hush@lab/0", "redis://***@lab/0"),
        ("redis//lab:6379?password=hushhush&db=1", "redis//lab:6379?password=***&db=1"),
    ],
    ids=["no scheme", "another scheme", "unquoted", "in the query"],
)
def test_a_mistyped_url_is_named_without_its_password(
    value: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line goes to the journal, and the password went with it."""
    monkeypatch.setenv("EMG_REDIS_URL", value)
    with pytest.raises(ConfigError) as error:
        Settings.from_env(dotenv=None)
    assert f"EMG_REDIS_URL='{shown}'" in str(error.value)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        "redis://lab/abc",
        "redis://lab/-3",
        "redis://lab/0/1",
        "redis://lab?db=x",
        "redis://lab/0?foo=bar",
        "redis://lab/0?socket_timeout=60",
        "redis://lab/0?foo",
        "unix:///run/redis.sock?db=",
    ],
)
def test_a_url_of_redis_that_its_client_would_take_for_another_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/abc` was database 0, and a mistyped option ended every thread of the bus with a traceback."""
    monkeypatch.setenv("EMG_REDIS_URL", value)
    with pytest.raises(ConfigError, match="EMG_REDIS_URL"):
        Settings.from_env(dotenv=None)


@pytest.mark.parametrize(
    "value",
    [
        "redis://lab",
        "redis://lab/",
        "redis://:se%2Fcret@[::1]:6390/3",
        "rediss://lab:6380/0?ssl_ca_certs=/etc/redis/ca.pem&ssl_cert_reqs=required",
        "unix:///run/redis.sock?db=2",
        "unix://ada:secret@/run/redis.sock",
    ],
)
def test_urls_of_redis_are_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_REDIS_URL", value)
    assert Settings.from_env(dotenv=None).redis_url == value


def test_the_address_of_a_fleet_that_has_a_password_is_named_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMG_OIP_URL", "http://lab:hush@triton:8000")
    with pytest.raises(ConfigError, match="without user and query") as error:
        Settings.from_env(dotenv=None)
    assert "hush" not in str(error.value)


def test_a_header_for_the_fleet_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_OIP_HEADER", "hush hush")
    with pytest.raises(ConfigError, match="EMG_OIP_HEADER='\\*\\*\\*' is not allowed: a header"):
        Settings.from_env(dotenv=None)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EMG_BACKENDS", "remote,onnxruntime", "EMG_BACKENDS names remote, and EMG_OIP_URL is empty"),
        ("EMG_OIP_URL", "http://triton:8000", "EMG_OIP_URL is set, and EMG_BACKENDS=tensorrt,"),
        ("EMG_OIP_HEADER", "X-API-Key: 1", "EMG_OIP_HEADER is set, and EMG_BACKENDS="),
    ],
)
def test_a_fleet_is_both_named_and_asked_or_neither(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as error:
        Settings.from_env(dotenv=None)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("url", "means"),
    [
        ("http://triton", "http://triton:80"),
        ("https://models.example", "https://models.example:443"),
        ("http://triton:8000/", "http://triton:8000"),
        ("http://gate:8080/serving/lab/v2/", "http://gate:8080/serving/lab"),
        ("http://[::1]:8000/v2", "http://[::1]:8000"),
    ],
)
def test_the_address_of_a_fleet_may_have_a_path_in_front_of_v2(url: str, means: str) -> None:
    assert str(parse_address(url)) == means


@pytest.mark.parametrize(
    ("mode", "needs"),
    [
        ("ninapro", "EMG_RECORDING"),
        ("realtime", "EMG_PORT"),
        ("lsl", "EMG_LSL"),
        ("brainflow", "EMG_BOARD"),
        ("otb", "EMG_OTB"),
    ],
)
def test_a_mode_without_what_it_reads_says_what_to_name(
    mode: str, needs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMG_MODE", mode)
    with pytest.raises(ConfigError, match=f"{needs} is empty, but EMG_MODE={mode} needs it: name a"):
        Settings.from_env(dotenv=None)


def test_a_speed_can_be_as_fast_as_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_SPEED", "max")
    assert Settings.from_env(dotenv=None).speed is None


def test_a_usb_id_stands_in_for_a_port() -> None:
    assert Settings(emg_mode=EmgMode.REALTIME, usb="2341:0043").port is None


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


def test_a_proxy_lets_others_in_so_it_needs_keys_or_an_explicit_yes() -> None:
    """On loopback the start took it for private, though the proxy opened it to the network."""
    with pytest.raises(ConfigError, match=r"EMG_TRUSTED_PROXIES=127\.0\.0\.1,unix .* EMG_ALLOW_ANONYMOUS=1"):
        Settings(trusted_proxies=("127.0.0.1", "unix"))
    Settings(trusted_proxies=("127.0.0.1",), allow_anonymous=True)
    Settings(trusted_proxies=("127.0.0.1",), api_keys_file=Path("keys"))


def test_several_workers_share_sources_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    expect_alone(workers=2)
    monkeypatch.setattr("app.config.sys.platform", "darwin")
    expect_alone(workers=1)
    with pytest.raises(ConfigError, match=r"WEB_CONCURRENCY=2: .* on Linux only"):
        expect_alone(workers=2)


def test_a_misspelt_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None, tmp_path: Path
) -> None:
    """It was logged, and what it was meant to do was silently not done."""
    monkeypatch.setenv("EMG_RECORDNG", "a.npz")
    with pytest.raises(ConfigError, match=r"EMG_RECORDNG is not a setting; did you mean EMG_RECORDING\?"):
        Settings.from_env(dotenv=None)
    monkeypatch.delenv("EMG_RECORDNG")
    (tmp_path / ".env").write_text("# keys\nemg_api_keys_file=keys\n")
    with pytest.raises(
        ConfigError, match=r"emg_api_keys_file is not a setting; did you mean EMG_API_KEYS_FILE\?"
    ):
        Settings.from_env(tmp_path / ".env")


def test_the_key_of_our_clients_may_stand_in_the_shell_and_not_in_dotenv(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMG_API_KEY", "secret")
    Settings.from_env(dotenv=None)
    (tmp_path / ".env").write_text("EMG_API_KEY=secret\n")
    with pytest.raises(ConfigError, match=r"EMG_API_KEY is not a setting; did you mean EMG_API_KEYS\?"):
        Settings.from_env(tmp_path / ".env")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\ufeffEMG_API_KEYS_FILE=keys\n".encode(), r"ufeffEMG_API_KEYS_FILE'.*cannot be seen"),
        ("EMG_MODEL=x\n\u200bEMG_API_KEYS_FILE=keys\n".encode(), r"u200bEMG_API_KEYS_FILE'.*cannot be seen"),
        ("# f\u00fcr alle\nEMG_MODEL=x\n".encode("latin-1"), "line 1: is not UTF-8"),
        ("EMG_MODEL=x\n".encode("utf-16"), "line 1: is not UTF-8"),
    ],
    ids=["a mark", "zero width", "latin-1", "utf-16"],
)
def test_a_dotenv_that_would_silently_not_count_stops_the_start(
    content: bytes, said: str, clean_environment: None, tmp_path: Path
) -> None:
    """With a byte-order mark before EMG_API_KEYS_FILE the server was open without a key, and nothing was logged."""
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ConfigError, match=said) as error:
        Settings.from_env(tmp_path / ".env")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("mode", ["brainflow", "mindrove"])
def test_a_boards_parameters_are_for_boards(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_BOARD_PARAMS", "ip_address=192.168.4.1")
    with pytest.raises(
        ConfigError, match="is for EMG_MODE=brainflow or mindrove only, but EMG_MODE is dummy"
    ):
        Settings.from_env(dotenv=None)
    monkeypatch.setenv("EMG_MODE", mode)
    monkeypatch.setenv("EMG_BOARD", "synthetic")
    assert Settings.from_env(dotenv=None).board_params == "ip_address=192.168.4.1"


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("0.0.0.0", ("0.0.0.0", 0)),
        ("192.168.1.7:5000", ("192.168.1.7", 5000)),
        ("[::1]:5000", ("::1", 5000)),
        ("::", ("::", 0)),
    ],
)
def test_a_probe_dials_in_at_an_address(
    text: str, bind: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMG_MODE", "otb")
    monkeypatch.setenv("EMG_OTB", "muovi+")
    monkeypatch.setenv("EMG_OTB_BIND", text)
    assert Settings.from_env(dotenv=None).otb_bind == bind


@pytest.mark.parametrize("text", ["localhost", "1.2.3.4:0", "1.2.3.4:x", ":54321"])
def test_and_at_nothing_else(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_OTB_BIND", text)
    with pytest.raises(ConfigError, match=r"EMG_OTB_BIND=.* is not allowed: an address"):
        Settings.from_env(dotenv=None)


def test_the_folder_of_a_setting_is_made_for_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMG_INSTANCE", str(tmp_path / "var" / "myostream"))
    settings = Settings.from_env(dotenv=None)

    made = settings.expect_instance()

    assert made == [tmp_path / "var" / "myostream", tmp_path / "var"]
    assert [one.stat().st_mode & 0o777 for one in made] == [0o700, 0o700]
    assert settings.expect_instance() == []


def test_a_relative_folder_stays_the_same_one_wherever_a_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMG_INSTANCE", "data")
    assert Settings.from_env(dotenv=None).instance == tmp_path / "data"


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for path, why in (("file", "it is not a folder"), ("file/below", "Not a directory")):
        with pytest.raises(ConfigError, match=f"^EMG_INSTANCE={tmp_path / path} cannot be made: {why}$"):
            Settings(instance=tmp_path / path).expect_instance()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ConfigError, match=f"^EMG_INSTANCE={tmp_path} cannot be written by this user"):
        Settings(instance=tmp_path).expect_instance()


def test_a_folder_of_a_user_who_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was a traceback, for every setting that is a path."""
    for name in ("EMG_INSTANCE", "EMG_TLS_CERT"):
        monkeypatch.setenv(name, "~nobody-of-that-name/x")
        with pytest.raises(ConfigError, match=name):
            Settings.from_env(dotenv=None)
        monkeypatch.delenv(name)


def test_models_are_looked_for_in_the_instance_and_then_beside_the_code(tmp_path: Path) -> None:
    assert Settings(instance=tmp_path).model_folders == (tmp_path / "models", ROOT / "instance" / "models")
    (tmp_path / "link").symlink_to(ROOT / "instance")
    assert Settings().model_folders == (ROOT / "instance" / "models",)
    assert Settings(instance=tmp_path / "link").model_folders == (tmp_path / "link" / "models",)


def test_a_profile_is_of_the_servers_own_source() -> None:
    assert Settings(profile="anna").profile == "anna"
    with pytest.raises(
        ConfigError, match=r"EMG_PROFILE=anna is of the server's own source, .* EMG_MODE=push"
    ):
        Settings(profile="anna", emg_mode=EmgMode.PUSH)
