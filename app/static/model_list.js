/** The models and people's profiles that a server has: what can read a source, and why the others cannot. */

import { make, spaced } from "./elements.js";

const NAMED = 8; // classes; of more there is the number alone

/** A list in groups; `onChoose(pick)` gets {model} or {profile}: what somebody chose, a model of null for none. */
export class ModelList {
  constructor(place, onChoose) {
    [this.place, this.onChoose] = [place, onChoose];
  }

  /**
   * @param {{models: object[], damaged: object[]}} found  of GET /models
   * @param {object[]} profiles                            of GET /profiles
   * @param {{name: string, model: string | null, profile?: string | null}} source  as /emg/sources has it
   */
  show({ models, damaged }, profiles, { name: source, model: current, profile = null }) {
    const beside = models.map((model) => ({ model, fit: fitOf(model, source) }));
    const fitting = beside.filter(({ fit }) => fit.fits).map(({ model, fit }) => this.#item({ model: model.name }, aboutModel(model, fit), profile === null && model.name === current));
    const none = this.#item({ model: null }, "the signal is shown, judged and recorded, and nothing predicted", current === null);
    const people = profiles.filter(({ trouble }) => !trouble).map((one) => this.#item({ profile: one.name }, aboutProfile(one), one.name === profile));
    const others = [
      ...beside.filter(({ fit }) => !fit.fits).map(({ model, fit }) => [model.name, fit.how]),
      ...damaged.map(({ name, reason }) => [name, `damaged: ${reason}`]),
      ...profiles.filter(({ trouble }) => trouble).map(({ name, trouble }) => [name, `profile: ${trouble}`]),
    ];
    const group = (title, items) => (items.length ? [make("h3", {}, title), make("ul", { class: "devices" }, ...items)] : []);
    this.place.replaceChildren(...group("Profiles", people), ...group("Models", [...fitting, none]), ...(others.length ? [unfit(others)] : []));
  }

  #item(pick, about, used) {
    const button = make(
      "button",
      { class: "device", type: "button", "aria-current": used && "true" },
      make("span", { class: "name" }, pick.profile ?? pick.model ?? "No model"),
      make("span", { class: "note" }, used ? `${about} · in use` : about),
    );
    button.addEventListener("click", () => this.onChoose(pick));
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

/** A person's profile in one line. Pure. */
export function aboutProfile({ person, model, montage, decision, notes }) {
  const rule = Object.entries(decision ?? {}).filter(([, value]) => value); // 0 is no threshold
  const parts = [
    person && `of ${person}`,
    model ? `model ${model}` : "the model of now",
    montage && `channels ${montage}`,
    rule.length > 0 && rule.map(([name, value]) => `${spaced(name)} ${value}`).join(", "),
    notes,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** What a model tells apart, or which values it gives. Pure. */
export function toldBy({ classes, outputs }) {
  const values = (outputs?.values ?? []).map(({ name }) => name);
  const [names, one, many] = classes.length ? [classes, "class", "classes"] : [values, "value", "values"];
  const count = `${names.length} ${names.length === 1 ? one : many}`;
  return names.length <= NAMED ? `${count}: ${names.map(spaced).join(", ")}` : count;
}
