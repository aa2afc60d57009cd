/** The page "Teach": from the electrodes on the arm to a model of one's own, in five steps. */

import { byId, make, setText } from "../elements.js";
import { installKeyDialog } from "../key_dialog.js";
import { Poll } from "../poll.js";
import { Screen } from "../screen.js";
import { Server } from "../server.js";
import { Session } from "../session.js";
import { Follow } from "./follow.js";
import { GesturesStep } from "./gestures_step.js";
import { installLanguage, text } from "./language.js";
import { LearnStep } from "./learn_step.js";
import { Lesson } from "./lesson.js";
import { RecordStep } from "./record_step.js";
import { SignalStep } from "./signal_step.js";
import { PutOnAgain, UseStep } from "./use_step.js";

const ORDER = ["signal", "gestures", "record", "learn", "use"];
const LOOK_MS = 2000;
const MARKS = { idle: "idle", connecting: "busy", live: "live", stalled: "warn", waiting: "bad", completed: "idle", failed: "bad" };

/** Holds the steps together. */
class Teach {
  source = null; // as /emg/sources has it
  step = null;
  #trouble = null;
  #listening = null; // name of the source whose stream is open

  constructor(server) {
    this.server = server;
    this.lesson = new Lesson();
    installLanguage(byId("language"));
    this.session = new Session(server, { onEvent: (event) => this.#event(event), onState: (state) => this.#heard(state) });
    this.steps = { signal: new SignalStep(this), gestures: new GesturesStep(this), record: new RecordStep(this), learn: new LearnStep(this), use: new UseStep(this) };
    this.again = new PutOnAgain(this);
    this.follow = new Follow(this);
    this.openKey = installKeyDialog(server, () => this.#keyed());
    byId("notice-act").addEventListener("click", () => this.openKey());
    byId("back").addEventListener("click", () => this.go(ORDER[ORDER.indexOf(this.step.id) - 1]));
    byId("next").addEventListener("click", () => this.go(ORDER[ORDER.indexOf(this.step.id) + 1]));
    this.screen = new Screen({ fast: (now) => this.#paint(now), slow: () => {}, shown: () => this.steps.signal.waveform.redraw() });
    this.poll = new Poll(() => this.#look(), () => LOOK_MS);
    this.#begin();
  }

  async #begin() {
    const named = new URLSearchParams(window.location.search).get("source");
    if (named) this.lesson.set({ source: named });
    await this.poll.wake();
    await this.#restore().catch((error) => (this.#trouble = error));
    if (this.step === null) this.go(this.#possible(this.lesson.step) ? this.lesson.step : "signal", false);
    this.again.look();
  }

  /** Where somebody was: in a recording or a job that goes on, at the recordings that the address names, or at a step. */
  async #restore() {
    const { lesson } = this;
    const query = new URLSearchParams(window.location.search);
    const named = query.get("recordings")?.split(",").filter(Boolean) ?? [];
    if (named.length > 0) return this.#learnFrom(named);
    const { recordings } = await this.server.get("/emg/recordings");
    const mine = ({ name, prompt, source }) => name === lesson.recording || (prompt !== null && source === this.source?.name);
    const running = recordings.find((one) => one.state === "recording" && mine(one));
    if (running) {
      this.go("record", false);
      return this.steps.record.follow(running);
    }
    if (lesson.recording !== null) return this.go("record", false); // its end is looked at there
    if (lesson.job !== null) return this.go(lesson.step === "record" ? "learn" : lesson.step, false);
    const { jobs } = await this.server.get("/jobs");
    const runs = ({ state, source }) => ["running", "queued"].includes(state) && source === this.source?.name;
    const same = ({ state, recordings: of }) => lesson.step === "learn" && state === "done" && of.join() === lesson.recordings.join();
    const job = jobs.find(runs) ?? jobs.find(same); // the page was closed before it heard of it
    if (!job) return undefined;
    lesson.set({ job: job.id, recordings: job.recordings });
    return this.go("learn", false);
  }

  async #learnFrom(recordings) {
    window.history.replaceState(null, "", window.location.pathname);
    this.lesson.anew();
    const first = await this.server.get(`/emg/recordings/${encodeURIComponent(recordings[0])}`).catch(() => null);
    this.lesson.set({ recordings, ...(first?.subject && { person: first.subject }) });
    this.go("learn", false);
  }

  #possible(step) {
    const { recordings, recording, job, model } = this.lesson;
    if (step === "learn") return recordings.length > 0 || job !== null;
    if (step === "use") return model !== null;
    return step !== "record" || recording !== null || !this.steps.gestures.next.off;
  }

  go(id, focus = true) {
    this.step?.leave();
    for (const one of ORDER) byId(`step-${one}`).hidden = one !== id;
    this.step = this.steps[id];
    this.lesson.set({ step: id });
    document.body.dataset.step = id;
    this.step.enter();
    this.refresh();
    if (focus) byId(`${id}-title`).focus();
    window.scrollTo(0, 0);
  }

  /** What can be done has changed. */
  refresh() {
    if (this.step === null) return;
    const at = ORDER.indexOf(this.step.id);
    const { said, off = false, note = "", hidden = false } = this.step.next;
    byId("back").hidden = at === 0;
    setText(byId("next"), said);
    byId("next").disabled = off;
    byId("next").hidden = hidden;
    setText(byId("onward-note"), note);
    this.#draw(at);
  }

  #draw(at) {
    const key = JSON.stringify([at, ...ORDER.map((id) => this.#possible(id))]);
    if (key === this.drawn) return;
    this.drawn = key;
    const items = ORDER.map((id, k) => {
      const state = k === at ? "now" : k < at ? "done" : "to come";
      const about = k < at ? [make("span", { class: "unseen" }, ` (${text("step.done")})`)] : [];
      const button = make("button", { type: "button", disabled: !this.#possible(id), "aria-current": k === at && "step" }, make("span", { class: "dot", "aria-hidden": "true" }, k < at ? "✓" : String(k + 1)), make("span", {}, text(`step.${id}`)), ...about);
      button.addEventListener("click", () => this.go(id));
      return make("li", { "data-state": state }, button);
    });
    byId("steps-list").replaceChildren(...items);
  }

  async #look() {
    try {
      const { default: fallback, sources } = await this.server.get("/emg/sources");
      this.source = sources.find(({ name }) => name === this.lesson.source) ?? sources.find(({ name }) => name === fallback) ?? null;
      this.steps.signal.configure(this.source, sources);
      this.#trouble = null;
      if (this.source && this.source.name !== this.#listening) this.listenTo(this.source.name, false);
    } catch (error) {
      this.#trouble = error;
    }
    this.#notice();
    this.refresh();
  }

  /** Stream that source from now on. */
  listenTo(name, chosen = true) {
    if (chosen) this.lesson.set({ source: name });
    this.#listening = name;
    this.steps.signal.clear();
    this.session.start({ source: name, include_signal: true });
    if (chosen) this.poll.wake();
  }

  #event(event) {
    if (event.status === "model" || event.status === "recovered") this.poll.wake();
    if (event.truth === undefined) return;
    const now = performance.now();
    this.steps.signal.push(event, now);
    if (this.step !== this.steps.signal) this.step?.push?.(event, now);
  }

  #heard(state) {
    byId("status").dataset.state = MARKS[state];
    setText(byId("status-text"), text(`status.${MARKS[state]}`));
    if (state === "completed" || state === "failed") this.#listening = null; // the next look opens it again
    if (state !== "live" && state !== "connecting") this.poll.wake();
  }

  #notice() {
    const { status } = this.#trouble ?? {};
    const key = status === 401 || status === 403;
    const scopes = !this.server.may("control");
    byId("notice").hidden = !this.#trouble && this.source !== null && !scopes;
    byId("notice-act").hidden = !key && !scopes;
    setText(byId("notice-act"), text("key.open"));
    const said = key ? "key.wanted" : this.#trouble ? "gone.title" : scopes ? "key.other" : "gone.source";
    setText(byId("notice-text"), text(said));
    setText(byId("about"), this.source === null ? "" : [this.source.name, this.source.model ?? ""].filter(Boolean).join(" · "));
  }

  /** With another key all is looked at anew. */
  async #keyed() {
    this.#listening = null;
    await this.poll.wake();
    await this.#restore().catch(() => {}); // what is wrong, the page says by itself
    this.again.look();
  }

  #paint(now) {
    if (this.step === this.steps.signal) this.step.paint(now);
    else this.step?.paint?.(now);
  }
}

window.teach = new Teach(new Server()); // for the console, and for those who look
