/** The stream's options: one field for each of the API's, and the same request as a line for a shell. */

import { Drawer } from "./drawer.js";
import { byId, setText } from "./elements.js";
import { Field } from "./field.js";
import { curl, DEFAULTS, votesFor } from "./options.js";
import { valuesOf } from "./source_facts.js";

const BACKENDS = [
  ["onnxruntime", "ONNX Runtime"],
  ["pytorch", "PyTorch"],
  ["tensorrt", "TensorRT"],
];
const FLEET = ["remote", "Fleet"]; // where the server has one
const SHARE = { min: 0, max: 1, step: "any" };
const THE_MODELS = { placeholder: "the model's", title: "With all five of these empty, the model's own hold" };
const FIELDS = [
  { name: "source", label: "Source", kind: "choice", whole: true },
  { name: "backend", label: "Backend", kind: "choice", whole: true },
  { name: "fps", label: "Frames a second", kind: "number", attributes: { min: 0.1, step: "any", required: true } },
  { name: "duration_seconds", label: "Duration, s", kind: "number", attributes: { min: 0.1, max: 604800, step: "any", placeholder: "until stopped" } },
  { name: "votes", label: "Votes", kind: "number", attributes: { min: 1, max: 1000, step: 1, ...THE_MODELS } },
  { name: "min_confidence", label: "Min. confidence", kind: "number", attributes: { ...SHARE, ...THE_MODELS } },
  { name: "enter", label: "Gesture begins at", kind: "number", attributes: { ...SHARE, ...THE_MODELS } },
  { name: "leave", label: "and ends below", kind: "number", attributes: { ...SHARE, ...THE_MODELS } },
  { name: "change", label: "Another follows at", kind: "number", attributes: { ...SHARE, ...THE_MODELS } },
  { name: "preprocess", label: "Normalise (preprocess)", kind: "check" },
  { name: "use_tensorrt", label: "Prefer TensorRT", kind: "check" },
  { name: "include_signal", label: "Show the signal", kind: "check" },
  { name: "include_aux", label: "Show what comes beside it", kind: "check" },
  { name: "events", label: "Tell gestures as events", kind: "check" },
];
const OF_CLASSES = ["votes", "min_confidence", "enter", "leave", "change"];
const OF_MODEL = ["backend", "preprocess", "use_tensorrt"];
const APPLY_MS = 400; // after the last key stroke

/** Reads and shows the options; `onChange` gets them when they are sound. */
export class Controls {
  valued = false; // whether the model gives values, and decides nothing
  assumed = null; // votes, where the form says nothing of decisions
  #timer = 0;

  constructor(server, onChange) {
    this.server = server;
    this.drawer = new Drawer();
    const made = FIELDS.map((about) => new Field("option", about));
    this.fields = Object.fromEntries(made.map((field) => [field.name, field]));
    const form = byId("options");
    form.classList.add("fields");
    form.append(...made.map((field) => field.element));
    for (const field of made) field.value = DEFAULTS[field.name];
    this.fields.include_signal.value = true;
    this.fields.include_aux.value = true;
    this.fields.include_aux.element.hidden = true; // until a source has something
    this.fields.source.offer([{ value: "", label: "the server's own" }]);
    this.backends({});
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      this.show();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.valid() && onChange(this.options), APPLY_MS);
    });
    byId("copy").addEventListener("click", () => this.#copy());
    this.show();
  }

  get options() {
    const options = Object.fromEntries(Object.entries(this.fields).map(([name, field]) => [name, field.value]));
    options.include_aux &&= !this.fields.include_aux.element.hidden;
    if (this.valued) for (const name of OF_CLASSES) options[name] = DEFAULTS[name]; // such a model refuses them
    else if (OF_CLASSES.every((name) => options[name] === null)) options.votes = this.assumed;
    return options;
  }

  /** Shows what this source can be asked for. @param {import("./source_facts.js").Facts} facts */
  suit({ model, profile, aux }) {
    this.valued = valuesOf(model).length > 0;
    if (model?.decision !== undefined) this.assumed = votesFor(model, profile); // else it is being asked for
    this.fields.votes.control.placeholder = this.assumed ?? THE_MODELS.placeholder;
    for (const name of OF_MODEL) this.fields[name].element.hidden = model === null;
    for (const name of OF_CLASSES) this.fields[name].element.hidden = model === null || this.valued;
    this.fields.events.element.hidden = model === null || this.valued;
    this.fields.include_aux.element.hidden = aux.length === 0;
    this.show();
  }

  valid() {
    const valid = Object.values(this.fields)
      .map((field) => field.check())
      .every(Boolean);
    if (!valid) this.drawer.show(true);
    return valid;
  }

  /** What the server said is wrong, by field. */
  complain(errors = {}) {
    clearTimeout(this.#timer); // a key stroke from before would have the field checked, and this wiped away
    if (Object.keys(errors).some((name) => this.fields[name])) this.drawer.show(true); // it must be seen
    for (const [name, texts] of Object.entries(errors)) this.fields[name]?.complain([texts].flat().join("; "));
  }

  /** @param {{name: string}[]} sources */
  sources(sources, fallback) {
    const own = fallback ? `the server's own (${fallback})` : "the server's own";
    this.fields.source.offer([
      { value: "", label: own },
      ...sources.map(({ name }) => ({ value: name, label: name })),
    ]);
  }

  /** @param {Record<string, {available: boolean}>} states */
  backends(states) {
    const of = ([value, label]) => {
      const missing = states[value]?.available === false;
      return { value, label: missing ? `${label} (not available)` : label };
    };
    const known = states.remote ? [FLEET, ...BACKENDS] : BACKENDS;
    this.fields.backend.offer([{ value: "", label: "Best available" }, ...known.map(of)]);
  }

  show() {
    this.fields.use_tensorrt.control.disabled = this.fields.backend.value !== null;
    setText(byId("curl"), curl(this.server.address, this.options, this.server.key !== ""));
  }

  async #copy() {
    const button = byId("copy");
    try {
      await navigator.clipboard.writeText(byId("curl").textContent);
      setText(button, "Copied");
    } catch {
      getSelection().selectAllChildren(byId("curl")); // no clipboard without https: select it instead
      setText(button, "Selected: press Ctrl+C");
    }
    setTimeout(() => setText(button, "Copy"), 2000);
  }
}
