/** The signal of all channels, scrolling: each sample is drawn once into a strip, and frames are copies of its pixels. */

import { SignalRing } from "./ring.js";
import { Surface } from "./surface.js";

const KEPT_S = 12; // in the ring; a little more than the longest span
const POINTS = 64; // most points a channel has in an event
const OVERLAP = 1.6; // lanes a peak may reach beyond its own middle
const SWEEP_GAP = 14; // pixels between new and old when it does not scroll

/** The next of 1, 1.5, 2, 3, 5, 7, 10, 15 ... */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 5, 7, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/** Lanes under each other, on one scale. */
export class Waveform {
  #strip = document.createElement("canvas"); // twice as wide as the view; x is taken modulo its width
  #ink = this.#strip.getContext("2d", { alpha: false });
  #drawn = -Infinity; // position up to which the strip is drawn
  #shown = null; // right edge of the last paint, in pixels

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./palette.js").Palette} palette
   * @param {import("./scroll.js").ScrollClock} clock
   */
  constructor(canvas, palette, clock) {
    this.surface = new Surface(canvas, () => this.redraw());
    this.palette = palette;
    this.clock = clock;
    this.levels = []; // by channel: ok (also where nothing is known) | warn | bad
    this.sweeps = false; // true: the trace stands still and is overwritten, for those who want less motion
    this.span = 5; // s
    this.amplitude = null; // model units that fill half a lane; null before it is known
    this.configure(1, 1000, 30);
  }

  /** Channels, Hz, events a second. */
  configure(channels, rate, fps) {
    const points = Math.min(rate, POINTS * fps) * KEPT_S;
    const capacity = Math.max(256, Math.ceil(points));
    if (this.ring?.channels !== channels || this.ring?.capacity !== capacity) {
      this.ring = new SignalRing(channels, capacity);
    }
    [this.channels, this.rate] = [channels, rate];
    this.redraw();
  }

  clear() {
    this.ring.clear();
    this.redraw();
  }

  /** Draw all of it anew before the next paint: size, theme, span or scale have changed. */
  redraw() {
    this.#drawn = -Infinity;
    this.#shown = null;
  }

  /** The scale that suits what is there, with some reluctance to change. */
  fit() {
    const from = this.ring.newest - this.span * this.rate;
    let most = 0;
    for (let c = 0; c < this.channels; c += 1) most = Math.max(most, this.ring.amplitude(c, from, 0.96));
    if (most === 0) return;
    const wanted = nice(most);
    const fits = this.amplitude !== null && most <= this.amplitude && wanted > this.amplitude / 3;
    if (!fits) this.scaleTo(wanted);
  }

  scaleTo(amplitude) {
    if (amplitude === this.amplitude) return;
    this.amplitude = amplitude;
    this.redraw();
  }

  /** Show the signal as it is now. */
  paint(nowMs) {
    const { width } = this.surface;
    if (this.ring.count === 0 || this.amplitude === null) {
      this.#blank();
      return;
    }
    const pixels = width / (this.span * this.rate); // a sample
    this.#advance(pixels);
    const head = Math.floor(Math.min(this.clock.at(nowMs), this.ring.newest) * pixels);
    if (head === this.#shown) return;
    this.#shown = head;
    if (this.sweeps) this.#sweep(head, width);
    else this.#copy(head - width, head, 0);
  }

  #blank() {
    if (this.#shown === "blank") return;
    this.#shown = "blank";
    this.surface.context.fillStyle = this.palette.panel;
    this.surface.context.fillRect(0, 0, this.surface.width, this.surface.height);
  }

  /** A page that stays where it is, overwritten from the left. */
  #sweep(head, width) {
    const page = Math.floor(head / width) * width;
    const gap = Math.min(SWEEP_GAP * this.surface.ratio, width - (head - page));
    this.surface.context.fillStyle = this.palette.panel;
    this.surface.context.fillRect(0, 0, width, this.surface.height);
    this.#copy(page, head, 0);
    this.#copy(head - width + gap, page, head - page + gap);
  }

  /** Columns [from, to) of the strip to `x` of the view. */
  #copy(from, to, x) {
    const { context, height } = this.surface;
    const around = this.#strip.width;
    for (let at = from; at < to; ) {
      const start = ((at % around) + around) % around;
      const count = Math.min(to - at, around - start);
      context.drawImage(this.#strip, start, 0, count, height, x + at - from, 0, count, height);
      at += count;
    }
  }

