/** Recordings: begin one with prompts, follow it, learn from it, take it home. */

import { comparisonOf, toldOf } from "./comparison.js";
import { byId, capital, counted, make, save, setText, spaced } from "./elements.js";
import { Field } from "./field.js";
import { FileImport } from "./file_import.js";
import { Learned } from "./learned.js";

const FIELDS = [
  { name: "name", label: "Name", kind: "text", attributes: { placeholder: "by time" } },
  { name: "subject", label: "Subject", kind: "text", attributes: { placeholder: "S01", maxlength: 32 } },
  { name: "prompted", label: "With prompts", kind: "check" },
  { name: "gestures", label: "Gestures, in order", kind: "text", whole: true, attributes: { required: true, placeholder: "rest, fist, or names of your own" } },
  { name: "repetitions", label: "Repetitions", kind: "number", attributes: { min: 1, max: 100, step: 1, required: true } },
  { name: "seconds", label: "Seconds each", kind: "number", attributes: { min: 0.1, step: "any", required: true } },
];
const FORMATS = [["npz", "npz"], ["bdf", "zip"], ["xdf", "xdf"]]; // as the API calls them, and how their files end
const NEEDS = "recordings-needs"; // says why buttons are off
const FEW = 6; // recordings in the list, until somebody asks for all
const PLAN = ["gestures", "repetitions", "seconds"];

/** Names between commas, as they were written; only what a model calls `open_hand` may be written `open hand`. */
export function namesIn(text, known) {
  const names = text.split(",").map((name) => name.trim()).filter(Boolean);
  return names.map((name) => known.find((one) => one === name.replaceAll(" ", "_")) ?? name);
}

/** A form, the running recording's prompt, and the finished ones. */
export class RecordingsPanel {
  #running = null; // state of the recording that runs
  #asked = 0; // when its state came, ms
  #touched = false;
  #names = [];
  #model = null; // that reads the source
  #open = new Set(); // names of recordings whose model is compared
  #shows = FEW;

