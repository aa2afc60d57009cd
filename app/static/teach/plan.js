/** What a recording asks for, and how long that takes. Pure. */

export const COUNTDOWN_S = 3;
export const REST_S = 2;
const FREE_S = 12; // of free movement at least; the server wants ten, and people begin late
const FREE_EACH_S = 3; // for each gesture, and rest between

/** The `plan` of POST /emg/recordings. Rest is not one of the gestures: it lies between all of them. */
export function planOf({ gestures, repetitions, seconds }) {
  return { gestures, repetitions, seconds, rest_seconds: REST_S, countdown_seconds: COUNTDOWN_S };
}

/** Its steps as the server makes them: {label, seconds, repetition}. */
export function stepsOf({ gestures, repetitions, seconds, rest_seconds: rest }) {
  const steps = [];
  for (let repetition = 1; repetition <= repetitions; repetition += 1) {
    for (const label of gestures) {
      if (steps.length) steps.push({ label: "rest", seconds: rest, repetition });
      steps.push({ label, seconds, repetition });
    }
  }
  return steps;
}

/** Seconds from the start to the end. */
export function secondsOf(plan) {
  return stepsOf(plan).reduce((sum, { seconds }) => sum + seconds, plan.countdown_seconds);
}

/** How long somebody moves freely, to show each of so many gestures. */
export const freeSeconds = (gestures) => Math.max(FREE_S, FREE_EACH_S * gestures);

/** A recording's name: who, and when. */
export function nameOf(person, now = new Date()) {
  const two = (value) => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return `${person}-${day}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}