  /** Draw what is new into the strip. */
  #advance(pixels) {
    const { width, height } = this.surface;
    const newest = this.ring.newest;
    if (this.#drawn === -Infinity || this.#drawn > newest || this.#strip.height !== height) {
      [this.#strip.width, this.#strip.height] = [width * 2, height];
      this.#ink.fillStyle = this.palette.panel;
      this.#ink.fillRect(0, 0, width * 2, height);
      this.#drawn = Math.max(this.ring.oldest, newest - this.span * this.rate * 1.2) - 1e-6;
    }
    if (newest <= this.#drawn) return;
    // after a hidden tab: the newest wins, and nobody sees the rest
    this.#drawn = Math.max(this.#drawn, newest - this.span * this.rate * 1.5);
    this.#prepare(this.#drawn * pixels, newest * pixels, pixels);
    for (const level of ["ok", "warn", "bad"]) this.#trace(level, this.#drawn, pixels);
    this.#drawn = newest;
  }

  /** Paper, with a line each second. */
  #prepare(from, to, pixels) {
    const around = this.#strip.width;
    const rect = (x, count) => {
      const start = ((x % around) + around) % around;
      this.#ink.fillRect(start, 0, Math.min(count, around - start), this.#strip.height);
      if (start + count > around) this.#ink.fillRect(0, 0, start + count - around, this.#strip.height);
    };
    const first = Math.floor(from) + 1;
    this.#ink.fillStyle = this.palette.panel;
    const count = Math.min(Math.ceil(to) + 1 - first, around);
    if (count > 0) rect(first, count);
    this.#ink.fillStyle = this.palette.line;
    const second = this.rate * pixels;
    for (let x = Math.ceil(first / second) * second; x <= to + 1; x += second) rect(Math.floor(x), 1);
  }

  /** One path for all channels of a level: min and max of each column, in the order of time. */
  #trace(level, from, pixels) {
    const channels = Array.from({ length: this.channels }, (_, c) => c).filter((c) => (this.levels[c] ?? "ok") === level);
    if (channels.length === 0) return;
    const ink = this.#ink;
    const around = this.#strip.width;
    const begin = Math.max(0, this.ring.find(from) - 1);
    const base = Math.floor((this.ring.position(begin) * pixels) / around) * around;
    ink.strokeStyle = { ok: this.palette.accent, warn: this.palette.warn, bad: this.palette.bad }[level];
    ink.lineWidth = level === "ok" ? this.surface.ratio * 0.9 : this.surface.ratio * 1.3;
    ink.lineJoin = "round";
    const path = new Path2D();
    for (const channel of channels) this.#line(path, channel, begin, base, pixels);
    ink.stroke(path);
    if (this.ring.newest * pixels - base + 2 < around) return;
    ink.setTransform(1, 0, 0, 1, -around, 0); // the part that runs over the strip's end, at its beginning
    ink.stroke(path);
    ink.setTransform(1, 0, 0, 1, 0, 0);
  }

  #line(path, channel, begin, base, pixels) {
    const { ring } = this;
    const lane = this.#strip.height / this.channels;
    const middle = (channel + 0.5) * lane;
    const gain = lane / 2 / this.amplitude;
    const most = lane * OVERLAP;
    const y = (value) => middle - Math.max(-most, Math.min(most, value * gain));
    const hole = Math.max(4, (this.rate / 15) | 0); // samples without a point: they are missing
    let last = -Infinity;
    for (let i = begin; i < ring.count; ) {
      const position = ring.position(i);
      const x = position * pixels - base;
      let [low, high, first, end] = [Infinity, -Infinity, i, i];
      for (; end < ring.count && Math.floor(ring.position(end) * pixels - base) === Math.floor(x); end += 1) {
        const value = ring.value(channel, end);
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const rising = ring.value(channel, first) <= ring.value(channel, end - 1);
      if (position - last > hole) path.moveTo(x, y(rising ? low : high));
      else path.lineTo(x, y(rising ? low : high));
      if (end - first > 1) path.lineTo(x, y(rising ? high : low));
      last = ring.position(end - 1);
      i = end;
    }
  }
}
