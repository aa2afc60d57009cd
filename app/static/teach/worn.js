/** Whether the armband is on well, as a list of what is and what is not. Pure but for the words. */

import { figure } from "../elements.js";
import { text } from "./language.js";

const GONE = ["dead", "flat", "railed"]; // no signal at all
const NAMED = 6; // channels in a sentence
const CLEAR = 3; // times the level of rest that a fist should reach
const TRIED = 2.5; // times; below it nobody has made one: of 75 sessions of myo-readings at rest half reach 1.5, and a fifth this
const LOSS = 0.01;
const KNOWN = ["flat", "dead", "railed", "hum", "weak", "strong"];

/** ok | warn | bad, of one channel's problems. */
export function levelOfProblems(problems) {
  if (problems.length === 0) return "ok";
  return problems.some((one) => GONE.includes(one)) ? "bad" : "warn";
}

/** Channels by problem, the worst first. */
export function byProblem(channels) {
  const found = new Map();
  for (const { channel, problems } of channels) {
    const [worst] = [...problems].sort((a, b) => GONE.includes(b) - GONE.includes(a));
    if (worst !== undefined) found.set(worst, [...(found.get(worst) ?? []), channel]);
  }
  return [...found].sort(([a], [b]) => GONE.includes(b) - GONE.includes(a));
}

/**
 * @param {{channels: object[], loss?: number} | null} quality  of GET /emg/quality
 * @param {string[]} names  of the channels
 * @param {import("./levels.js").Levels} levels
 * @param {string} units
 * @returns {{state: "good" | "wait" | "warn" | "bad", said: string}[]}
 */
export function checksOf(quality, names, levels, units) {
  return [...electrodes(quality, names), ...loss(quality), rest(levels, units), tense(levels)];
}

function electrodes(quality, names) {
  if (quality === null) return [{ state: "wait", said: text("signal.unknown") }];
  const problems = byProblem(quality.channels);
  if (problems.length === 0) return [{ state: "good", said: text("signal.all_good", quality.channels.length) }];
  return problems.map(([problem, channels]) => {
    const which = text("channels", channels.slice(0, NAMED).map((channel) => names[channel] ?? channel + 1), Math.max(0, channels.length - NAMED));
    const name = KNOWN.includes(problem) ? `problem.${problem}` : "problem.other";
    return { state: GONE.includes(problem) ? "bad" : "warn", said: text(name, which, channels.length > 1, problem) };
  });
}

function loss(quality) {
  if (!(quality?.loss > LOSS)) return [];
  return [{ state: "warn", said: text("signal.lost", Math.round(quality.loss * 100)) }];
}

function rest(levels, units) {
  if (levels.rest === null) return { state: "wait", said: text("signal.rest_wait") };
  return { state: "good", said: text("signal.rest", figure(levels.rest), units) };
}

function tense(levels) {
  if (levels.rise === null || levels.rise < TRIED) return { state: "wait", said: text("signal.tense_wait") };
  const times = levels.rise.toFixed(levels.rise < 10 ? 1 : 0);
  return levels.rise < CLEAR ? { state: "wait", said: text("signal.tense_weak", times) } : { state: "good", said: text("signal.tense", times) };
}
