/** Each channel's quality: beside its lane, and as a list with what is wrong in words. */

import { byId, figure, make, setText } from "./elements.js";

const BAD = ["dead", "flat", "railed"]; // no signal at all; the others still carry some

/** Problems by channel, from the quality route and from the events. */
export class QualityPanel {
  levels = []; // ok | warn | bad, by channel
  #rows = [];

  configure(channels) {
    this.problems = Array(channels).fill("");
    this.levels = Array(channels).fill("ok");
    this.#rows = this.problems.map((_, c) => {
      const fill = make("span", { class: "fill" });
      const problem = make("span", { class: "problem" });
      const track = make("span", { class: "track" }, fill);
      const item = make("li", {}, make("span", { class: "number" }, String(c + 1)), track, problem);
      const badge = make("span", { class: "problem" });
      const lane = make("li", {}, make("span", {}, String(c + 1)), badge);
      return { item, fill, problem, lane, badge };
    });
    byId("channels").replaceChildren(...this.#rows.map((row) => row.item));
    byId("lane-names").replaceChildren(...this.#rows.map((row) => row.lane));
  }

  /** An answer of `/emg/quality`; gives the levels of all channels, and says what has changed. */
  show({ channels }, onChange) {
    const most = Math.max(...channels.map(({ rms }) => rms ?? 0), 1e-9);
    for (const { channel, problems, rms } of channels) {
      const row = this.#rows[channel];
      if (!row) continue;
      row.fill.style.transform = `scaleX(${Math.sqrt(Math.min(1, (rms ?? 0) / most)).toFixed(2)})`;
      row.item.title = `channel ${channel + 1}: rms ${figure(rms)}`;
      this.set(channel, problems, onChange);
    }
    const bad = this.problems.filter(Boolean).length;
    setText(byId("quality-note"), bad ? `${bad} of ${this.problems.length} need a look` : `all ${channels.length} are fine`);
  }

  /** The `quality` of an event: problem to channels. */
  event(quality, onChange) {
    const found = this.problems.map(() => []);
    for (const [problem, channels] of Object.entries(quality ?? {})) {
      for (const channel of channels) found[channel]?.push(problem);
    }
    found.forEach((problems, channel) => this.set(channel, problems, onChange));
  }

  set(channel, problems, onChange) {
    const text = problems.join(", ");
    if (text === this.problems[channel]) return;
    this.problems[channel] = text;
    const { item, lane, problem, badge } = this.#rows[channel];
    const level = (this.levels[channel] = levelOf(text));
    for (const element of [item, lane]) element.dataset.level = level;
    setText(problem, text ? `${level === "bad" ? "✗" : "▲"} ${text}` : "");
    setText(badge, text ? `${level === "bad" ? "✗" : "▲"} ${problems[0]}` : "");
    onChange(channel, text);
  }
}

function levelOf(text) {
  if (!text) return "ok";
  return BAD.some((word) => text.includes(word)) ? "bad" : "warn";
}
