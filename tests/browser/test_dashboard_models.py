"""The dashboard and the models of a source: shown, chosen, changed under a running stream, and gone back from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.browser.dashboards import DESKTOP, MARKS, PHONE, Dashboard
from tests.browser.test_dashboard_accessibility import violations
from tests.clients.cutting_proxy import CuttingProxy
from tests.server.fewer_classes import SHIPPED, fewer
from tests.server.live import Live, until
from tests.server.own_project import project, serving

pytestmark = MARKS
FEW = ("rest", "fist", "open_hand", "flexion")
CALLED = ("relax", "grasp", "spread", "bend")
SOURCE = "simulator"
NAMES = "[...document.querySelectorAll('#confidence .name')].map((one) => one.textContent)"
RUNS = "dashboard.signal.ribbon.rows.decision.runs"
LABELS = f"{RUNS}.map(({{ label, kind }}) => `${{label}} ${{kind ?? ''}}`.trim())"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The simulator, its own model of seven gestures, one of four of them, and the same under other names."""
    root = project(tmp_path_factory.mktemp("models"))
    models = root / "instance" / "models"
    fewer(models, "few", FEW)
    fewer(models, "renamed", FEW, called=CALLED)
    with serving(root, EMG_MAINS="off") as live:
        yield live


@pytest.fixture
def server(live: Live) -> Live:
    """As it was started."""
    live.at_rest()
    while asked(live, "GET", "")["models_before"]:
        asked(live, "DELETE", "/model")
    until(lambda: asked(live, "GET", "")["model"] == SHIPPED)
    return live


@pytest.fixture
def dashboard(browser: Any, server: Live) -> Iterator[Dashboard]:
    dashboard = Dashboard(browser, server.url)
    yield dashboard
    dashboard.page.context.close()


def said(url: str, method: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, data, headers, method=method)) as answer:
        return json.load(answer)


def asked(live: Live, method: str, path: str, body: Any = None) -> Any:
    return said(f"{live.url}/emg/sources/{SOURCE}{path}", method, body)


def use(live: Live, model: str | None) -> None:
    asked(live, "PUT", "/model", {"model": model})


def choose(dashboard: Dashboard, name: str) -> None:
    page = dashboard.page
    page.get_by_role("button", name="Choose", exact=True).click()
    dashboard.reads("#models-said", "Streams of the source simulator go on")
    page.locator("#models-list button", has=page.get_by_text(name, exact=True)).click()


def names(dashboard: Dashboard) -> list[str]:
    found: list[str] = dashboard.page.evaluate(NAMES)
    return found


def frames_of(dashboard: Dashboard, classes: int) -> None:
    """Wait for some frames of a model of so many classes."""
    dashboard.until(f"dashboard.scores.classes.length === {classes} && dashboard.scores.frames > 20")


def test_another_model_is_chosen_under_a_running_stream_and_gone_back_from(dashboard: Dashboard) -> None:
    dashboard.open().live()
    frames_of(dashboard, 7)
    dashboard.reads("#model-name", SHIPPED).reads("#model-about", "Version 2.0.0").reads(
        "#model-about", "7 classes"
    )
    assert dashboard.page.get_by_role("button", name="Back", exact=True).is_disabled()
    dashboard.page.evaluate("window.stillHere = true")
    choose(dashboard, "few")
    dashboard.reads("#model-name", "few").reads("#model-said", "few reads the source simulator from sample")
    frames_of(dashboard, 4)
    assert names(dashboard) == ["rest", "fist", "open hand", "flexion"]
    assert dashboard.page.locator("#matrix tbody tr").count() == 4
    dashboard.reads("#accuracy-since", "since the model changed").reads("#about", "few")
    dashboard.reads("#log-entries", "read by few from sample").reads("#model-about", "Version 1.2.0")
    dashboard.until("dashboard.scores.accuracy > 0")
    dashboard.keep("model-few")
    back = dashboard.page.get_by_role("button", name=f"Back to {SHIPPED}")
    back.focus()
    dashboard.page.keyboard.press("Enter")
    frames_of(dashboard, 7)
    dashboard.reads("#model-name", SHIPPED)
    dashboard.until(
        "document.activeElement.id === 'model-open'"
    )  # the other is off, and must not take the focus along
    assert dashboard.page.evaluate("window.stillHere")
    assert "stream asked for" not in dashboard.text("#log-entries").split("read by")[0]
    assert dashboard.complaints == []


