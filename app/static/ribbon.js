/** Truth, raw prediction and decision as ribbons on the signal's time axis. */

import { spaced } from "./elements.js";
import { Segments } from "./segments.js";
import { Surface } from "./surface.js";

export const ROWS = ["truth", "prediction", "decision"];
const REST = "rest"; // to the model that read it then; another one may call it otherwise

/** Named stretches are filled; what differs from the truth is hatched besides its colour; rest is a thin line. */
export class Ribbon {
  #shown = null;

  constructor(canvas, palette) {
    this.surface = new Surface(canvas, () => this.redraw());
    this.palette = palette;
    this.rest = "rest";
    this.shown = ROWS; // those that are drawn
    this.rows = Object.fromEntries(ROWS.map((row) => [row, new Segments()]));
    this.wrong = Object.fromEntries(ROWS.map((row) => [row, new Segments()]));
  }

  redraw() {
    this.#shown = null;
  }

  /** Draw these of ROWS; the others would stay empty. */
  show(rows) {
    if (rows.join() === this.shown.join()) return;
    this.shown = rows;
    this.surface.canvas.closest(".lanes").dataset.ribbon = rows.length;
    this.redraw();
  }

  clear() {
    for (const row of ROWS) {
      this.rows[row].clear();
      this.wrong[row].clear();
    }
    this.redraw();
  }

  /** The samples [start, end) of one event; `truth` may be null. */
  push(start, end, { truth, label = null, decision_label: decision = null }) {
    const labels = { truth, prediction: label, decision };
    for (const row of ROWS) {
      const wrong = truth !== null && labels[row] !== null && labels[row] !== truth;
      this.rows[row].push(start, end, labels[row], labels[row] === this.rest ? REST : undefined);
      this.wrong[row].push(start, end, wrong ? "wrong" : null);
    }
  }

  /** What lies between two sample indices. */
  paint(from, to) {
    const { context: ink, width, height, ratio } = this.surface;
    const key = to > from ? Math.round(((from + to) / (to - from)) * width) : "blank";
    if (key === this.#shown) return;
    this.#shown = key;
    ink.fillStyle = this.palette.panel;
    ink.fillRect(0, 0, width, height);
    if (key === "blank") return;
    const pitch = height / this.shown.length;
    ink.font = `500 ${Math.max(12 * ratio, pitch * 0.55)}px Inter, system-ui, sans-serif`;
    ink.textBaseline = "middle";
    const x = (position) => Math.round(((position - from) / (to - from)) * width);
    this.shown.forEach((row, k) => {
      const [top, tall] = [Math.round(k * pitch + ratio), Math.round(pitch - 2 * ratio)];
      for (const run of this.rows[row].between(from, to)) this.#run(run, x(run.start), x(run.end), top, tall);
      for (const run of this.wrong[row].between(from, to)) this.#hatch(x(run.start), x(run.end), top, tall);
    });
  }

  #run({ label, kind }, left, right, top, tall) {
    const { context: ink, ratio } = this.surface;
    if (kind === REST) {
      ink.fillStyle = this.palette.line;
      ink.fillRect(left, top + tall / 2 - ratio / 2, right - left, ratio);
      return;
    }
    ink.fillStyle = this.palette.tint;
    ink.fillRect(left, top, right - left - ratio, tall);
    const start = Math.max(left, 0) + 5 * ratio;
    if (right - start < 24 * ratio) return;
    const text = spaced(label);
    const room = right - start - 4 * ratio;
    if (ink.measureText(text).width > room && left > 0) return;
    ink.fillStyle = this.palette.ink;
    ink.save();
    ink.beginPath();
    ink.rect(left, top, right - left, tall);
    ink.clip();
    ink.fillText(text, start, top + tall / 2 + ratio / 2);
    ink.restore();
  }

  #hatch(left, right, top, tall) {
    const { context: ink, ratio } = this.surface;
    const height = 3 * ratio;
    ink.fillStyle = this.palette.bad;
    for (let x = left; x < right; x += 5 * ratio) {
      ink.fillRect(x, top + tall - height, Math.min(3 * ratio, right - x), height);
    }
  }
}
