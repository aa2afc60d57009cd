/** The event log: filtered, paused and saved. */

import { byId, make, save, setText } from "./elements.js";
import { jsonLines, KINDS } from "./log.js";

const ROWS = 100; // in the page; a saved file has all

/** Shows the newest entries of a log, the newest first. */
export class LogPanel {
  #next = 0; // id of the first entry that is not shown
  #paused = false;
  #kinds = new Set(KINDS.filter((kind) => kind !== "frame"));

  /** @param {import("./log.js").EventLog} log */
  constructor(log) {
    this.log = log;
    byId("log-kinds").append(...KINDS.map((kind) => this.#choice(kind)));
    byId("log-search").addEventListener("input", () => this.#anew());
    byId("log-pause").addEventListener("click", () => this.#pause());
    byId("log-save").addEventListener("click", () => {
      const name = `myostream-events-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.jsonl`;
      save(name, new Blob([jsonLines(this.#selected(0))], { type: "application/x-ndjson" }));
    });
  }

  paint() {
    if (this.#paused || this.log.added === this.#next) return;
    const found = this.#selected(this.#next).slice(-ROWS);
    this.#next = this.log.added;
    if (found.length === 0) return;
    const list = byId("log-entries");
    list.prepend(...found.reverse().map(row));
    while (list.childElementCount > ROWS) list.lastElementChild.remove();
  }

  #choice(kind) {
    const box = make("input", { type: "checkbox", value: kind, checked: this.#kinds.has(kind) });
    box.addEventListener("change", () => {
      if (box.checked) this.#kinds.add(kind);
      else this.#kinds.delete(kind);
      this.#anew();
    });
    return make("label", {}, box, kind);
  }

  #selected(from, to) {
    return this.log.select({ kinds: this.#kinds, search: byId("log-search").value, from, to });
  }

  #anew() {
    if (!this.#paused) this.#next = this.log.added;
    byId("log-entries").replaceChildren(...this.#selected(0, this.#next).slice(-ROWS).reverse().map(row));
  }

  #pause() {
    this.#paused = !this.#paused;
    byId("log-pause").setAttribute("aria-pressed", String(this.#paused));
    setText(byId("log-pause"), this.#paused ? "Go on" : "Pause");
    setText(byId("log-note"), this.#paused ? "paused; new events are kept" : "");
  }
}

function row({ time, kind, text }) {
  const clock = new Date(time);
  const shown = `${clock.toTimeString().slice(0, 8)}.${String(clock.getMilliseconds()).padStart(3, "0")}`;
  return make(
    "li",
    { "data-kind": kind },
    make("time", { datetime: clock.toISOString() }, shown),
    make("span", { class: "kind" }, kind),
    make("span", { class: "said" }, text),
  );
}
