/** Elements of the page: found, made, and written to only where something changes. */

export const byId = (id) => document.getElementById(id);

/** Write a text; the same text again costs nothing. */
export function setText(element, text) {
  if (element.shown === text) return;
  element.shown = text;
  element.textContent = text;
}

/** An element with attributes, `data-` ones among them, and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Words for people: `open_hand` is "open hand". */
export const spaced = (label) => label.replaceAll("_", " ");

/** A number and its noun: 1 gap, 2 gaps. */
export const counted = (count, noun) => `${count} ${count === 1 ? noun : `${noun}s`}`;

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** With a capital letter and a full stop. */
export function sentence(text) {
  if (!text) return "";
  const whole = /^\w+:/.test(text) ? text : capital(text); // a field keeps its name
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

export const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);

/** Three digits that matter; "–" for null. */
export function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** Two digits that matter, of a time in ms; "–" for null. */
export function time(value) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(value >= 10 ? 0 : value >= 1 ? 1 : 2);
}

/** Offer a file to keep. */
export function save(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
