/** A list of named bars, one a class. */

import { make, setText, spaced } from "./elements.js";

/** Bars from 0 to 1 with a figure each, in the order of the classes. */
export class Bars {
  #rows = [];
  #threshold = null;

  constructor(list) {
    this.list = list;
  }

  /** @param {string[]} names */
  configure(names) {
    this.#rows = names.map((name) => {
      const fill = make("span", { class: "fill" });
      const figure = make("span", { class: "figure" }, "–");
      const track = make("span", { class: "track" }, fill);
      const item = make("li", {}, make("span", { class: "name", title: spaced(name) }, spaced(name)), track, figure);
      return { item, track, fill, figure, share: 0, on: false };
    });
    this.list.replaceChildren(...this.#rows.map((row) => row.item));
    this.threshold(this.#threshold);
  }

  /** The line that a bar must pass; null for none. */
  threshold(share) {
    this.#threshold = share;
    for (const { track } of this.#rows) {
      track.querySelector(".mark-line")?.remove();
      if (!share) continue;
      const line = make("span", { class: "mark-line" });
      line.style.left = `${share * 100}%`;
      track.append(line);
    }
  }

  /** @param {number} index @param {number} share @param {string} text @param {boolean} on  stands out */
  set(index, share, text, on) {
    const row = this.#rows[index];
    if (!row) return;
    const rounded = Math.round(share * 200) / 200;
    if (row.share !== rounded) row.fill.style.transform = `scaleX(${(row.share = rounded)})`;
    if (row.on !== on) row.item.toggleAttribute("data-on", (row.on = on));
    setText(row.figure, text);
  }
}
