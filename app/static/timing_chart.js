/** Age and latency of the last minute on a logarithmic scale, with p50 and p99. */

import { time } from "./elements.js";
import { Surface } from "./surface.js";

const LEFT = 60; // CSS pixels for the scale's figures
const BOTTOM = 18;

/** Dots for frames, round for age and square for latency; lines for percentiles. */
export class TimingChart {
  constructor(canvas, palette) {
    this.surface = new Surface(canvas, () => {});
    this.palette = palette;
    this.font = "Inter, system-ui, sans-serif";
  }

  /** @param {{age: Timings, latency: Timings}} timings */
  paint(nowMs, { age, latency }) {
    const { context: ink, width, height, ratio } = this.surface;
    const [a50, a99] = age.percentiles(nowMs, [50, 99]);
    const [l50, l99] = latency.percentiles(nowMs, [50, 99]);
    ink.fillStyle = this.palette.panel;
    ink.fillRect(0, 0, width, height);
    this.#range(a50, a99, l50, l99);
    this.#grid(age.spanMs);
    this.#dots(nowMs, latency, this.palette.soft, 1.6 * ratio);
    this.#dots(nowMs, age, this.palette.accent, 2 * ratio);
    this.#lines(l50, l99, this.palette.soft);
    this.#lines(a50, a99, this.palette.accent);
    const text = `Age ${time(a50)} ms p50, ${time(a99)} p99; latency ${time(l50)} ms p50, ${time(l99)} p99`;
    this.surface.canvas.setAttribute("aria-label", text);
  }

  #range(a50, a99, l50, l99) {
    const low = Math.min(a50 ?? 1, l50 ?? 1) / 2;
    const high = Math.max(a99 ?? 10, l99 ?? 1) * 3;
    this.low = 10 ** Math.floor(Math.log10(Math.max(low, 0.001)));
    this.high = Math.max(10 ** Math.ceil(Math.log10(high)), this.low * 100);
  }

  #y(value) {
    const { height, ratio } = this.surface;
    const share = Math.log(value / this.low) / Math.log(this.high / this.low);
    return (height - BOTTOM * ratio) * (1 - Math.max(0, Math.min(1, share))) + 2 * ratio;
  }

  #grid(spanMs) {
    const { context: ink, width, height, ratio } = this.surface;
    ink.font = `${12 * ratio}px ${this.font}`;
    ink.textAlign = "right";
    ink.textBaseline = "middle";
    for (let value = this.low; value <= this.high * 1.01; value *= 10) {
      const y = Math.round(this.#y(value));
      ink.fillStyle = this.palette.line;
      ink.fillRect(LEFT * ratio, y, width - LEFT * ratio, Math.max(1, ratio * 0.75));
      ink.fillStyle = this.palette.soft;
      ink.fillText(`${Number(value.toPrecision(1))} ms`, (LEFT - 8) * ratio, Math.max(y, 7 * ratio));
    }
    ink.textBaseline = "bottom";
    for (const share of [0, 0.5, 1]) {
      ink.textAlign = { 0: "left", 0.5: "center", 1: "right" }[share];
      const text = share === 1 ? "now" : `−${((1 - share) * spanMs) / 1000} s`;
      ink.fillText(text, LEFT * ratio + share * (width - LEFT * ratio), height);
    }
  }

  #dots(nowMs, timings, colour, size) {
    const { context: ink, width, ratio } = this.surface;
    const [left, room] = [LEFT * ratio, width - LEFT * ratio];
    ink.fillStyle = colour;
    ink.globalAlpha = 0.45;
    timings.each(nowMs, (moment, value) => {
      const x = left + (1 - (nowMs - moment) / timings.spanMs) * (room - size);
      ink.fillRect(x, this.#y(value) - size / 2, size, size);
    });
    ink.globalAlpha = 1;
  }

  #lines(p50, p99, colour) {
    if (p50 === null) return;
    const { context: ink, width, ratio } = this.surface;
    ink.strokeStyle = colour;
    ink.lineWidth = 1.5 * ratio;
    for (const [value, dash] of [[p50, []], [p99, [5 * ratio, 4 * ratio]]]) {
      ink.setLineDash(dash);
      ink.beginPath();
      ink.moveTo(LEFT * ratio, this.#y(value));
      ink.lineTo(width, this.#y(value));
      ink.stroke();
    }
    ink.setLineDash([]);
  }
}
