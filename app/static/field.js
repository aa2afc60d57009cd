/** A field of a form: a label, a control, and room for what is wrong with it. */

import { make, setText } from "./elements.js";

/** Shared by the stream's and the recording's forms. */
export class Field {
  /**
   * @param {string} prefix  of ids, one a form
   * @param {object} about
   * @param {string} about.name     the API's own
   * @param {string} about.label
   * @param {"number" | "text" | "check" | "choice"} about.kind
   * @param {boolean} [about.whole]  takes the whole row
   * @param {object} [about.attributes]  of the control
   */
  constructor(prefix, { name, label, kind, whole = false, attributes = {} }) {
    [this.name, this.kind] = [name, kind];
    const id = `${prefix}-${name}`;
    const type = { number: "number", text: "text", check: "checkbox" }[kind];
    this.control = make(type ? "input" : "select", { id, name, type, autocomplete: "off", ...attributes });
    this.control.setAttribute("aria-describedby", `${id}-error`);
    this.error = make("p", { class: "error", id: `${id}-error` });
    const title = make("label", { for: id }, label);
    const parts = kind === "check" ? [this.control, title] : [title, this.control];
    const classes = ["field", kind === "check" && "check", whole && "whole"].filter(Boolean).join(" ");
    this.element = make("div", { class: classes }, ...parts, this.error);
  }

  /** A number, text, truth or choice; null where nothing is given. */
  get value() {
    if (this.kind === "check") return this.control.checked;
    const text = this.control.value.trim();
    if (text === "") return null;
    return this.kind === "number" ? Number(text) : text;
  }

  set value(value) {
    if (this.kind === "check") this.control.checked = value;
    else this.control.value = value ?? "";
  }

  /** Whether the browser finds it within bounds; says so if not. */
  check() {
    this.complain(this.control.validity.valid ? "" : this.control.validationMessage);
    return this.control.validity.valid;
  }

  complain(text) {
    setText(this.error, text);
    this.control.setAttribute("aria-invalid", String(text !== ""));
  }

  /** @param {{value: string, label: string}[]} choices  the value stays where it is among them */
  offer(choices) {
    const key = JSON.stringify(choices);
    if (key === this.offered) return;
    this.offered = key;
    const before = this.control.value;
    this.control.replaceChildren(...choices.map(({ value, label }) => make("option", { value }, label)));
    if (choices.some(({ value }) => value === before)) this.control.value = before;
  }
}
