/** The electrodes around the arm, as one sees them from the hand: how strong each is, and which needs a look. */

const SVG = "http://www.w3.org/2000/svg";
const [INNER, ROOM] = [46, 30]; // where the skin is, and how far a bar may reach from it
const FULL = 24; // more are drawn narrower

function part(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}

/** A bar for each channel, outwards from the skin. */
export class ElectrodeRing {
  #bars = [];
  #most = 1e-9;

  constructor(place) {
    this.svg = part("svg", { viewBox: "-100 -100 200 200", class: "electrodes", role: "img" });
    place.append(this.svg);
  }

  configure(names) {
    const step = 360 / names.length;
    const width = Math.min(22, (Math.PI * 2 * INNER) / Math.max(names.length, 6) - 4) * Math.min(1, FULL / names.length + 0.4);
    this.#most = 1e-9;
    this.svg.replaceChildren();
    part("circle", { class: "arm", r: INNER - 3 }, this.svg);
    part("circle", { class: "bone", cx: -13, cy: 3, r: 8 }, this.svg);
    part("circle", { class: "bone", cx: 15, cy: -3, r: 7 }, this.svg);
    this.#bars = names.map((name, k) => {
      const group = part("g", { class: "electrode", transform: `rotate(${k * step})` }, this.svg);
      const bar = part("rect", { class: "reach", x: -width / 2, width, y: -INNER - 6, height: 6, rx: Math.min(3, width / 2) }, group);
      part("rect", { class: "pad", x: -width / 2 - 1, width: width + 2, y: -INNER - 2, height: 6, rx: 2 }, group);
      const sign = part("text", { y: -INNER - ROOM - 14, transform: `rotate(${-k * step} 0 ${-INNER - ROOM - 17})`, "text-anchor": "middle" }, group);
      return { group, bar, sign, name };
    });
    this.mark(names.map(() => "ok"));
  }

  /** @param {(number | null)[]} levels  of each channel; null is not known */
  show(levels) {
    this.#most = Math.max(this.#most * 0.998, ...levels.map((level) => level ?? 0));
    this.#bars.forEach(({ bar }, k) => {
      const height = 6 + ROOM * Math.sqrt((levels[k] ?? 0) / this.#most);
      bar.setAttribute("y", (-INNER - height).toFixed(1));
      bar.setAttribute("height", height.toFixed(1));
    });
  }

  /** @param {("ok" | "warn" | "bad")[]} levels  of each channel */
  mark(levels) {
    this.#bars.forEach(({ group, sign, name }, k) => {
      group.setAttribute("data-level", levels[k]);
      const mark = { ok: "", warn: "▲", bad: "✗" }[levels[k]];
      sign.textContent = levels.length <= FULL ? mark || name : mark;
    });
  }
}
