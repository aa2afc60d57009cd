/** A model that was learned beside the one in use, the classic baseline and guessing, in words and in tables. */

import { capital, make, percent, spaced } from "./elements.js";

const NAMES = { new: "this model", in_use: "in use then", parent: "its base", lda: "LDA, the classic way", chance: "guessing" };
const SHORT = { new: "This", in_use: "In use", parent: "Base", lda: "LDA" };

/** How far the new model is ahead of another one, in words. Pure. @param {object} row  of `result.beside` */
export function aheadOf({ model, ahead, why }) {
  if (ahead === null) return `It cannot be compared with ${model}: ${why}.`;
  const [low, high] = ahead.map((share) => Math.round(share * 100));
  if (low > 0) return `Better than ${model}, by ${range(low, high)} points.`;
  if (high < 0) return `Worse than ${model}, by ${range(-high, -low)} points.`;
  if (low === 0 && high === 0) return `As good as ${model}.`;
  return `Not surely better than ${model}: between ${-low} points worse and ${high} better.`;
}

/** Of what all of it was found. Pure. @param {{windows: number, repetitions: number}} tested */
export function foundOn({ windows, repetitions }) {
  const each = repetitions === 1 ? "one repetition" : `${repetitions} repetitions`;
  return `On ${windows.toLocaleString("en")} windows of ${each} of each gesture, each left out of learning in turn.`;
}

/** The model's accuracy in a few words. Pure. */
export function toldOf({ model, accuracy, interval }) {
  if (accuracy === null) return `${model}: not judged, there is one repetition of each gesture`;
  return `${model}: ${percent(accuracy)} right${interval ? ` (${spread(interval)})` : ""}`;
}

/** What is said of a finished training. Elements. @param {object} result  of a job */
export function comparisonOf({ beside, tested }) {
  if (tested === null) return [make("p", { class: "plain" }, "It was not judged: there is one repetition of each gesture, or nobody said which was made when.")];
  const others = beside.filter(({ who }) => who === "in_use" || who === "parent");
  const said = others.length === 0 ? ["No other model was asked what it makes of them."] : others.map(aheadOf);
  return [...said.map((line) => make("p", { class: "plain" }, line)), overall(beside, tested), each(beside, tested)];
}

function overall(beside, tested) {
  const head = ["Model", "Right", "95 %", "Windows"].map((name) => make("th", { scope: "col" }, name));
  const rows = beside.map(({ who, accuracy, interval, model }) => {
    const name = make("th", { scope: "row" }, capital(NAMES[who]), ...(who === "in_use" || who === "parent" ? [make("small", {}, model)] : []));
    const windows = accuracy === null ? "–" : tested.windows.toLocaleString("en");
    return make("tr", { "data-who": who }, name, cell(percent(accuracy)), cell(interval ? spread(interval) : "–"), cell(windows));
  });
  return table(`Balanced accuracy. ${foundOn(tested)}`, head, rows);
}

/** A row a gesture, with its own number of windows: what few of them say is not much. */
function each(beside, { gestures }) {
  const known = beside.filter(({ who, recall }) => recall !== null && SHORT[who]);
  const head = ["Gesture", ...known.map(({ who }) => SHORT[who]), "Windows"].map((name) => make("th", { scope: "col" }, name));
  const rows = Object.entries(gestures).map(([name, { windows, repetitions }]) => {
    const shares = known.map(({ recall }) => cell(percent(recall[name] ?? null)));
    return make("tr", {}, make("th", { scope: "row" }, spaced(name)), ...shares, cell(windows === 0 ? "not judged" : `${windows} in ${repetitions}`));
  });
  return table("How often each gesture is found, and in how many windows of how many repetitions.", head, rows);
}

function table(caption, head, rows) {
  const made = make("table", { class: "compare" }, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, made);
}

const cell = (text) => make("td", {}, text);
const range = (low, high) => (low === high ? String(low) : `${low} to ${high}`);
const spread = ([low, high]) => `${Math.round(low * 100)}–${Math.round(high * 100)} %`;
