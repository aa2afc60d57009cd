"""What the dashboard costs a browser: frames drawn, long tasks and memory over time, in headless Chromium.

python -m benchmarks.dashboard                  a minute against a server of its own: 16 channels at 2 kHz, 30 fps
python -m benchmarks.dashboard --minutes 10     the same for as long as it takes a leak to show

Chromium draws in software here (no GPU), and shares the machine's cores with the server.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.servers import myostream

WARM_S = 8.0
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WATCH = """() => {
    window.seen = { intervals: [], long: [], last: performance.now() };
    const each = (now) => { seen.intervals.push(now - seen.last); seen.last = now; requestAnimationFrame(each); };
    requestAnimationFrame((now) => { seen.last = now; requestAnimationFrame(each); });
    new PerformanceObserver((list) => seen.long.push(...list.getEntries().map((task) => task.duration)))
        .observe({ type: "longtask" });
}"""
# taken away at each look, so that what is watched does not grow itself
TAKE = """() => {
    const { intervals, long } = seen;
    seen.intervals = []; seen.long = [];
    const { frame } = dashboard.frame;
    return { intervals, long, frame, dropped: dashboard.frame.dropped, drawn: dashboard.screen.drawn };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--look", type=float, default=15.0, help="seconds between two looks at the memory")
    given = parser.parse_args()
    with myostream() as server:
        print(json.dumps(measure(server.url, given.minutes * 60, given.look), indent=1))


def measure(url: str, seconds: float, look_s: float) -> dict[str, Any]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="no-preference")
        page = context.new_page()
        page.goto(f"{url}/?start")
        page.wait_for_timeout(WARM_S * 1e3)
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        page.evaluate(WATCH)
        intervals: list[float] = []
        long: list[float] = []
        memory = [heap(session)]
        began, before = time.perf_counter(), page.evaluate(TAKE)
        ends = began + seconds
        while (left := ends - time.perf_counter()) > 0:
            page.wait_for_timeout(min(left, look_s) * 1e3)
            took = page.evaluate(TAKE)
            intervals += took["intervals"]
            long += took["long"]
            memory.append(heap(session))
        elapsed = time.perf_counter() - began
        browser.close()
    intervals.sort()
    return {
        "seconds": round(elapsed, 1),
        "drawn_fps": round((took["drawn"] - before["drawn"]) / elapsed, 2),
        "interval_ms": {f"p{p}": round(percentile(intervals, p), 1) for p in (50, 95, 99)},
        "longest_interval_ms": round(intervals[-1], 1),
        "events_fps": round((took["frame"] - before["frame"]) / elapsed, 2),
        "events_dropped": took["dropped"] - before["dropped"],
        "long_tasks": len(long),
        "longest_task_ms": round(max(long, default=0.0), 1),
        "heap_mb": [round(size, 2) for size in memory],
    }


def heap(session: Any) -> float:
    """MB that are in use after a garbage collection."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")) / 2**20


def percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


if __name__ == "__main__":
    main()
