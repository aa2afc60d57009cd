/** What a device delivers beside EMG: the newest value of each channel. */

import { byId, figure, make, setText, spaced } from "./elements.js";

/** A list for each stream, filled from the `aux` of frames. */
export class AuxPanel {
  #known = null;
  #streams = new Map(); // name to {figures, values}

  /** @param {object[]} streams  as /emg/sources has them */
  configure(streams) {
    const key = JSON.stringify(streams);
    if (key === this.#known) return;
    this.#known = key;
    this.#streams.clear();
    byId("aux").hidden = streams.length === 0;
    byId("aux-streams").replaceChildren(...streams.map((stream) => this.#list(stream)));
  }

  #list({ name, channel_names: channels, units, sampling_rate_hz: rate }) {
    const figures = channels.map(() => make("span", { class: "figure" }, "–"));
    this.#streams.set(name, { figures, values: null });
    const title = [spaced(name), units !== "unknown" && units, `${rate.toLocaleString("en")} Hz`].filter(Boolean).join(", ");
    const shown = withoutStem(channels);
    const items = channels.map((channel, k) => make("li", {}, make("span", { class: "name", title: channel }, shown[k]), figures[k]));
    return make("div", {}, make("h3", {}, title), make("ul", { class: "aux" }, ...items));
  }

  /** The `aux` of a frame: `{name: {values: (channels, points)}}`. */
  push(aux) {
    for (const [name, { values }] of Object.entries(aux)) {
      const stream = this.#streams.get(name);
      if (stream && values[0]?.length) stream.values = values.map((row) => row.at(-1));
    }
  }

  paint() {
    for (const { figures, values } of this.#streams.values()) {
      if (values) figures.forEach((element, k) => setText(element, figure(values[k])));
    }
  }
}

/** `accelerometer_x` and `accelerometer_y` are x and y under their heading. */
function withoutStem(names) {
  const stem = `${names[0].split("_")[0]}_`;
  const all = names.length > 1 && names.every((name) => name.startsWith(stem));
  return all ? names.map((name) => name.slice(stem.length)) : names;
}