def test_what_the_model_before_said_stays_as_it_was(dashboard: Dashboard, server: Live) -> None:
    """Rest is relax to the new one: the old one's stays rest, a thin line, in the same strip."""
    dashboard.open().live().until(f"{RUNS}.some((run) => run.kind) && {RUNS}.some((run) => !run.kind)", 60)
    use(server, "renamed")
    frames_of(dashboard, 4)
    dashboard.until(f"{RUNS}.some(({{ label }}) => ['grasp', 'spread', 'bend'].includes(label))", 60)
    labels = dashboard.page.evaluate(LABELS)
    assert "rest rest" in labels
    assert any(
        one in labels for one in ("fist", "open_hand", "flexion", "extension", "pronation", "supination")
    )
    assert not set(labels) & {"relax", "rest"}, labels  # each is rest to its model
    dashboard.keep("model-strip")


def test_no_model_any_more_leaves_the_signal_and_the_way_back(dashboard: Dashboard, server: Live) -> None:
    dashboard.open().live()
    frames_of(dashboard, 7)
    choose(dashboard, "No model")
    dashboard.reads("#model-name", "No model").reads("#gesture-title", "No model reads this source.")
    dashboard.until("dashboard.frame.prediction === undefined")
    for selector in ("#decision", ".accuracy", ".distribution"):
        assert not dashboard.page.locator(selector).is_visible(), selector
    newest = dashboard.page.evaluate("dashboard.signal.waveform.ring.newest")
    dashboard.until(f"dashboard.signal.waveform.ring.newest > {newest} + 1000")
    dashboard.keep("model-none")
    dashboard.page.get_by_role("button", name=f"Back to {SHIPPED}").click()
    frames_of(dashboard, 7)
    assert dashboard.page.locator("#decision").is_visible()
    assert dashboard.complaints == []


def test_a_tab_that_opens_later_and_one_that_comes_back_know_the_model_of_now(
    browser: Any, server: Live
) -> None:
    """The second tab joins the stream of the first in its worker; the server's /health has the model of the start."""
    context = browser.new_context()
    first = Dashboard(browser, server.url, context=context).open().live()
    use(server, "renamed")
    frames_of(first, 4)
    second = Dashboard(browser, server.url, context=context).open().live()
    frames_of(second, 4)
    assert server.stats()["active_streams"] == 1
    assert [names(one) for one in (first, second)] == [list(CALLED)] * 2
    second.page.get_by_role("button", name="Stop", exact=True).click()
    first.page.get_by_role("button", name="Stop", exact=True).click()
    use(server, "few")
    until(lambda: asked(server, "GET", "")["model"] == "few")
    first.reads("#model-name", "few").start()
    frames_of(first, 4)
    assert names(first) == ["rest", "fist", "open hand", "flexion"]
    context.close()


def test_a_swap_while_the_connection_is_cut_is_known_after_it(browser: Any, server: Live) -> None:
    """The stream is told again; by it alone, as the poll is kept from saying anything."""
    with CuttingProxy(server.port) as proxy:
        dashboard = Dashboard(browser, proxy.url).alone().open().live()
        frames_of(dashboard, 7)
        dashboard.page.route("**/emg/sources", lambda route: route.abort())
        proxy.refuses = True
        proxy.cut()
        dashboard.reads("#status-text", "Reconnecting")
        use(server, "renamed")
        proxy.refuses = False
        dashboard.reads("#status-text", "Live")
        frames_of(dashboard, 4)
        assert names(dashboard) == list(CALLED)
        dashboard.page.context.close()


def test_an_event_source_that_reconnects_gets_the_model_again(page: Any, server: Live) -> None:
    """The browser's own EventSource, cut by it, with the Last-Event-ID that it keeps."""
    page.goto(f"{server.url}/docs")
    page.evaluate(
        """async () => {
            window.events = [];
            const { eventSource } = await import("/static/client.js");
            class Cut extends EventSource { constructor(url) { super(url); window.open_ = this; } }
            const call = { options: { fps: 10 }, firstDelayMs: 10, EventSource: Cut };
            window.stream = eventSource({ ...call, onEvent: (event) => events.push(event) });
        }"""
    )
    wait(page, "events.length > 3")
    use(server, "few")
    wait(page, "events.some(({ status }) => status === 'model')")
    page.evaluate("open_.close(); open_.onerror(); window.before = events.length")
    wait(page, "events.slice(before).some(({ probabilities }) => probabilities)")
    told = page.evaluate("events.slice(before)")
    first = next(n for n, event in enumerate(told) if "probabilities" in event)
    # the other worker may be some milliseconds behind: it says which model it has, and then the change
    assert {event["status"] for event in told[:first]} == {"model"}
    assert (told[first - 1]["model"], told[first - 1]["classes"]) == ("few", list(FEW))
    assert len(told[first]["probabilities"]) == len(FEW)
    page.evaluate("stream.close()")


