/** How good a model is, in words and pictures. */

import { make } from "../elements.js";
import { called, drawing } from "./gestures.js";
import { figuresOf, gainOf, whole } from "./figures.js";
import { hintOf } from "./hints.js";
import { text } from "./language.js";

const SVG = "http://www.w3.org/2000/svg";

/** The panels of a finished job. @param {object} job @param {string} hand */
export function panelsOf(job, hand) {
  const found = figuresOf(job.result);
  const panels = [headline(found, job), besides(found), each(found, hand), alike(found, hand), curve(found), advice(job.result)];
  return panels.filter(Boolean);
}

function panel(kind, title, ...parts) {
  return make("section", { class: `panel ${kind}` }, ...(title ? [make("h3", {}, title)] : []), ...parts);
}

function headline({ accuracy, interval }, job) {
  if (accuracy === null) {
    const why = job.unlabelled ? "result.unjudged_free" : "result.unjudged_note";
    return panel("headline", null, make("p", { class: "large" }, text("result.unjudged")), make("p", { class: "plain" }, text(why)));
  }
  const figure = make("p", { class: "large" }, make("b", {}, text("percent", whole(accuracy))), ` ${text("result.right")}`);
  if (interval === null) return panel("headline", null, figure);
  return panel("headline", null, figure, spread(accuracy, interval), make("p", { class: "note" }, text("result.interval", whole(interval[0]), whole(interval[1]))));
}

/** The interval on a line from 0 to 100. */
function spread(accuracy, [low, high]) {
  const [range, point] = [make("span", { class: "range" }), make("span", { class: "point" })];
  [range.style.left, range.style.width] = [`${low * 100}%`, `${Math.max(0.5, (high - low) * 100)}%`];
  point.style.left = `${accuracy * 100}%`;
  return make("div", { class: "spread", "aria-hidden": "true" }, range, point);
}

function besides({ beside, tested }) {
  if (beside.length < 2) return null;
  const rows = beside.map(({ name, accuracy, interval }) => {
    const fill = make("span", { class: "fill" });
    fill.style.transform = `scaleX(${accuracy})`;
    return make("li", { "data-on": name === "new" }, make("span", {}, text(`result.${name}`)), make("span", { class: "track", "aria-hidden": "true" }, fill), make("span", { class: "figure" }, text("percent", whole(accuracy))), make("small", {}, interval ? text("result.range", whole(interval[0]), whole(interval[1])) : ""));
  });
  const found = tested === null ? [] : [make("p", { class: "note" }, text("result.tested", tested.windows, tested.repetitions))];
  return panel("beside", text("result.compare"), make("ul", { class: "measures" }, ...rows), ...found);
}

function each({ each: gestures }, hand) {
  if (gestures.length === 0) return null;
  const rows = gestures.map(({ name, recall, mistaken, windows, repetitions }) => {
    const amount = recall === null || repetitions === null ? "" : ` · ${text("result.amount", windows, repetitions)}`;
    const said = recall === null ? text("result.alone") : mistaken === null ? text("result.never") : text("result.else", called(mistaken.name), Math.max(1, whole(mistaken.share)));
    const head = recall === null ? called(name) : text("result.recall", called(name), whole(recall));
    return make("li", {}, drawing(name, hand), make("span", {}, make("b", {}, head), make("span", { class: "note" }, `${said}${amount}`)), meter(recall));
  });
  return panel("each", text("result.each"), make("ul", { class: "recalls" }, ...rows));
}

function meter(share) {
  const fill = make("span", { class: "fill" });
  fill.style.transform = `scaleX(${share ?? 0})`;
  return make("span", { class: "track", "aria-hidden": "true" }, fill);
}

function alike({ accuracy, alike: pair }, hand) {
  if (accuracy === null) return null;
  if (pair === null) return panel("alike", text("result.distinct"), make("p", { class: "plain" }, text("result.distinct_note")));
  const [one, other] = pair.gestures;
  const pictures = make("div", { class: "pair-of-hands", "aria-hidden": "true" }, drawing(one, hand), make("span", {}, "≈"), drawing(other, hand));
  return panel("alike", text("result.alike", called(one), called(other)), pictures, make("p", { class: "plain" }, text("result.alike_note", Math.max(1, whole(pair.share)))));
}

function curve({ curve: points }) {
  if (points.length < 2) return null;
  const gain = gainOf(points);
  const said = gain === null ? [] : [make("p", { class: "plain" }, text("result.curve_more", Math.max(0, gain)))];
  return panel("curve", text("result.curve"), chart(points), ...said);
}

/** Accuracy by repetitions: measured ones are full, estimated ones hollow. */
function chart(points) {
  const [least, most] = [points[0].repetitions, Math.max(points.at(-1).repetitions, points[0].repetitions + 1)];
  const floor = Math.min(0.5, ...points.map(({ accuracy }) => accuracy - 0.1));
  const place = ({ repetitions, accuracy }) => [24 + ((repetitions - least) / (most - least)) * 252, 92 - ((accuracy - floor) / (1 - floor)) * 70];
  const svg = document.createElementNS(SVG, "svg");
  const named = points.map(({ repetitions, accuracy, estimated }) => text("result.curve_point", repetitions, whole(accuracy), estimated));
  const put = (tag, attributes, said) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (said !== undefined) element.textContent = said;
    svg.append(element);
  };
  for (const [name, value] of [["viewBox", "0 0 300 120"], ["class", "learning"], ["role", "img"], ["aria-label", text("result.curve_picture", named.join("; "))]]) svg.setAttribute(name, value);
  put("line", { class: "floor", x1: 8, x2: 292, y1: 98, y2: 98 });
  put("polyline", { class: "line", points: points.map((one) => place(one).map((value) => value.toFixed(1)).join(",")).join(" ") });
  for (const point of points) {
    const [x, y] = place(point);
    put("circle", { class: point.estimated ? "estimated" : "measured", cx: x, cy: y, r: 5 });
    put("text", { class: "value", x, y: y - 10, "text-anchor": "middle" }, text("percent", whole(point.accuracy)));
    put("text", { x, y: 114, "text-anchor": "middle" }, String(point.repetitions));
  }
  return svg;
}

function advice({ advice: lines, advised }) {
  if (!lines?.length) return null;
  const said = (advised ?? lines.map((line) => ({ code: null, text: line }))).map(hintOf);
  return panel("advise", text("result.advice"), make("ul", { class: "plain" }, ...said.map(({ said: line, lang }) => make("li", { lang }, line))));
}
