/** The row of figures, from the events and from `/infer/stream/stats`. */

import { byId, setText, time } from "./elements.js";

/** Shows what the stream does. */
export class Figures {
  #server = null;

  /** An answer of `/infer/stream/stats`; `options` are those that this page streams with. */
  server(stats, options) {
    this.#server = stats;
    const same = (found) => found.fps === options.fps && [null, found.votes].includes(options.votes);
    const group = stats.groups.find(same);
    setText(byId("delay"), time(group?.decision_delay_ms ?? stats.decision_delay_ms));
    setText(byId("streams"), String(stats.active_streams));
    setText(byId("lost"), stats.source ? stats.source.lost_samples.toLocaleString("en") : "–");
    setText(byId("gaps"), stats.source ? String(stats.source.gaps) : "–");
  }

  /** Frames follow the signal's own time, which runs faster than the clock where a recording is played faster. */
  speed(measured) {
    const times = Math.round(measured * 2) / 2;
    setText(byId("fps-speed"), times > 1 ? ` × ${times}` : "");
    byId("fps-speed").title = `the signal comes ${times} times as fast as its own rate`;
  }

  paint(nowMs, { age, latency }, frame) {
    const [a50, a99] = age.percentiles(nowMs, [50, 99]);
    const [l50, l99] = latency.percentiles(nowMs, [50, 99]);
    const got = age.rate(nowMs);
    setText(byId("fps-got"), got === null ? "–" : got.toFixed(1));
    setText(byId("age-p50"), time(a50));
    setText(byId("age-p99"), time(a99));
    setText(byId("latency-p50"), time(l50));
    setText(byId("latency-p99"), time(l99));
    if (frame === null) return;
    setText(byId("dropped"), frame.dropped.toLocaleString("en"));
    setText(byId("cpu"), frame.cpu_percent.toFixed(0));
  }
}
