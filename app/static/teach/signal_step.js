/** Step 1: whether the electrodes are on well, live and in words. */

import { byId, figure, make, setText } from "../elements.js";
import { Palette } from "../palette.js";
import { Poll } from "../poll.js";
import { ScrollClock } from "../scroll.js";
import { factsOf } from "../source_facts.js";
import { installTheme } from "../theme.js";
import { Waveform } from "../waveform.js";
import { ElectrodeRing } from "./electrode_ring.js";
import { text } from "./language.js";
import { levelOf, Levels } from "./levels.js";
import { checksOf, levelOfProblems } from "./worn.js";

const FPS = 30;
const QUALITY_MS = 1000;
const SLOW_MS = 250;
const LANES = 20; // with a name each

/** Shows what the stream brings; `good` says whether all electrodes are fine. */
export class SignalStep {
  id = "signal";
  #facts = null;
  #quality = null;
  #strength = []; // of each channel
  #slowAt = 0;

  constructor(page) {
    this.page = page;
    this.levels = new Levels();
    this.ring = new ElectrodeRing(byId("ring"));
    const palette = new Palette();
    this.clock = new ScrollClock(1000);
    this.waveform = new Waveform(byId("waveform"), palette, this.clock);
    byId("waveform").setAttribute("aria-label", text("signal.canvas"));
    setText(byId("overlay"), text("signal.waiting"));
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    const move = () => ((this.waveform.sweeps = still.matches), this.waveform.redraw());
    still.addEventListener("change", move);
    move();
    installTheme(byId("theme"), () => (palette.refresh(), this.waveform.redraw()), (name) => text("theme", name));
    this.poll = new Poll(() => this.#judge(), () => QUALITY_MS);
    byId("source").addEventListener("change", () => page.listenTo(byId("source").value));
  }

  get good() {
    return this.#quality !== null && this.#quality.channels.every(({ ok }) => ok);
  }

  get next() {
    const said = text(this.good ? "signal.go" : "signal.anyway");
    return { said, note: this.#quality !== null && !this.good ? text("signal.note_bad") : "" };
  }

  enter() {
    this.poll.wake();
  }

  leave() {}

  /** @param {object | null} source  one of /emg/sources @param {object[]} sources  all */
  configure(source, sources) {
    byId("source-choice").hidden = sources.length < 2;
    const names = sources.map(({ name }) => name);
    if (JSON.stringify(names) !== this.offered) byId("source").replaceChildren(...names.map((name) => make("option", { value: name }, name)));
    this.offered = JSON.stringify(names);
    if (source === null) return;
    byId("source").value = source.name;
    const facts = factsOf(null, source, null);
    if (JSON.stringify(facts) === JSON.stringify(this.#facts)) return;
    this.#facts = facts;
    this.clear();
    this.clock.nominal = facts.rate;
    this.clock.reset();
    this.waveform.configure(facts.lanes.length, facts.rate, FPS);
    this.#strength = facts.channels.map(() => null);
    this.ring.configure(facts.channels);
    const many = facts.lanes.length > LANES;
    byId("lane-names").replaceChildren(...(many ? [] : facts.lanes.map((channel) => make("li", { title: facts.channels[channel] }, make("span", { class: "name" }, facts.channels[channel] ?? "")))));
  }

  clear() {
    this.#quality = null;
    this.levels.clear();
    this.waveform.clear();
    byId("overlay").hidden = false;
  }

  push(frame, nowMs) {
    if (!frame.signal || frame.signal.length !== this.#facts?.lanes.length) return;
    const { rate } = this.waveform;
    const hop = Math.max(1, Math.round(rate / Math.min(rate, FPS)));
    this.clock.arrived(frame.sample_index, nowMs);
    this.waveform.ring.push(frame.sample_index, hop, frame.signal);
    this.levels.push(levelOf(frame.signal), frame.sample_index / rate);
    frame.signal.forEach((row, lane) => {
      const channel = this.#facts.lanes[lane];
      const before = this.#strength[channel] ?? 0;
      this.#strength[channel] = before + 0.2 * (levelOf([row]) - before);
    });
    byId("overlay").hidden = true;
  }

  paint(nowMs) {
    this.waveform.paint(nowMs);
    if (nowMs - this.#slowAt < SLOW_MS) return;
    this.#slowAt = nowMs;
    if (this.waveform.ring.count > 0) this.waveform.fit(nowMs);
    if (this.#facts === null) return;
    this.ring.show(this.#strength);
    const { amplitude } = this.waveform;
    const units = this.#facts.units === "uV" ? "µV" : this.#facts.units;
    if (amplitude !== null) setText(byId("signal-note"), text("signal.scale", figure(amplitude), units));
    this.#tell(checksOf(this.#quality, this.#facts.channels, this.levels, units));
  }

  #tell(checks) {
    const key = JSON.stringify(checks);
    if (key === this.told) return;
    this.told = key;
    byId("checks").replaceChildren(...checks.map(({ state, said }) => make("li", { "data-state": state }, make("span", { class: "sign", "aria-hidden": "true" }), said)));
  }

  async #judge() {
    const { source, server, step } = this.page;
    if (step !== this || !source || source.samples === 0) return;
    try {
      this.#quality = await server.get(`/emg/quality?source=${encodeURIComponent(source.name)}`);
    } catch {
      this.#quality = null; // the page's own look at the server says what is wrong
    }
    const channels = this.#quality?.channels ?? [];
    const levels = channels.map(({ problems }) => levelOfProblems(problems));
    if (levels.length === this.#facts?.channels.length) this.ring.mark(levels);
    this.ring.svg.setAttribute("aria-label", text("signal.ring", levels.filter((one) => one === "ok").length, levels.length));
    this.#facts?.lanes.forEach((channel, lane) => (this.waveform.levels[lane] = levels[channel] ?? "ok"));
    [...byId("lane-names").children].forEach((item, lane) => (item.dataset.level = levels[this.#facts.lanes[lane]] ?? "ok"));
    this.page.refresh();
  }
}
