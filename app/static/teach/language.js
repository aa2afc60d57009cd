/** What the page says, in the reader's language. */

import { make } from "../elements.js";
import de from "./texts/de.js";
import deFollow from "./texts/de_follow.js";
import en from "./texts/en.js";
import enFollow from "./texts/en_follow.js";

const KEY = "myostream-language";
export const TEXTS = { en: { ...en, ...enFollow }, de: { ...de, ...deFollow } };
const NAMES = { en: "English", de: "Deutsch" };

/** The first of the languages that there are texts in, else English. Pure. */
export function languageOf(wanted) {
  return wanted.map((one) => one.slice(0, 2).toLowerCase()).find((one) => one in TEXTS) ?? "en";
}

const chosen = globalThis.localStorage?.getItem(KEY) ?? "";
export const language = languageOf([chosen, ...(globalThis.navigator?.languages ?? [])]);

/** The entry of that name, made of the values where it takes some. */
export function text(name, ...values) {
  const entry = TEXTS[language][name];
  return typeof entry === "function" ? entry(...values) : (entry ?? name);
}

export const has = (name) => name in TEXTS[language];

/** "1 min 24 s" */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return text("duration", Math.floor(whole / 60), whole % 60);
}

/** Write the page's fixed texts, and have a switch of the language, with which the page is opened anew. */
export function installLanguage(select) {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const [id, name] of [["actions", "actions"], ["steps", "steps"], ["notice", "notice"]]) document.getElementById(id).setAttribute("aria-label", text(name));
  document.title = `${text("title")} · Myostream`;
  select.append(...Object.keys(TEXTS).map((one) => make("option", { value: one, lang: one, selected: one === language }, NAMES[one])));
  select.addEventListener("change", () => {
    localStorage.setItem(KEY, select.value);
    window.location.reload(); // where the lesson is, is kept
  });
}

/** Write what the server said, in its own language unless another is named; an Error, a text, or null for nothing. */
export function quote(element, said, lang = "en") {
  element.lang = lang;
  element.textContent = said === null ? "" : (said.message ?? said);
}
