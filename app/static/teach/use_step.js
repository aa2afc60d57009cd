/** Step 5: the new model under the running stream, the one before beside it, and the profile. */

import { byId, make, percent, setText } from "../elements.js";
import { Session } from "../session.js";
import { called, drawing, REST } from "./gestures.js";
import { quote, text } from "./language.js";
import { freeSeconds } from "./plan.js";

const OPEN_MS = 60_000; // it is tried out by every worker before it serves
const TRY_S = 60;

/** Shows what both models make of the same signal. */
export class UseStep {
  id = "use";
  #since = null; // ms, from when on both are shown
  #said = { new: null, old: null }; // label of each
  #same = 0;
  #seen = 0;
  #kept = false;
  #busy = false;

  constructor(page) {
    [this.page, this.lesson, this.server] = [page, page.lesson, page.server];
    this.beside = new Session(this.server, { onEvent: (event) => this.#frame("old", event), onState: () => {} });
    byId("use-back").addEventListener("click", () => (this.lesson.swapped ? this.#back() : this.#swap()));
    byId("use-keep").addEventListener("click", () => (this.#kept ? window.location.assign("./") : this.#keep()));
    byId("use-anew").addEventListener("click", () => {
      this.lesson.anew();
      this.page.steps.learn.forget();
      this.page.go("gestures");
    });
  }

  get next() {
    return { said: text("use.finish"), off: !this.#kept, note: "", hidden: true };
  }

  enter() {
    this.#kept = false;
    [this.#same, this.#seen] = [0, 0];
    setText(byId("use-said"), "");
    this.#names();
    if (this.lesson.swapped) this.#both();
    else this.#swap();
  }

  leave() {
    this.beside.stop();
    this.#since = null;
  }

  push(frame) {
    this.#frame("new", frame);
  }

  paint(nowMs) {
    if (this.#since === null) return;
    const left = Math.ceil(TRY_S - (nowMs - this.#since) / 1000);
    const lead = this.lesson.before === null ? "use.lead_alone" : left > 0 ? "use.lead" : "use.lead_over";
    setText(byId("use-lead"), text(lead, left));
    if (this.lesson.before !== null && this.#seen > 30) setText(byId("use-agree"), text("use.agree", Math.round((100 * this.#same) / this.#seen)));
  }

  #path() {
    return `/emg/sources/${encodeURIComponent(this.page.source.name)}/model`;
  }

  /** The new one reads the source from one sample on; streams go on. */
  #swap() {
    return this.#work(text("use.swapping"), async () => {
      const { model } = this.lesson;
      const { model: current, models_before: earlier } = this.page.source;
      const found = { previous: earlier.at(-1)?.model ?? null }; // where it reads the source already
      const { previous } = current === model ? found : await this.server.put(this.#path(), { model }, OPEN_MS);
      this.lesson.set({ swapped: true, before: previous });
      this.#both();
      return text("use.swapped", model);
    });
  }

  #back() {
    return this.#work("", async () => {
      const { model } = await this.server.delete(this.#path(), OPEN_MS);
      this.lesson.set({ swapped: false });
      this.beside.stop();
      this.#since = null;
      return text("use.went_back", model ?? text("use.none"));
    });
  }

  #keep() {
    return this.#work("", async () => {
      const { person, model } = this.lesson;
      const { decision = null, notes = "" } = await this.#profile(person);
      await this.server.put(`/profiles/${encodeURIComponent(person)}`, { person, model, decision, notes });
      this.#kept = true;
      return text("use.kept", person, model);
    });
  }

  /** The one of now: what is not of the model stays. */
  async #profile(name) {
    const { profiles } = await this.server.get("/profiles");
    return profiles.find((one) => one.name === name) ?? {};
  }

  async #work(meanwhile, work) {
    if (this.#busy) return;
    this.#busy = true;
    quote(byId("use-error"), null);
    setText(byId("use-said"), meanwhile);
    try {
      setText(byId("use-said"), await work());
    } catch (error) {
      setText(byId("use-said"), "");
      quote(byId("use-error"), error);
    }
    this.#busy = false;
    this.#names();
    this.page.refresh();
  }

  #both() {
    this.#since = performance.now();
    const { before } = this.lesson;
    byId("old").hidden = before === null;
    if (before !== null) this.beside.start({ source: this.page.source.name, model: before });
  }

  #names() {
    const { model, before, swapped } = this.lesson;
    setText(byId("new-name"), text("use.model", text("use.new"), model ?? ""));
    setText(byId("old-name"), text("use.model", text("use.old"), before ?? text("use.none")));
    byId("old").hidden = before === null;
    setText(byId("use-back"), swapped ? text("use.back", before ?? text("use.none")) : text("use.forth", model ?? ""));
    byId("use-back").hidden = this.#kept;
    byId("use-keep").disabled = !swapped;
    setText(byId("use-keep"), text(this.#kept ? "use.finish" : "use.keep"));
  }

  #frame(which, { decision_label: label, confidence }) {
    if (label === undefined) return;
    byId(`${which}-sure`).style.transform = `scaleX(${(confidence ?? 0).toFixed(2)})`;
    byId(`${which}-sure`).parentElement.title = percent(confidence ?? null);
    if (which === "new" && this.#said.old !== null) {
      this.#seen += 1;
      if (label === this.#said.old) this.#same += 1;
    }
    if (this.#said[which] === label) return;
    this.#said[which] = label;
    setText(byId(`${which}-says`), called(label));
    byId(`${which}-says`).toggleAttribute("data-rest", label === REST);
    byId(`${which}-hand`).replaceChildren(drawing(label, this.lesson.hand));
  }
}

/** A model that a person has already, for who only puts the armband on again. */
export class PutOnAgain {
  constructor(page) {
    this.page = page;
    byId("again-free").addEventListener("click", () => this.#begin("free"));
    byId("again-two").addEventListener("click", () => this.#begin("two"));
  }

  /** Ask which there are; nothing is said where there are none, or the key does not open them. */
  async look() {
    const found = await this.page.server.get("/profiles").catch(() => ({ profiles: [] }));
    this.profiles = found.profiles.filter(({ model, trouble }) => model !== null && !trouble);
    byId("again").hidden = this.profiles.length === 0;
    byId("again-who").replaceChildren(...this.profiles.map(({ name, person, model }) => make("option", { value: name }, text("again.of", person ?? name, model))));
  }

  async #begin(way) {
    const { page } = this;
    const { name, person, model } = this.profiles.find((one) => one.name === byId("again-who").value);
    const { classes } = await page.server.get(`/models/${encodeURIComponent(model)}`).catch(() => ({ classes: [] }));
    const gestures = classes.filter((one) => one !== REST).slice(0, 2);
    page.lesson.anew();
    page.steps.learn.forget();
    page.lesson.set({ way, base: model, free: freeSeconds(classes.length), person: /^[A-Za-z0-9]{1,32}$/.test(person ?? name) ? (person ?? name) : page.lesson.person });
    page.steps.record.prepare({ gestures, repetitions: 1, seconds: page.lesson.seconds });
    page.go("record");
  }
}
