/** Step 4: the training, and what came of it. */

import { byId, make, setText } from "../elements.js";
import { Poll } from "../poll.js";
import { called } from "./gestures.js";
import { hintOf } from "./hints.js";
import { quote, text } from "./language.js";
import { panelsOf } from "./result.js";

const ASK_MS = 400;
const STAGES = ["queued", "reading", "edges", "judging", "learning", "comparing", "checking", "keeping"];
const OVER = ["done", "failed", "cancelled"];
const NAMES = 9; // tries, where a model of that name is there already

/** Starts a job where there is none, follows it, and shows its result. */
export class LearnStep {
  id = "learn";
  job = null; // as the server has it
  #starting = false;

  constructor(page) {
    [this.page, this.lesson, this.server] = [page, page.lesson, page.server];
    this.poll = new Poll(() => (this.lesson.job && !OVER.includes(this.job?.state) ? this.#look() : undefined), () => ASK_MS);
    byId("stages").setAttribute("aria-label", text("learn.stages"));
    byId("job-progress").setAttribute("aria-label", text("learn.title"));
    byId("job-cancel").addEventListener("click", () => this.#cancel());
    byId("job-again").addEventListener("click", () => this.start());
    byId("job-record").addEventListener("click", () => this.#anew());
  }

  get next() {
    return { said: text("result.keep"), off: this.job?.state !== "done", note: "" };
  }

  enter() {
    if (this.lesson.job === null && this.lesson.recordings.length > 0) this.start();
    else this.poll.wake();
  }

  leave() {}

  /** There is more to learn from, or something else. */
  forget() {
    this.job = null;
    this.lesson.set({ job: null, model: null, before: null, swapped: false });
  }

  /** Learn from the recordings of the lesson. */
  async start() {
    if (this.#starting) return;
    this.#starting = true;
    const { lesson } = this;
    this.forget();
    this.#show({ state: "queued", stage: null, progress: 0, result: null, error: null });
    const body = { recordings: lesson.recordings, base: lesson.base, person: lesson.person, use: "no", source: this.page.source?.name ?? null, ...(lesson.way === "free" && { unlabelled: true }) };
    try {
      const job = await this.#post(body);
      lesson.set({ job: job.id });
      this.#show(job);
    } catch (error) {
      this.#show({ state: "failed", stage: null, progress: 0, result: null, error: error.message, failure: error.problem?.failure });
    }
    this.#starting = false;
    this.poll.wake();
  }

  /** By the newest recording's name, with a number where a model is called so already. */
  async #post(body) {
    const name = body.recordings.at(-1).slice(0, 60);
    for (let number = 1; ; number += 1) {
      try {
        return await this.server.post("/trainings", { ...body, name: number === 1 ? name : `${name}-${number}` });
      } catch (error) {
        if (error.status !== 409 || number === NAMES) throw error;
      }
    }
  }

  async #look() {
    try {
      this.#show(await this.server.get(`/jobs/${encodeURIComponent(this.lesson.job)}`));
    } catch (error) {
      if (error.status === 404) this.#show({ state: "failed", stage: null, progress: 0, result: null, error: error.message });
    }
  }

  async #cancel() {
    try {
      this.#show(await this.server.delete(`/jobs/${encodeURIComponent(this.lesson.job)}`));
    } catch (error) {
      quote(byId("job-error"), error);
    }
  }

  #show(job) {
    const before = this.job?.state;
    this.job = job;
    const { state, stage, progress, error } = job;
    const done = state === "done";
    byId("job").hidden = done;
    byId("result").hidden = !done;
    const judged = typeof job.result?.accuracy === "number";
    setText(byId("learn-title"), text(done ? (judged ? "learn.title_done" : "learn.title_made") : "learn.title"));
    setText(byId("learn-lead"), done ? (judged ? text("learn.lead_done") : "") : text("learn.lead"));
    const now = state === "queued" ? "queued" : (stage ?? "reading");
    const said = { queued: text("learn.queued"), failed: text("learn.failed"), cancelled: text("learn.cancelled") }[state] ?? text(`stage.${now}`);
    setText(byId("job-text"), state === "queued" && this.#starting ? text("stage.queued") : said);
    if (job.failure) {
      const { said: why, lang } = hintOf({ ...job.failure, text: error });
      quote(byId("job-error"), why, lang);
    } else quote(byId("job-error"), error);
    byId("job-progress").value = progress;
    const over = OVER.includes(state);
    byId("job-cancel").hidden = over;
    byId("job-cancel").disabled = this.lesson.job === null; // it has no name yet
    for (const id of ["job-again", "job-record"]) byId(id).hidden = !over || done;
    for (const id of ["job-progress", "stages"]) byId(id).hidden = over;
    this.#stages(now, over && !done);
    if (done && before !== "done") this.#finished(job);
    this.page.refresh();
  }

  #stages(now, halted) {
    const at = STAGES.indexOf(now);
    const items = STAGES.slice(1).map((stage, k) => make("li", { "data-state": k + 1 < at ? "done" : k + 1 === at && !halted ? "now" : "to come" }, make("span", { class: "dot", "aria-hidden": "true" }), text(`stage.${stage}`)));
    byId("stages").replaceChildren(...items);
  }

  #finished(job) {
    this.lesson.set({ model: job.result.model });
    byId("result").replaceChildren(...panelsOf(job, this.lesson.hand), this.#choices(job));
    if (this.page.step === this) byId("learn-title").focus();
  }

  /** What to do with it. */
  #choices({ result }) {
    const button = (name, work) => {
      const made = make("button", { class: "button", type: "button" }, text(name));
      made.addEventListener("click", work);
      return made;
    };
    const gestures = result.classes.filter((name) => name !== "rest");
    const which = make("select", { id: "redo-which" }, ...gestures.map((name) => make("option", { value: name }, called(name))));
    const alike = result.alike?.gestures.find((name) => gestures.includes(name));
    if (alike) which.value = alike;
    const redo = make("div", { class: "redo" }, make("label", { for: "redo-which" }, text("result.redo_which")), which, button("result.redo", () => this.#more([which.value])));
    return make("section", { class: "panel choose" }, redo, button("result.more", () => this.#more(gestures)), button("result.discard", () => this.#discard()));
  }

  /** What was recorded is of no use: the same once more, and this time well. */
  #anew() {
    this.forget();
    this.page.steps.record.anew();
    this.page.go("record");
  }

  /** One repetition more of these; what was recorded before is learned from as well. */
  #more(gestures) {
    const { lesson } = this;
    this.forget();
    if (lesson.way === "free") lesson.set({ way: "new" });
    this.page.steps.record.prepare({ gestures, repetitions: 1, seconds: lesson.seconds }, true);
    this.page.go("record");
  }

  async #discard() {
    if (!window.confirm(text("result.discard_sure"))) return;
    try {
      await this.server.delete(`/models/${encodeURIComponent(this.lesson.model)}`);
    } catch (error) {
      return window.alert(error.message);
    }
    this.lesson.anew();
    this.forget();
    return this.page.go("gestures");
  }
}
