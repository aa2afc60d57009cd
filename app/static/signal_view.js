/** Waveform and ribbons on one time axis, with their span and scale. */

import { byId, make, setText } from "./elements.js";
import { showBar, showSeconds } from "./time_axis.js";

const SCALES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const FIT_MS = 1000;
const SAYS = {
  idle: "Press Start to see the signal.",
  unasked: "It comes as soon as the server lets a stream in.",
  waiting: "It comes as soon as the server answers.",
  connecting: "Connecting.",
  failed: "No stream.",
};

/** Feeds both from the events and paints them with the same clock. */
export class SignalView {
  #fitAt = 0;
  #seen = false; // an event has come

  constructor(waveform, ribbon, clock) {
    [this.waveform, this.ribbon, this.clock] = [waveform, ribbon, clock];
    this.fps = 30;
    const scale = byId("scale");
    scale.append(...SCALES.map((value) => make("option", { value }, `±${value}`)));
    scale.addEventListener("change", () => {
      if (scale.value !== "auto") return this.waveform.scaleTo(Number(scale.value));
      this.waveform.unfit();
      return this.waveform.fit(performance.now());
    });
    byId("span").addEventListener("change", () => {
      this.waveform.span = Number(byId("span").value);
      this.redraw();
      showSeconds(this.waveform.span, this.waveform.sweeps);
    });
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    const move = () => {
      this.waveform.sweeps = still.matches;
      this.redraw();
      showSeconds(this.waveform.span, this.waveform.sweeps);
    };
    still.addEventListener("change", move);
    move();
  }

  /** What is shown, and at how many frames a second; what was there of another source goes. */
  configure({ name, lanes, rate, units }, fps) {
    this.units = units === "uV" ? "µV" : units;
    const source = `${name} ${lanes} ${rate}`;
    if (source !== this.source) this.#begin();
    if (source === this.source && fps === this.fps) return;
    [this.source, this.fps] = [source, fps];
    this.clock.nominal = rate;
    this.clock.reset();
    this.waveform.configure(lanes.length, rate, fps);
  }

  /** Rows under the signal, and the label that is rest. */
  label(rows, rest) {
    this.ribbon.rest = rest;
    this.ribbon.show(rows);
  }

  #begin() {
    this.clear();
    if (byId("scale").value === "auto") this.waveform.unfit();
  }

  clear() {
    this.#seen = false;
    this.waveform.clear();
    this.ribbon.clear();
    this.clock.reset();
  }

  redraw() {
    this.waveform.redraw();
    this.ribbon.redraw();
  }

  push(frame, nowMs) {
    const end = frame.sample_index;
    const { rate } = this.waveform;
    const hop = Math.max(1, Math.round(rate / Math.min(rate, this.fps)));
    this.clock.arrived(end, nowMs);
    this.ribbon.push(end - hop, end, frame);
    if (frame.signal) this.waveform.ring.push(end, hop, frame.signal);
    if (!this.#seen || (this.waveform.amplitude === null && frame.signal)) this.#first(nowMs);
  }

  #first(nowMs) {
    this.#seen = true;
    if (byId("scale").value === "auto") this.waveform.fit(nowMs);
    byId("overlay").hidden = this.waveform.ring.count > 0;
    if (this.waveform.ring.count === 0) setText(byId("overlay"), "The signal is switched off in the settings.");
  }

  /** What stands where the signal would be. */
  explain(state, wanted) {
    if (this.#seen) return;
    byId("overlay").hidden = false;
    const text = state === "live" && !wanted ? "The signal is switched off in the settings." : SAYS[state];
    setText(byId("overlay"), text ?? "");
  }

  /** Once a second, unless a scale was chosen. */
  fit(nowMs) {
    if (nowMs - this.#fitAt < FIT_MS || !this.#seen) return;
    this.#fitAt = nowMs;
    if (byId("scale").value === "auto") this.waveform.fit(nowMs);
    const { amplitude, laneHeight } = this.waveform;
    if (amplitude === null) return;
    setText(byId("signal-note"), `±${Number(amplitude.toPrecision(2))} ${this.units} a lane, filtered`);
    showBar(amplitude, laneHeight, this.units);
  }

  paint(nowMs) {
    this.waveform.paint(nowMs);
    const head = this.clock.at(nowMs);
    this.ribbon.paint(head - this.waveform.span * this.waveform.rate, head);
  }
}
