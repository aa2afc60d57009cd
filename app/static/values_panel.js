/** The values that a model gives, each on its range, and what should be acted upon. */

import { byId, figure, make, percent, setText, spaced } from "./elements.js";

const FIGURES_MS = 120; // figures that change faster cannot be read
const SAYS = {
  said: "As the model says.",
  clipped: "The model says more than a range holds.",
  bad: "Held at rest: too many channels carry no signal.",
  stalled: "Held at rest: the source has stalled.",
};

/** Where a bar begins and ends on a range, 0 to 1: from nothing, or the end that lies nearest to it. Pure. */
export function spanOf(value, { low, high }) {
  const at = (one) => Math.min(Math.max((one - low) / (high - low), 0), 1);
  return [at(0), at(value)].sort((a, b) => a - b);
}

/** What a frame's values are, in words. Pure. */
export function saying({ values, output, clipped }) {
  const held = Object.keys(values).some((name) => values[name] !== output[name]);
  if (held) return SAYS.bad;
  return clipped ? SAYS.clipped : SAYS.said;
}

/** Shows the newest frame's output as bars. */
export class ValuesPanel {
  #rows = [];
  #frame = null;
  #next = 0;
  #known = "";

  /** @param {{name: string, low: number, high: number, units: string | null}[]} values  of /health; empty for others */
  configure(values) {
    const key = JSON.stringify(values);
    if (key === this.#known) return;
    this.#known = key;
    this.#rows = values.map((about) => {
      const fill = make("span", { class: "fill" });
      const shown = make("span", { class: "figure" }, "–");
      const track = make("span", { class: "track" }, fill);
      const units = about.units ? ` ${about.units}` : "";
      const range = make("span", { class: "range" }, make("span", {}, `${about.low}`), make("span", {}, `${about.high}`));
      const name = make("span", { class: "name", title: spaced(about.name) }, spaced(about.name));
      return { about, units, fill, shown, item: make("li", {}, name, track, shown, range) };
    });
    byId("values").replaceChildren(...this.#rows.map((row) => row.item));
    this.clear();
  }

  clear() {
    this.#frame = null;
    setText(byId("values-note"), "");
    for (const row of this.#rows) this.#set(row, null);
  }

  /** What a source that has stalled leaves to act upon. */
  hold(output) {
    this.#show(output);
    setText(byId("values-note"), SAYS.stalled);
  }

  paint(frame, nowMs) {
    if (frame === null || frame === this.#frame || frame.values === undefined || nowMs < this.#next) return;
    this.#frame = frame;
    this.#next = nowMs + FIGURES_MS;
    this.#show(frame.output);
    setText(byId("values-note"), saying(frame));
    byId("intensity").style.transform = `scaleX(${frame.intensity})`;
    setText(byId("intensity-figure"), percent(frame.intensity));
  }

  #show(output) {
    for (const row of this.#rows) this.#set(row, output[row.about.name] ?? null);
  }

  #set({ about, units, fill, shown }, value) {
    const [from, to] = value === null ? [0, 0] : spanOf(value, about);
    fill.style.left = `${100 * from}%`;
    fill.style.right = `${100 * (1 - to)}%`;
    setText(shown, value === null ? "–" : `${figure(value)}${units}`);
  }
}