def wait(page: Any, expression: str) -> None:
    until(lambda: page.evaluate(expression), every_s=0.05)


HELD = {
    409: "another change of a model is under way; try again",
    422: "the source has 16 channels and the model few reads 8",
    503: "another worker cannot use the model few: its folder is damaged",
}


@pytest.mark.parametrize("status", list(HELD))
def test_while_it_is_opened_that_is_said_and_then_why_not(dashboard: Dashboard, status: int) -> None:
    """By a server of the test's own: it waits, and refuses."""
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    dashboard.page.route("**/emg/sources/simulator/model", hold)
    dashboard.open()
    choose(dashboard, "few")
    dashboard.reads("#models-said", "Opening few: it is tried out before it serves.")
    until(lambda: held or dashboard.page.wait_for_timeout(20))
    assert (held[0].request.method, held[0].request.post_data_json) == ("PUT", {"model": "few"})
    held[0].fulfill(status=status, json={"status": status, "detail": HELD[status]})
    dashboard.reads("#models-error", f"Nothing has changed: {HELD[status]}")
    dashboard.reads("#model-name", SHIPPED)
    assert violations(dashboard) == []


def test_a_profile_is_chosen_and_gone_back_from(dashboard: Dashboard, server: Live) -> None:
    profile = {"person": "S01", "model": "few", "decision": {"votes": 3}, "notes": "left forearm"}
    said(f"{server.url}/profiles/anna", "PUT", profile)
    dashboard.open().live()
    frames_of(dashboard, 7)
    choose(dashboard, "anna")
    frames_of(dashboard, 4)
    dashboard.reads("#model-about", "with the profile anna").reads("#model-name", "few")
    choose(dashboard, SHIPPED)
    frames_of(dashboard, 7)
    dashboard.page.get_by_role("button", name="Back to anna").click()
    frames_of(dashboard, 4)
    dashboard.page.get_by_role("button", name="Choose", exact=True).click()
    dashboard.reads("#models-list", "of S01 · model few · votes 3 · left forearm · in use")
    assert violations(dashboard) == []
    dashboard.keep("model-profile")


def test_a_model_that_does_not_fit_is_listed_with_the_reason_and_cannot_be_chosen(
    dashboard: Dashboard,
) -> None:
    dashboard.open().page.get_by_role("button", name="Choose", exact=True).click()
    dashboard.reads("#models-list", "1 more, which cannot be used here")
    dashboard.page.locator("#models-list summary").click()
    dashboard.reads("#models-list", "myo-8ch-200hz").reads("#models-list", "16 channels")
    buttons = dashboard.page.locator("#models-list button")
    assert [one.split("\n")[0] for one in buttons.all_inner_texts()][-4:] == [
        "few",
        "renamed",
        SHIPPED,
        "No model",
    ]
    assert dashboard.page.locator("#models-list [aria-current]").inner_text().startswith(SHIPPED)


def test_a_key_that_may_only_read_sees_the_model_and_why_the_buttons_are_off(dashboard: Dashboard) -> None:
    def answer(route: Any) -> None:
        answered = route.fetch()
        route.fulfill(response=answered, headers={**answered.headers, "X-API-Key-Scopes": "read"})

    for path in ("health", "emg/sources", "models/*", "infer/stream/stats", "emg/quality*", "emg/recordings"):
        dashboard.page.route(f"**/{path}", answer)
    dashboard.open().reads("#model-name", SHIPPED)
    dashboard.reads("#model-needs", "To choose the model takes a key with the scope control.")
    for name in ("Choose", "Back"):
        button = dashboard.page.get_by_role("button", name=name, exact=True)
        until(
            button.is_disabled
        )  # the last answer from before the key is known may come after the first with it
    assert violations(dashboard) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_panel_and_dialog_have_no_violations(
    browser: Any, server: Live, scheme: str, viewport: dict[str, int]
) -> None:
    dashboard = Dashboard(browser, server.url, color_scheme=scheme, viewport=viewport)
    use(server, "renamed")
    dashboard.open().live()
    frames_of(dashboard, 4)
    assert violations(dashboard) == []
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    dashboard.page.get_by_role("button", name="Choose", exact=True).click()
    dashboard.reads("#models-list", "No model")
    dashboard.page.locator("#models-list summary").click()
    assert violations(dashboard) == []
    dashboard.keep(f"models-{scheme}-{viewport['width']}")
    dashboard.page.context.close()
