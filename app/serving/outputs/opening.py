"""Which ways out the settings ask for, and how each is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.config import EmgMode, Settings
from app.emg.lsl.gesture_outlet import GestureOutlet
from app.emg.lsl.library import load_pylsl
from app.emg.udp_line import UdpLine
from app.inference.manifest import Manifest
from app.serving.counters.output_row import OutputRow
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.outputs import gamepad, keyboard, lsl_gestures, mqtt, osc, udp_json, webhook
from app.serving.outputs.actions.file import NAME, ActionFile
from app.serving.outputs.actions.table import ActionTable
from app.serving.outputs.datagrams import Datagrams
from app.serving.outputs.delivery import Delivery
from app.serving.outputs.event_sender import EventSender
from app.serving.outputs.forms import FORMS, GAMEPAD, KEYBOARD, LSL, MQTT, OSC, UDP_JSON, WEBHOOK
from app.serving.outputs.lsl import LslSender
from app.serving.outputs.raw_lsl import RawLsl
from app.serving.outputs.sender import Sender, SenderGuard
from app.serving.outputs.service import Outputs
from app.serving.outputs.udp import UdpSender
from app.serving.outputs.uinput import load_evdev
from app.serving.outputs.values import ValueLslSender, ValueUdpSender
from app.serving.pipelines.source_pipelines import SourcePipelines

WEBHOOK_STALE_S, WEBHOOK_AGAIN_S = 600.0, 60.0  # a program that keeps a record wants all of it, be it late

Table = Callable[[], ActionTable]
Open = Callable[[Manifest, Table, OutputRow], EventSender[Any]]


def make_outputs(
    settings: Settings,
    own: Manifest | None,
    pipelines: SourcePipelines,
    backend: Callable[[], str],
    worker_group: WorkerGroup,
    metrics: SharedMetrics,
    stopping: Callable[[], bool] = bool,
) -> Outputs | None:
    """Return the ways out that the settings ask for; None where they ask for none.

    `own` is the server's own model.

    Raises:
        ConfigError: a package is not there, a host has no address, or a webhook may not go where it should.
    """
    ways = [
        SenderGuard(name, opens, worker_group.try_lock, metrics.output(name))
        for name, opens in _of_frames(settings).items()
    ]
    rate_hz = _rate_of(pipelines)
    of_events = _of_events(settings, rate_hz)
    actions = ActionFile(settings.instance / NAME, FORMS) if of_events else None
    if actions is not None:
        actions.look()
        for name, opens in of_events.items():
            guarded = _opener(name, opens, actions, metrics)
            row = metrics.output(name)
            ways.append(SenderGuard(name, guarded, worker_group.try_lock, row, counts_frames=False))
    if not ways:
        return None
    scattered = worker_group.workers > 1 and settings.emg_mode is EmgMode.PUSH
    return Outputs(ways, pipelines, backend, own, actions=actions, stopping=stopping, scattered=scattered)


def make_raw_lsl(settings: Settings, pipelines: SourcePipelines, worker_group: WorkerGroup) -> RawLsl | None:
    """Return what sends the signal of a source that no model reads, where EMG_LSL_OUTLET asks for LSL.

    Raises:
        ConfigError: pylsl is not there.
    """
    if not settings.lsl_outlet:
        return None
    load_pylsl()
    return RawLsl(f"myostream:{settings.bind}", pipelines, worker_group.try_lock)


def _of_frames(settings: Settings) -> dict[str, Callable[[Manifest], Sender]]:
    """Return what sends every frame."""
    senders: dict[str, Callable[[Manifest], Sender]] = {}
    if settings.lsl_outlet:
        load_pylsl()
        senders["lsl"] = lambda model: (ValueLslSender if model.gives_values else LslSender)(settings, model)
    if settings.udp is not None:
        address = settings.udp
        UdpLine(*address).close()
        senders["udp"] = lambda model: (ValueUdpSender if model.gives_values else UdpSender)(address, model)
    return senders


def _of_events(settings: Settings, rate_hz: Callable[[], float | None]) -> dict[str, Open]:
    """Return what sends gestures, each after a look whether it can be at all."""
    ways: dict[str, Open] = {}
    if settings.lsl_outlet:
        ways["lsl-gestures"] = lambda *given: _lsl(settings, rate_hz, *given)
    if (osc_address := settings.osc) is not None:
        osc.load_osc()
        Datagrams("EMG_OSC", *osc_address).close()
        ways[OSC] = lambda *given: _osc(osc_address, *given)
    if settings.mqtt is not None:
        mqtt.load_mqtt()
        ways[MQTT] = lambda *given: _mqtt(settings, *given)
    if (json_address := settings.udp_json) is not None:
        Datagrams("EMG_UDP_JSON", *json_address).close()
        ways[UDP_JSON] = lambda *given: _udp_json(json_address, *given)
    if settings.webhook is not None:
        webhook.expect_allowed(settings.webhook, private=settings.webhook_private)
        ways[WEBHOOK] = lambda *given: _webhook(settings, *given)
    if settings.keyboard:
        load_evdev("EMG_KEYBOARD")
        ways[KEYBOARD] = _keyboard
    if settings.gamepad:
        load_evdev("EMG_GAMEPAD")
        ways[GAMEPAD] = _gamepad
    return ways


def _opener(
    name: str, opens: Open, actions: ActionFile, metrics: SharedMetrics
) -> Callable[[Manifest], Sender]:
    def opened(manifest: Manifest) -> Sender:
        sender = opens(manifest, lambda: actions.table, metrics.output(name))
        sender.release_orphans(metrics.output_rows(name))
        return sender

    return opened


def _osc(address: tuple[str, int], manifest: Manifest, table: Table, row: OutputRow) -> EventSender[Any]:
    carrier = Delivery(OSC, osc.OscReceiver(address), row)
    return EventSender(OSC, manifest, table, carrier, row, osc.of_event, osc.of_values)


def _udp_json(address: tuple[str, int], manifest: Manifest, table: Table, row: OutputRow) -> EventSender[Any]:
    carrier = Delivery(UDP_JSON, udp_json.TextDatagrams(address), row)
    return EventSender(UDP_JSON, manifest, table, carrier, row, udp_json.of_event, udp_json.of_values)


def _mqtt(settings: Settings, manifest: Manifest, table: Table, row: OutputRow) -> EventSender[Any]:
    assert settings.mqtt is not None
    broker, default = mqtt.MqttBroker(settings.mqtt), mqtt.MqttForms(settings.mqtt.prefix)
    carrier = Delivery(MQTT, broker, row)
    broker.start(carrier.well, carrier.troubled)
    return EventSender(MQTT, manifest, table, carrier, row, default.of_event, default.of_values)


def _webhook(settings: Settings, manifest: Manifest, table: Table, row: OutputRow) -> EventSender[Any]:
    assert settings.webhook is not None
    assert settings.webhook_secret is not None
    receiver = webhook.WebhookReceiver(
        settings.webhook, settings.webhook_secret, private=settings.webhook_private
    )
    carrier = Delivery(
        WEBHOOK, receiver, row, stale_s=WEBHOOK_STALE_S, again_max_s=WEBHOOK_AGAIN_S, keep_s=WEBHOOK_STALE_S
    )
    return EventSender(WEBHOOK, manifest, table, carrier, row, webhook.of_event)


def _lsl(
    settings: Settings,
    rate_hz: Callable[[], float | None],
    manifest: Manifest,
    table: Table,
    row: OutputRow,
) -> EventSender[Any]:
    carrier = lsl_gestures.GestureMarkers(GestureOutlet(f"myostream:{settings.bind}"), rate_hz, row)
    return EventSender(LSL, manifest, table, carrier, row, lsl_gestures.of_event)


def _keyboard(manifest: Manifest, table: Table, row: OutputRow) -> EventSender[Any]:
    return EventSender(KEYBOARD, manifest, table, keyboard.Keyboard(row), row, keyboard.of_event)


def _gamepad(manifest: Manifest, table: Table, row: OutputRow) -> EventSender[Any]:
    return EventSender(GAMEPAD, manifest, table, gamepad.Gamepad(row), row, gamepad.of_event)


def _rate_of(pipelines: SourcePipelines) -> Callable[[], float | None]:
    def rate_hz() -> float | None:
        pipeline = pipelines.default
        return None if pipeline is None else float(pipeline.acquisition.source.sampling_rate)

    return rate_hz
