/** The gestures that there are drawings of, and those of a person's own. */

import { spaced } from "../elements.js";
import { has, text } from "./language.js";

export const REST = "rest";
export const LIBRARY = [
  "rest",
  "fist",
  "open_hand",
  "flexion",
  "extension",
  "radial_deviation",
  "ulnar_deviation",
  "pronation",
  "supination",
  "pinch",
  "point",
  "thumb_up",
];
const SVG = "http://www.w3.org/2000/svg";

/** The name for people. */
export const called = (label) => (has(`gesture.${label}`) ? text(`gesture.${label}`) : spaced(label));

/** How it is made, in a few words. */
export const howTo = (label) => (has(`how.${label}`) ? text(`how.${label}`) : text("how.own"));

/** The label that somebody means by a name: one of the library, or the name itself. */
export function labelOf(name) {
  const plain = (one) => one.toLocaleLowerCase().replaceAll("_", " ");
  return LIBRARY.find((label) => [called(label), label].some((one) => plain(one) === plain(name))) ?? name;
}

/** A picture of the gesture, of the right hand or the left; of one's own the first letters stand for it. */
export function drawing(label, hand) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("class", "hand");
  svg.setAttribute("aria-hidden", "true");
  if (LIBRARY.includes(label)) {
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", new URL(`hands/${label}.svg#hand`, import.meta.url).href);
    if (hand === "left") svg.setAttribute("data-left", "");
    svg.append(use);
    return svg;
  }
  const letters = document.createElementNS(SVG, "text");
  letters.setAttribute("x", "50");
  letters.setAttribute("y", "64");
  letters.setAttribute("text-anchor", "middle");
  letters.textContent = [...label].slice(0, 2).join("");
  svg.append(letters);
  return svg;
}
