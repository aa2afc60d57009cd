/** The names beside the signal: what is wrong with a channel, and which of them are drawn. */

import { byId, make, setText } from "./elements.js";
import { LaneChoice } from "./lane_choice.js";

const MOST = 64; // with a name each, and of a height that can be read
const FITTING = 20; // more must be scrolled

/** One row a lane; a click on its name shows it alone, one on its cross hides it, Delete does that by keyboard. */
export class LaneList {
  onShown = () => {}; // gets the lanes that are drawn, from above
  #lanes = []; // {element, name, badge}
  #choice = new LaneChoice(0);
  #current = 0; // of the names, the one that Tab comes to

  constructor() {
    byId("lanes-all").addEventListener("click", () => this.#do(() => this.#choice.all()));
    byId("lane-names").addEventListener("keydown", (event) => this.#key(event));
    byId("waveform").addEventListener("click", ({ offsetY, currentTarget }) => {
      const { shown } = this.#choice;
      const lane = shown[Math.floor((offsetY / currentTarget.clientHeight) * shown.length)];
      if (lane !== undefined) this.#do(() => this.#choice.alone(lane));
    });
  }

  /** @param {string[]} names  from above */
  configure(names) {
    this.#lanes = names.map((name, lane) => this.#row(name, lane));
    byId("lane-names").replaceChildren(...this.#lanes.map(({ element }) => element));
    this.#choice = new LaneChoice(names.length);
    this.#current = 0;
    this.#arrange();
  }

  /** What is wrong with a lane, and how bad that is: ok | warn | bad. */
  mark(lane, level, text) {
    this.#lanes[lane].element.dataset.level = level;
    setText(this.#lanes[lane].badge, text);
  }

  #row(text, lane) {
    const name = make("button", { class: "name", type: "button", title: `Show ${text} alone`, "aria-keyshortcuts": "Delete" }, text);
    const badge = make("span", { class: "problem" });
    const hide = make("button", { class: "hide", type: "button", tabindex: -1, "aria-label": `Hide ${text}`, title: `Hide ${text}` });
    name.addEventListener("click", () => this.#do(() => this.#choice.alone(lane)));
    name.addEventListener("focus", () => this.#visit(lane));
    hide.addEventListener("click", () => this.#do(() => this.#choice.hide(lane)));
    return { name, badge, element: make("li", {}, name, badge, hide) };
  }

  #do(change) {
    change();
    this.#arrange();
    this.onShown(this.#choice.shown);
  }

  #arrange() {
    const { shown, hidden, solo } = this.#choice;
    const step = Math.ceil(shown.length / MOST);
    this.#lanes.forEach(({ element, name }, lane) => {
      const at = shown.indexOf(lane);
      element.hidden = at < 0;
      name.toggleAttribute("data-left-out", at % step !== 0);
      name.setAttribute("aria-pressed", String(solo === lane));
    });
    this.#visit(shown.find((lane) => lane >= this.#current) ?? shown.at(-1) ?? 0);
    const board = byId("lanes");
    board.style.setProperty("--lanes", Math.min(shown.length, MOST));
    board.toggleAttribute("data-dense", shown.length > MOST); // lower than their names
    byId("lanes-scroll").tabIndex = shown.length > FITTING ? 0 : -1; // the arrow keys scroll it
    byId("lanes-all").hidden = shown.length === this.#lanes.length;
    setText(byId("lanes-all"), solo === null ? `Show ${hidden} hidden` : "Show all channels");
  }

  /** Tab comes to one of them, and the arrow keys to the others. */
  #visit(lane) {
    this.#current = lane;
    this.#lanes.forEach(({ name }, k) => (name.tabIndex = k === lane ? 0 : -1));
  }

  #key(event) {
    const { shown } = this.#choice;
    const at = shown.indexOf(this.#current);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: shown.length - 1 }[event.key];
    if (event.key === "Delete") this.#do(() => this.#choice.hide(this.#current));
    else if (to === undefined) return;
    event.preventDefault();
    const next = to === undefined ? this.#current : shown[Math.min(Math.max(to, 0), shown.length - 1)];
    this.#lanes[next]?.name.focus();
  }
}
