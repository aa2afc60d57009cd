/** Step 2: which gestures, how often, how long, and whose. */

import { byId, make, setText } from "../elements.js";
import { called, drawing, howTo, labelOf, LIBRARY, REST } from "./gestures.js";
import { duration, text } from "./language.js";
import { planOf, secondsOf } from "./plan.js";

/** Cards that are pressed or not, and a form beside them. */
export class GesturesStep {
  id = "gestures";

  constructor(page) {
    [this.page, this.lesson] = [page, page.lesson];
    const { lesson } = this;
    for (const radio of byId("choices").querySelectorAll("[name=hand]")) {
      radio.checked = radio.value === lesson.hand;
      radio.addEventListener("change", () => (lesson.set({ hand: radio.value }), this.#draw()));
    }
    for (const name of ["repetitions", "seconds", "person"]) {
      byId(name).value = lesson[name];
      byId(name).addEventListener("input", () => this.#chosen());
    }
    byId("choices").addEventListener("submit", (event) => event.preventDefault());
    byId("own").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add(byId("own-name").value.trim());
    });
    this.#draw();
    this.#count();
  }

  get next() {
    const { gestures, repetitions } = this.lesson;
    const few = gestures.length === 0;
    const once = gestures.length * repetitions === 1; // rest lies between two
    return { said: text("step.record"), off: few || once || !this.#sound, note: few ? text("gestures.few") : once ? text("gestures.once") : "" };
  }

  /** What is chosen here is taught from nothing. */
  enter() {
    this.lesson.set({ way: "new", base: null });
    this.page.steps.record.forget();
  }

  leave() {}

  get #sound() {
    return ["repetitions", "seconds", "person"].every((name) => byId(name).validity.valid) && byId("person").value.trim() !== "";
  }

  #chosen() {
    for (const name of ["repetitions", "seconds", "person"]) byId(name).setAttribute("aria-invalid", String(!byId(name).validity.valid));
    if (this.#sound) this.lesson.set({ repetitions: Number(byId("repetitions").value), seconds: Number(byId("seconds").value), person: byId("person").value.trim() });
    this.#count();
    this.page.refresh();
  }

  #add(name) {
    const label = labelOf(name);
    const { own, gestures } = this.lesson;
    setText(byId("own-error"), "");
    if (label === "") return;
    if (own.includes(label) || label === REST) return setText(byId("own-error"), text("gestures.taken"));
    byId("own-name").value = "";
    if (!LIBRARY.includes(label)) this.lesson.set({ own: [...own, label] });
    this.lesson.set({ gestures: [...new Set([...gestures, label])] });
    return this.#changed(label);
  }

  #toggle(label) {
    const { gestures } = this.lesson;
    this.lesson.set({ gestures: gestures.includes(label) ? gestures.filter((one) => one !== label) : [...gestures, label] });
    this.#changed(label);
  }

  #remove(label) {
    const without = (names) => names.filter((one) => one !== label);
    this.lesson.set({ own: without(this.lesson.own), gestures: without(this.lesson.gestures) });
    this.#changed();
    byId("own-name").focus();
  }

  /** The cards anew, with the focus where it was. */
  #changed(label) {
    this.#draw();
    this.#count();
    this.page.refresh();
    byId("library").querySelector(`[data-label="${CSS.escape(label ?? "")}"]`)?.focus();
  }

  #draw() {
    byId("library").setAttribute("aria-label", text("gestures.library"));
    byId("library").replaceChildren(...[...LIBRARY, ...this.lesson.own].map((label) => this.#card(label)));
  }

  #card(label) {
    const rest = label === REST;
    const on = rest || this.lesson.gestures.includes(label);
    const face = [drawing(label, this.lesson.hand), make("b", {}, called(label)), make("span", { class: "note" }, rest ? text("gestures.always") : howTo(label))];
    if (rest) return make("li", {}, make("div", { class: "card", "data-on": true }, ...face));
    const card = make("button", { class: "card", type: "button", "aria-pressed": String(on), "data-label": label }, ...face);
    card.addEventListener("click", () => this.#toggle(label));
    if (LIBRARY.includes(label)) return make("li", {}, card);
    const remove = make("button", { class: "remove", type: "button", "aria-label": text("gestures.remove", label) }, "×");
    remove.addEventListener("click", () => this.#remove(label));
    return make("li", {}, card, remove);
  }

  #count() {
    const { gestures, repetitions, seconds } = this.lesson;
    setText(byId("total"), gestures.length ? duration(secondsOf(planOf(this.lesson))) : "–");
    setText(byId("total-parts"), gestures.length ? text("gestures.parts", gestures.length, repetitions, seconds) : "");
  }
}