  /** `onUse` is given the name of a model that the source is to be read by. */
  constructor(server, { source, onUse }) {
    [this.server, this.source, this.onUse] = [server, source, onUse];
    this.learned = new Learned(server);
    const made = FIELDS.map((about) => new Field("recording", about));
    this.fields = Object.fromEntries(made.map((field) => [field.name, field]));
    this.button = make("button", { class: "button", type: "submit" }, "Record");
    this.button.setAttribute("aria-describedby", NEEDS);
    this.said = make("p", { class: "error", role: "alert" });
    this.needs = make("p", { class: "note", id: NEEDS, hidden: true });
    const last = make("div", { class: "field whole" }, this.button, this.said, this.needs);
    const form = byId("recorder");
    form.classList.add("fields");
    form.append(...made.map((field) => field.element), last);
    this.imports = new FileImport(server, NEEDS, () => this.refresh());
    byId("files").before(this.imports.element);
    this.all = make("button", { class: "button small", type: "button", hidden: true });
    this.all.addEventListener("click", () => {
      this.#shows = this.#shows === FEW ? Infinity : FEW;
      this.refresh();
    });
    byId("files").after(this.all);
    for (const [name, value] of [["prompted", true], ["repetitions", 3], ["seconds", 3]]) this.fields[name].value = value;
    form.addEventListener("input", () => ((this.#touched = true), this.#plan()));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.#stop();
      else this.#start();
    });
  }

  get running() {
    return this.#running !== null;
  }

  /** Names to begin with: the model's classes, or those of the source's labels. */
  configure(names) {
    this.#names = names;
    if (!this.#touched) this.fields.gestures.value = names.join(", ");
  }

  /** Which model reads the source now. */
  readBy(model) {
    this.#model = model;
    for (const button of byId("files").querySelectorAll("button[data-model]")) this.#mark(button);
  }

  /** Why there is nothing to see, in a sentence; "" where there is. */
  explain(text) {
    byId("recordings-plain").hidden = text === "";
    byId("recordings-some").hidden = text !== "";
    setText(byId("recordings-plain"), text);
  }

  /** Turns off what the key does not open, and says so. */
  permit() {
    const may = this.server.may("control");
    const own = this.server.scopes?.join(" and ");
    for (const button of [this.button, this.imports.button, ...byId("files").querySelectorAll("button:not([aria-controls])")]) button.disabled = !may;
    for (const link of byId("files").querySelectorAll("a")) link.hidden = !may;
    this.needs.hidden = may;
    setText(this.needs, may ? "" : `This key may ${own}. To record, import, download and delete takes one with the scope control.`);
  }

  async refresh() {
    try {
      const path = this.#running ? `/emg/recordings/${encodeURIComponent(this.#running.name)}` : null;
      if (path) return this.#follow(await this.server.get(path));
      const { recordings } = await this.server.get("/emg/recordings");
      this.explain("");
      const running = recordings.find(({ state }) => state === "recording");
      if (running) this.#follow(running);
      await this.learned.refresh();
      this.#list(recordings);
      this.permit();
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#running = null;
      this.explain(error.message);
    }
  }

  /** Between two answers the prompt counts down by itself. */
  paint(nowMs) {
    const prompt = this.#running?.prompt;
    byId("prompt").hidden = !prompt;
    if (!prompt) return;
    const left = Math.max(0, prompt.seconds_left - (nowMs - this.#asked) / 1000);
    setText(byId("prompt-now"), prompt.label === null ? "Get ready" : capital(spaced(prompt.label)));
    const next = prompt.next_label === null ? "then it is done" : `then ${spaced(prompt.next_label)}`;
    setText(byId("prompt-next"), `${Math.ceil(left)} s, ${next}`);
    byId("prompt-done").style.transform = `scaleX(${prompt.steps ? prompt.step / prompt.steps : 0})`;
  }

  async #start() {
    const wanted = ["name", "subject", ...(this.fields.prompted.value ? PLAN : [])];
    if (!wanted.map((name) => this.fields[name].check()).every(Boolean)) return;
    const value = (name) => this.fields[name].value;
    const gestures = namesIn(value("gestures") ?? "", this.#names);
    const plan = { gestures, repetitions: value("repetitions"), seconds: value("seconds") };
    const body = { name: value("name"), subject: value("subject"), source: this.source(), plan: value("prompted") ? plan : null };
    await this.#do(async () => this.#follow(await this.server.post("/emg/recordings", body)));
  }

  async #stop() {
    const path = `/emg/recordings/${encodeURIComponent(this.#running.name)}/stop`;
    await this.#do(async () => this.#follow(await this.server.post(path)));
    await this.refresh();
  }

  #follow(state) {
    const before = this.#running;
    this.#running = state.state === "recording" ? state : null;
    this.#asked = performance.now();
    setText(this.said, state.error ?? "");
    setText(this.button, this.#running ? `Stop after ${state.seconds.toFixed(0)} s` : "Record");
    this.paint(this.#asked);
    if (before && !this.#running) return this.refresh();
    return undefined;
  }

  #plan() {
    for (const name of PLAN) this.fields[name].element.hidden = !this.fields.prompted.value;
  }

  #list(recordings) {
    const all = recordings.filter(({ state }) => state !== "recording");
    this.all.hidden = all.length <= FEW;
    setText(this.all, this.#shows === FEW ? `Show all ${all.length} recordings` : `Show the newest ${FEW}`);
    const done = all.slice(0, this.#shows);
    const jobs = done.map(({ name }) => this.learned.of(name));
    const key = JSON.stringify([done, jobs.map((job) => job?.id)]);
    if (key === this.listed) return;
    this.listed = key;
    byId("files").replaceChildren(...done.map((recording, k) => this.#item(recording, jobs[k])));
  }

  #item({ name, seconds, gaps, state, error }, job) {
    const path = `/emg/recordings/${encodeURIComponent(name)}`;
    const act = (text, label, work) => {
      const button = make("button", { class: "button small", type: "button", "aria-label": `${label} ${name}`, "aria-describedby": NEEDS }, text);
      button.addEventListener("click", () => this.#do(work));
      return button;
    };
    const take = (format, suffix) => async () => save(`${name}.${suffix}`, await this.server.file(`${path}/download?format=${format}`));
    const about = error ? `${state}: ${error}` : `${seconds.toFixed(1)} s${gaps ? `, ${counted(gaps, "gap")}` : ""}`;
    const erase = async () => {
      if (!window.confirm(`Delete the recording ${name} for good?`)) return;
      await this.server.delete(path);
      await this.refresh();
    };
    const files = FORMATS.map(([format, suffix]) => act(format, `Download as ${format}`, take(format, suffix)));
    const learn = make("a", { class: "button small", href: `${this.server.url || "."}/teach?recordings=${encodeURIComponent(name)}`, "aria-label": `Learn from ${name}` }, "Learn");
    const found = job === null ? [] : [make("span", { class: "note learned" }, toldOf(job.result))];
    const { buttons: steps, detail } = job === null ? { buttons: [], detail: [] } : this.#steps(name, job.result);
    const first = make("span", { class: "buttons" }, ...(error ? [] : [learn]), ...steps);
    const last = make("span", { class: "buttons" }, ...files, act("Delete", "Delete", erase));
    return make("li", {}, make("span", { class: "name" }, name), make("span", { class: "note" }, about), ...found, first, ...detail, last);
  }

  /** What comes after learning: the model beside others, and its use. */
  #steps(name, result) {
    const id = `compare-${name}`;
    const detail = make("div", { class: "comparison", id, role: "group", "aria-label": `${result.model} compared`, hidden: !this.#open.has(name) }, ...comparisonOf(result));
    const compare = make("button", { class: "button small", type: "button", "aria-controls": id, "aria-expanded": String(!detail.hidden), "aria-label": `Compare ${result.model}` }, "Compare");
    compare.addEventListener("click", () => {
      detail.hidden = !detail.hidden;
      compare.setAttribute("aria-expanded", String(!detail.hidden));
      if (detail.hidden) this.#open.delete(name);
      else this.#open.add(name);
    });
    const use = make("button", { class: "button small", type: "button", "data-model": result.model, "aria-label": `Use ${result.model}`, "aria-describedby": NEEDS });
    use.addEventListener("click", () => use.dataset.model !== this.#model && this.onUse(result.model));
    this.#mark(use);
    return { buttons: [compare, use], detail: [detail] };
  }

  /** It keeps the focus where it is: so it says that the model is in use, and is not turned off. */
  #mark(button) {
    const used = button.dataset.model === this.#model;
    setText(button, used ? "In use" : "Use");
    button.setAttribute("aria-label", used ? `${button.dataset.model} is in use` : `Use ${button.dataset.model}`);
    button.setAttribute("aria-disabled", String(used));
  }

  async #do(work) {
    setText(this.said, "");
    try {
      await work();
    } catch (error) {
      setText(this.said, error.message);
    }
  }
}
