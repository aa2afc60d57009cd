/** What stands beside the traces: seconds below them, and a bar of so many units. */

import { roundDown, roundUp } from "./auto_scale.js";
import { byId, make, setText } from "./elements.js";

const LEAST_PX = 10; // of a scale bar
const STEPS = { 2: 0.5, 5: 1, 10: 2 }; // seconds between two marks, by span

/** Writes marks of a span of seconds: from now back, or, where the trace stands still, from its left edge. */
export function showSeconds(span, standing) {
  const step = STEPS[span];
  const count = span / step;
  byId("lanes").style.setProperty("--marks", count);
  const text = (k) => {
    if (standing) return `${k * step} s`;
    return k === count ? "now" : `−${span - k * step} s`;
  };
  const marks = Array.from({ length: count + 1 }, (_, k) => make("span", {}, text(k)));
  byId("axis").replaceChildren(...marks);
}

/**
 * The largest of 1, 2, 5, 10 ... units that a lane has room for, and how many lanes high that is; more than one where a
 * lane is too low to see it. Pure.
 *
 * @param {number} amplitude  units that fill half a lane
 * @param {number} lanePx     height of a lane
 */
export function barOf(amplitude, lanePx) {
  const lane = 2 * amplitude;
  const fitting = roundDown(lane);
  const value = (fitting / lane) * lanePx >= LEAST_PX ? fitting : roundUp((LEAST_PX / lanePx) * lane);
  return { value, lanes: value / lane };
}

/** Draws that bar. */
export function showBar(amplitude, lanePx, units) {
  const { value, lanes } = barOf(amplitude, lanePx);
  byId("scale-bar").hidden = false;
  byId("scale-bar").style.setProperty("--tall", `${(lanes * lanePx).toFixed(1)}px`);
  setText(byId("scale-bar"), `${Number(value.toPrecision(2))} ${units}`);
}
