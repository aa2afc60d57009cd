/** The models that a server has: those that read a source, and why the others do not. */

import { make, spaced } from "./elements.js";

const NAMED = 8; // classes; of more there is the number alone

/** A list in groups; `onChoose(name)` gets what somebody chose, null for none. */
export class ModelList {
  constructor(place, onChoose) {
    [this.place, this.onChoose] = [place, onChoose];
  }

  /** @param {{models: object[], damaged: object[]}} found  of GET /models  @param {string} source  its name */
  show({ models, damaged }, source, current) {
    const beside = models.map((model) => ({ model, fit: fitOf(model, source) }));
    const fitting = beside.filter(({ fit }) => fit.fits).map(({ model, fit }) => this.#item(model.name, aboutModel(model, fit), model.name === current));
    const none = this.#item(null, "the signal is shown, judged and recorded, and nothing predicted", current === null);
    const others = [
      ...beside.filter(({ fit }) => !fit.fits).map(({ model, fit }) => [model.name, fit.how]),
      ...damaged.map(({ name, reason }) => [name, `damaged: ${reason}`]),
    ];
    this.place.replaceChildren(make("ul", { class: "devices" }, ...fitting, none), ...(others.length ? [unfit(others)] : []));
  }

  #item(name, about, used) {
    const button = make(
      "button",
      { class: "device", type: "button", "aria-current": used && "true" },
      make("span", { class: "name" }, name ?? "No model"),
      make("span", { class: "note" }, used ? `${about} · in use` : about),
    );
    button.addEventListener("click", () => this.onChoose(name));
    return make("li", {}, button);
  }
}

function unfit(others) {
  const title = make("summary", {}, `${others.length} more, which cannot be used here`);
  const items = others.map(([name, why]) => make("li", {}, make("span", { class: "name" }, name), make("span", { class: "note" }, why)));
  return make("details", {}, title, make("ul", { class: "unfit" }, ...items));
}

/** How a model reads that source; one that came after the list does not say. Pure. */
export function fitOf({ sources }, source) {
  return sources.find((one) => one.source === source) ?? { fits: false, how: "the server has not said whether it fits" };
}

/** A model in one line. Pure. */
export function aboutModel({ version, classes, outputs, lineage }, { how }) {
  return [`version ${version}`, toldBy({ classes, outputs }), lineage?.person && `of ${lineage.person}`, how].filter(Boolean).join(" · ");
}

/** What a model tells apart, or which values it gives. Pure. */
export function toldBy({ classes, outputs }) {
  const values = (outputs?.values ?? []).map(({ name }) => name);
  const [names, one, many] = classes.length ? [classes, "class", "classes"] : [values, "value", "values"];
  const count = `${names.length} ${names.length === 1 ? one : many}`;
  return names.length <= NAMED ? `${count}: ${names.map(spaced).join(", ")}` : count;
}
