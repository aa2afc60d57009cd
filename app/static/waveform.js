/** The signal of all channels, scrolling: each sample is drawn once into a strip, and frames are copies of its pixels. */

import { AutoScale } from "./auto_scale.js";
import { SignalRing } from "./ring.js";
import { Surface } from "./surface.js";

const KEPT_S = 12; // in the ring; a little more than the longest span
const FIT_S = 2; // that the scale is fitted to
const POINTS = 64; // most points a channel has in an event
const MARGIN = 0.04; // of a lane, free above and below: a trace stays in its own
const SWEEP_GAP = 14; // pixels between new and old when it does not scroll

/** Lanes under each other, on one scale. */
export class Waveform {
  #strip = document.createElement("canvas"); // twice as wide as the view; x is taken modulo its width
  #ink = this.#strip.getContext("2d", { alpha: false });
  #drawn = -Infinity; // position up to which the strip is drawn
  #shown = null; // right edge of the last paint, in pixels
  #auto = new AutoScale();

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
    this.lanes = []; // of the ring's channels, those that are drawn, from above
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
    if (channels !== this.channels) this.lanes = Array.from({ length: channels }, (_, c) => c);
    [this.channels, this.rate] = [channels, rate];
    this.redraw();
  }

  /** Draw these channels and no others. */
  show(lanes) {
    this.lanes = lanes;
    this.redraw();
  }

  /** What a trace has of its lane, in CSS pixels. */
  get laneHeight() {
    return ((1 - 2 * MARGIN) * this.surface.height) / this.surface.ratio / this.lanes.length;
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

  /** Another signal has nothing to do with this one's scale. */
  unfit() {
    this.#auto.clear();
    this.amplitude = null;
  }

  /** The scale that suits what came in the last seconds; one channel without an electrode does not count. */
  fit(nowMs) {
    const well = this.lanes.filter((c) => this.levels[c] !== "bad");
    const from = this.ring.newest - FIT_S * this.rate;
    const level = Math.max(...(well.length ? well : this.lanes).map((c) => this.ring.amplitude(c, from, 0.96)), 0);
    this.scaleTo(this.#auto.next(level, this.amplitude, nowMs));
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
    this.#prepare(this.#drawn * pixels, newest * pixels);
    for (const level of ["ok", "warn", "bad"]) this.#trace(level, this.#drawn, pixels);
    this.#drawn = newest;
  }

  /** Paper for the columns from one to another. */
  #prepare(from, to) {
    const around = this.#strip.width;
    const first = Math.floor(from) + 1;
    const count = Math.min(Math.ceil(to) + 1 - first, around);
    if (count <= 0) return;
    const start = ((first % around) + around) % around;
    this.#ink.fillStyle = this.palette.panel;
    this.#ink.fillRect(start, 0, Math.min(count, around - start), this.#strip.height);
    if (start + count > around) this.#ink.fillRect(0, 0, start + count - around, this.#strip.height);
  }

  /** One path for all channels of a level: min and max of each column, in the order of time. */
  #trace(level, from, pixels) {
    const lanes = [...this.lanes.keys()].filter((lane) => (this.levels[this.lanes[lane]] ?? "ok") === level);
    if (lanes.length === 0) return;
    const ink = this.#ink;
    const around = this.#strip.width;
    const begin = Math.max(0, this.ring.find(from) - 1);
    const base = Math.floor((this.ring.position(begin) * pixels) / around) * around;
    ink.strokeStyle = { ok: this.palette.accent, warn: this.palette.warn, bad: this.palette.bad }[level];
    ink.lineWidth = level === "ok" ? this.surface.ratio * 0.9 : this.surface.ratio * 1.3;
    ink.lineJoin = "round";
    const path = new Path2D();
    for (const lane of lanes) this.#line(path, lane, begin, base, pixels);
    ink.stroke(path);
    if (this.ring.newest * pixels - base + 2 < around) return;
    ink.setTransform(1, 0, 0, 1, -around, 0); // the part that runs over the strip's end, at its beginning
    ink.stroke(path);
    ink.setTransform(1, 0, 0, 1, 0, 0);
  }

  #line(path, lane, begin, base, pixels) {
    const { ring } = this;
    const channel = this.lanes[lane];
    const tall = this.#strip.height / this.lanes.length;
    const middle = (lane + 0.5) * tall;
    const most = (0.5 - MARGIN) * tall;
    const gain = most / this.amplitude;
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
