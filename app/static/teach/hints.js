/** What the server says with a code and values, in the reader's language. */

import { called } from "./gestures.js";
import { whole } from "./figures.js";
import { has, language, text } from "./language.js";

const names = (gestures) => text("list", gestures.map(called));

/** What the entry of each code takes, of its values. */
const VALUES = {
  flat: ({ channels }) => [channels],
  left_out: ({ gestures }) => [text("list", gestures.map(({ gesture, count }) => (count > 1 ? `${called(gesture)} (${count})` : called(gesture))))],
  vague: ({ count, of }) => [count, of],
  one_repetition: () => [],
  few_repetitions: ({ repetitions }) => [repetitions],
  single: ({ gestures }) => [names(gestures), gestures.length],
  short: ({ gestures, every, seconds }) => [every ? null : names(gestures), gestures.length, seconds],
  like_rest: ({ gesture }) => [called(gesture)],
  mistaken: ({ gestures }) => gestures.map(called),
  taken_for: ({ gestures }) => gestures.map(called),
  baseline: ({ accuracy }) => [whole(accuracy)],
  more: ({ now, then }) => [whole(now), whole(then)],
  not_shown: ({ gestures }) => [names(gestures)],
  too_short: ({ gestures, seconds }) => [names(gestures), gestures.length, seconds],
  no_stretch: ({ gestures }) => [names(gestures), gestures.length],
  guessing: ({ accuracy, chance }) => [whole(accuracy), whole(chance)],
  too_many_channels: ({ channels, most }) => [channels, most],
  too_slow: ({ rate_hz: rate, least_hz: least }) => [rate, least],
  other_device: ({ recordings }) => [text("list", recordings)],
  other_electrodes: ({ recording, model }) => [recording, model],
  still_recorded: ({ recording }) => [recording],
  no_labels: ({ recording }) => [recording],
  nothing_else: ({ gesture }) => [called(gesture)],
  not_there: ({ gestures }) => [names(gestures)],
  still: () => [],
  too_brief: ({ seconds, least }) => [seconds, least],
  no_statistics: ({ model }) => [model],
  already_taught: ({ model }) => [model],
  recording_gone: ({ recording }) => [recording],
  damaged: ({ recording }) => [recording],
  queue_full: () => [],
  name_taken: () => [],
  not_kept: () => [],
  unexpected: () => [],
  died: ({ times }) => [times],
  disk: () => [],
  too_much: () => [],
  restarted: () => [],
};
export const CODES = Object.keys(VALUES);

/**
 * @param {{code: string | null, values?: object, text: string}} hint
 * @returns {{said: string, lang: string}} the server's own sentence, in English, where there is none of that code
 */
export function hintOf({ code, values, text: sentence }) {
  if (code !== null && Object.hasOwn(VALUES, code) && has(`hint.${code}`)) return { said: text(`hint.${code}`, ...VALUES[code](values)), lang: language };
  const end = /[.!?]$/.test(sentence) ? "" : ".";
  return { said: `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}${end}`, lang: "en" };
}
