/** Step 3: the recording, prompt by prompt, and what became of each repetition. */

import { byId, make, setText } from "../elements.js";
import { Poll } from "../poll.js";
import { called, drawing, REST } from "./gestures.js";
import { duration, quote, text } from "./language.js";
import { levelOf } from "./levels.js";
import { nameOf, planOf, secondsOf, stepsOf } from "./plan.js";
import { PromptClock } from "./prompts.js";
import { Scene, verdictOf } from "./scene.js";
import { Sound } from "./sound.js";

const ASK_MS = 300; // between two looks at the recording
const NAMES = 3; // tries; also where the source is being recorded, which the last says
const DOUBTFUL = ["nothing", "other", "restless", "bad_signal"];

/** Whether it is a repetition that should be done again. Pure. */
export const doubtful = ({ state, verdict }) => state === "done" && DOUBTFUL.includes(verdict);

/** Those that are kept; rest only where it was none. Pure. */
export const kept = (repetitions) => repetitions.filter((one) => one.state === "done" && (one.label !== REST || doubtful(one)));

const chosenIn = ({ way, gestures, repetitions, seconds }) => (way === "new" ? JSON.stringify([gestures, repetitions, seconds]) : null);

/** Begins, follows and ends a recording; it goes on when the page is closed. */
export class RecordStep {
  id = "record";
  #state = null; // newest answer, while one is followed
  #seenMs = 0;
  #clock = null;
  #doubt = null; // index of the repetition that it is offered to do again
  #stopped = false;
  #ending = false;
  #order = null; // {gestures, repetitions, seconds} of the next recording
  #whole = null; // the same of the first, where it was not chosen in the step before
  #chosen = null; // what was chosen in the step before when the newest began

  constructor(page) {
    [this.page, this.lesson, this.server] = [page, page.lesson, page.server];
    this.sound = new Sound(this.lesson.sound);
    this.scene = new Scene((what) => this.#act(what));
    this.poll = new Poll(() => (this.lesson.recording ? this.#look() : undefined), () => ASK_MS);
    byId("sound").checked = this.lesson.sound;
    byId("sound").addEventListener("change", () => this.#sounding(byId("sound").checked));
    byId("record-start").addEventListener("click", () => this.#start());
    byId("taken-anew").addEventListener("click", () => this.anew());
    byId("taken-bad").addEventListener("click", () => this.prepare({ ...this.lesson, gestures: this.bad, repetitions: 1 }, true));
    this.#sounding(this.lesson.sound);
    this.#hints();
  }

  get next() {
    return { said: text("record.learn"), off: this.lesson.recordings.length === 0 || this.lesson.recording !== null, note: "" };
  }

  /** The recording that runs, as the server had it last; null where none does. */
  get recorded() {
    return this.#state;
  }

  enter() {
    if (this.#chosen !== null && this.#chosen !== chosenIn(this.lesson)) this.prepare(this.lesson); // what was recorded is of another plan
    if (this.#order === null) this.#order = this.lesson.way === "free" ? null : this.lesson;
    this.#ready(this.lesson.recording === null && byId("taken").hidden);
    if (this.lesson.recording) this.poll.wake();
  }

  leave() {}

  /** The next recording is of what is chosen then. */
  forget() {
    this.#order = this.#whole = null;
  }

  /** All of it once more. */
  anew() {
    this.prepare(this.#whole ?? this.lesson);
  }

  /** What the next recording asks for; `more` keeps those that were made. */
  prepare(order, more = false) {
    this.#order = this.lesson.way === "free" ? null : { gestures: order.gestures, repetitions: order.repetitions, seconds: order.seconds };
    if (!more) {
      this.#whole = this.#order;
      this.lesson.set({ recordings: [] });
    }
    this.#chosen = null;
    byId("taken").hidden = true;
    this.#ready(true);
    this.page.refresh();
  }

  /** Follow one that runs already. */
  follow(state) {
    this.lesson.set({ recording: state.name });
    this.#chosen = chosenIn(this.lesson);
    this.#clock = new PromptClock(state.prompt && this.#order ? stepsOf(planOf(this.#order)) : []);
    this.#doubt = null;
    this.#stopped = this.#ending = false;
    this.#take(state);
    if (this.#state !== null) this.scene.show({ hand: this.lesson.hand, planned: Boolean(state.prompt) });
    this.poll.wake();
  }

  push(frame, nowMs) {
    if (frame.signal && this.scene.open) this.scene.trace.push(levelOf(frame.signal), nowMs);
  }

  paint(nowMs) {
    if (this.#state === null || !this.scene.open) return;
    const now = this.#state.prompt ? this.#clock.at(nowMs) : this.#free(nowMs);
    const phase = this.scene.paint(now, nowMs);
    if (phase === null) return;
    this.poll.wake(); // the page has gone on by itself
    if (phase === "gesture" || phase === "rest") this.sound.play(phase);
  }

  #free(nowMs) {
    const { free } = this.lesson;
    const gone = Math.min(free, this.#state.seconds + (nowMs - this.#seenMs) / 1000);
    const left = free - gone;
    return { free: true, label: null, next: null, left, seconds: free, total: left, done: gone / free, paused: false, repetition: null, repetitions: null };
  }

  #ready(is) {
    byId("ready").hidden = !is;
    setText(byId("record-title"), text(is ? "record.title" : "record.title_done"));
    setText(byId("record-lead"), "");
    if (!is) return;
    const order = this.#order;
    const gestures = order?.gestures ?? ["open_hand"];
    setText(byId("record-lead"), order === null ? text("record.lead_free", this.lesson.free) : text("record.lead", gestures.length));
    setText(byId("record-total"), duration(order === null ? this.lesson.free : secondsOf(planOf(order))));
    byId("parade").replaceChildren(...gestures.map((label) => make("figure", {}, drawing(label, this.lesson.hand), make("figcaption", {}, order === null ? text("scene.free") : called(label)))));
  }

  async #start() {
    const { lesson } = this;
    quote(byId("record-error"), null);
    byId("record-start").disabled = true;
    const body = { subject: lesson.person, source: this.page.source?.name ?? null, plan: this.#order === null ? null : planOf(this.#order) };
    try {
      this.follow(await this.#post(nameOf(lesson.person), body));
    } catch (error) {
      quote(byId("record-error"), error);
    }
    byId("record-start").disabled = false;
  }

  /** With a number where somebody else has begun one of that name in the same second. */
  async #post(name, body) {
    for (let number = 1; ; number += 1) {
      try {
        return await this.server.post("/emg/recordings", { ...body, name: number === 1 ? name : `${name}-${number}` });
      } catch (error) {
        if (error.status !== 409 || number === NAMES) throw error;
      }
    }
  }

  async #look() {
    const { recording } = this.lesson;
    try {
      this.#take(await this.server.get(`/emg/recordings/${encodeURIComponent(recording)}`));
    } catch (error) {
      if (error.status !== 404) return; // what passes is said by the page
      this.#end(null);
      setText(byId("taken-title"), text("record.missing", recording));
    }
  }

  #take(state) {
    if (state.name !== this.lesson.recording) return;
    this.#seenMs = performance.now();
    if (state.state !== "recording") return this.#end(state);
    this.#state = state;
    if (!this.scene.open && this.page.step === this) this.scene.show({ hand: this.lesson.hand, planned: Boolean(state.prompt) });
    if (state.prompt) this.#clock.told(state.prompt, this.#seenMs);
    else if (state.seconds >= this.lesson.free && !this.#ending) this.#stop();
    this.#judge(state.repetitions ?? []);
  }

  /** What is newly known of a repetition, where it was not good. */
  #judge(repetitions) {
    const last = repetitions.findLastIndex(doubtful);
    const since = repetitions.slice(last + 1).filter(({ label, state }) => label !== REST && state === "done").length;
    this.#doubt = last >= 0 && since === 0 ? last : null; // one that is longer ago waits for the end
    if (this.#doubt === null) return this.scene.verdict(null);
    const { label, repetition } = repetitions[last];
    return this.scene.verdict(`${text("verdict.said", called(label), repetition, verdictOf(repetitions[last]))}. ${text("scene.offer")}`);
  }

  #end(state) {
    const { lesson } = this;
    this.#state = null;
    if (this.scene.open) this.scene.close();
    if (state !== null && !this.#stopped) this.sound.play("done");
    const repetitions = kept(state?.repetitions ?? []);
    const any = state !== null && state.samples > 0 && state.state !== "damaged" && (state.repetitions === undefined || lesson.way === "free" || repetitions.length > 0);
    lesson.set({ recording: null, recordings: any ? [...new Set([...lesson.recordings, state.name])] : lesson.recordings });
    if (any) this.page.steps.learn.forget();
    this.#summary(state, repetitions, any);
    this.page.refresh();
    const fine = any && !this.#stopped && !repetitions.some(doubtful) && state.state === "complete";
    if (fine) this.page.go("learn");
    else if (this.page.step === this) byId("record-title").focus();
  }

  #summary(state, repetitions, any) {
    this.bad = [...new Set(repetitions.filter(doubtful).map(({ label }) => label))].filter((label) => label !== REST);
    this.#ready(false);
    byId("taken").hidden = false;
    const good = repetitions.filter((one) => !doubtful(one)).length;
    const said = () => {
      if (state?.state === "failed") return text("record.failed");
      if (!any) return text("record.nothing");
      if (this.#stopped) return text("record.stopped", repetitions.length);
      return good === repetitions.length ? text("record.all_good", repetitions.length) : text("record.some_bad", good, repetitions.length);
    };
    setText(byId("taken-title"), said());
    quote(byId("taken-error"), state?.error ?? null);
    const item = (one) => make("li", { "data-state": one.state !== "done" ? "none" : doubtful(one) ? "warn" : "good" }, make("span", { class: "sign", "aria-hidden": "true" }), `${called(one.label)} ${one.repetition}`, make("span", { class: "note" }, verdictOf(one)));
    byId("takes").replaceChildren(...repetitions.map(item));
    byId("taken-bad").hidden = this.bad.length === 0;
    setText(byId("taken-bad"), text("record.bad", this.bad.length));
  }

  #act(what) {
    if (what === "sound") return this.#sounding(!this.sound.on);
    if (what === "stop") {
      this.#stopped = true;
      return this.#stop();
    }
    return this.#tell(what);
  }

  async #stop() {
    this.#ending = true;
    await this.#send(`/emg/recordings/${encodeURIComponent(this.lesson.recording)}/stop`);
  }

  #tell(action) {
    const which = action === "redo" && this.#doubt !== null ? { index: this.#doubt } : {};
    return this.#send(`/emg/recordings/${encodeURIComponent(this.lesson.recording)}/prompt`, { action, ...which });
  }

  async #send(path, body) {
    try {
      this.#take(await this.server.post(path, body));
    } catch (error) {
      if (error.status !== 409) this.scene.verdict(error.message, "en"); // 409: it makes no sense just now
    }
  }

  #sounding(on) {
    this.sound.on = on;
    this.lesson.set({ sound: on });
    byId("sound").checked = on;
    this.scene.sound(on);
  }

  #hints() {
    const keys = [["P", "pause"], ["R", "redo"], ["S", "skip"], ["Esc", "stop"]];
    byId("keys").replaceChildren(...keys.map(([key, what]) => make("li", {}, make("kbd", {}, key), text(`record.key_${what}`))));
    for (const [key, what] of keys) Object.assign(byId(`scene-${what}`).dataset, { key });
    for (const what of ["redo", "skip", "stop", "sound"]) setText(byId(`scene-${what}`), text(`scene.${what}`));
    byId("takes").setAttribute("aria-label", text("record.takes_list"));
  }
}
