/** A person teaches the server their gestures: prompts while it records, a model learned from that, and its use. */

import { TeachingError } from "./client_errors.js";
import { LessonCalls } from "./lesson_calls.js";
import { LOOK_MS, recorded } from "./prompted_recording.js";

const MOST_NAMES = 1000;
export const FREE_MOVEMENT = "free movement"; // any gestures, in any order
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const USES = ["if-better", "yes", "no"];

/**
 * Record a person who does what `onPrompt` is told, learn a model from that, and have the source use it. What can pass
 * (a cut connection, a server that restarts) is asked for again; the server's plan goes by the samples of the source
 * meanwhile, so nothing is out of step after it. Takes a key with the scope `control`.
 *
 * @param {object} call
 * @param {string} [call.url]            the server; "" for the page's own
 * @param {string} [call.apiKey]
 * @param {string} call.name             of the model, with a number behind it where there is such a one, and of the profile
 * @param {string[]} call.gestures       two or more; "rest" is one
 * @param {number} [call.repetitions]    of each gesture: 2
 * @param {number} [call.seconds]        of each: 3
 * @param {number} [call.restSeconds]    between two gestures: 2
 * @param {number} [call.countdownSeconds]  before the first: 3
 * @param {string} [call.source]         the server's own where unnamed
 * @param {string} [call.person]         letters and digits; those of `name` where unnamed
 * @param {string | null} [call.base]    a covariance model that is made this person's own; null: from nothing
 * @param {"if-better" | "yes" | "no"} [call.use]  whether the source is read by it then
 * @param {(prompt: object) => any} [call.onPrompt]  some ten times a second; `begins` the first time. What these
 *     two return (or promise) is done: "pause", "resume", "redo" (the last repetition, or the one under way), "skip", or
 *     a repetition that was told: that one again
 * @param {(repetition: object) => any} [call.onRepetition]  of each, once it is judged
 * @param {(job: object) => void} [call.onProgress]  how it stands with the training
 * @param {AbortSignal} [call.signal]    cancels: what was not recorded to its end is deleted, and its reason thrown
 * @param {number} [call.giveUpMs]       for which a server may be away: 60,000
 * @param {typeof fetch} [call.fetch]
 * @returns {Promise<object>} the result of the job, with `recording`, `job` (its id) and `profile`
 * @throws {TypeError} it would be refused once all of it had been recorded
 * @throws {TeachingError} the recording ended before its plan, or nothing could be learned from it
 * @throws {ServerError} the server said no
 * @throws {ConnectionError} it was away for too long
 */
export function teach(call) {
  return taught({ repetitions: 2, use: "if-better", ...call });
}

/**
 * Bring a model to how its electrodes are worn now, by some seconds of free movement, and use it. Most of its gestures
 * and rest are made in them, in any order, 10 s or longer; the one prompt is called `FREE_MOVEMENT`. The rest is as in
 * `teach`; nobody says which gesture was made when, so what is made is not judged.
 *
 * @param {object} call              `url`, `apiKey`, `countdownSeconds`, `source`, `onPrompt` ... as in `teach`
 * @param {string} call.name         of the profile, and of the model that is made
 * @param {number} [call.seconds]    10
 * @param {string} [call.base]       the model; by default the newest of the profile
 * @param {"yes" | "no"} [call.use]  whether the source is read by it then
 * @returns {Promise<object>} as `teach`
 */
export function putOnAgain(call) {
  const free = { gestures: [FREE_MOVEMENT], repetitions: 1, unlabelled: true };
  return taught({ seconds: 10, use: "yes", ...call, ...free, onRepetition: undefined });
}

async function taught({ onPrompt, onRepetition, onProgress, ...call }) {
  const lesson = { ...call };
  lesson.person ??= lesson.name?.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 32) || null;
  expectLesson(lesson);
  const calls = new LessonCalls(call);
  call.signal?.throwIfAborted();
  lesson.base ??= lesson.unlabelled ? await own(calls, lesson) : null;
  // else it would be refused once all had been recorded
  if (lesson.base) await calls.call("GET", `/models/${encodeURIComponent(lesson.base)}`);
  const recording = await recorded(calls, lesson, { onPrompt, onRepetition });
  const { id, result } = await learned(calls, lesson, recording, onProgress);
  const profile = result.used ? await kept(calls, lesson, result.model) : null;
  return { ...result, recording, job: id, profile };
}

/** The model that a person has. */
async function own(calls, { name }) {
  const { model } = await calls.call("GET", `/profiles/${name}`);
  if (model === null) throw new TeachingError(`the profile ${name} has no model that could be put on again`);
  return model;
}

function expectLesson({ name, gestures, use, unlabelled }) {
  if (!NAME.test(name)) {
    throw new TypeError(`name must be 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first, got ${name}`);
  }
  if (!unlabelled && (!Array.isArray(gestures) || gestures.length < 2)) {
    throw new TypeError(`a model tells at least two gestures apart, got ${JSON.stringify(gestures)}`);
  }
  if (!USES.includes(use)) throw new TypeError(`use must be one of ${USES.join(", ")}, got ${use}`);
}

/** The job that has learned from a recording. */
async function learned(calls, lesson, recording, onProgress) {
  let job = await calls.persist(() => ordered(calls, lesson, recording));
  try {
    for (;;) {
      await onProgress?.(job);
      if (!["queued", "running"].includes(job.state)) break;
      await calls.wait(LOOK_MS);
      job = await calls.call("GET", `/jobs/${job.id}`);
    }
  } catch (error) {
    await calls.once("DELETE", `/jobs/${job.id}`).catch(() => {});
    throw error;
  }
  if (job.state === "done") return job;
  const why = job.error ?? `the training was ${job.state}`;
  throw new TeachingError(`nothing was learned from the recording ${recording}, which is kept: ${why}`);
}

/** The job that learns from it; its model gets the first name that is free. */
async function ordered(calls, { name, person, base, use, source = null, unlabelled }, recording) {
  for (let number = 1; number <= MOST_NAMES; number += 1) {
    const called = number === 1 ? name : `${name.slice(0, 63 - String(number).length)}-${number}`;
    const body = { name: called, recordings: [recording], person, base, use, source, unlabelled };
    const job = await calls.once("POST", "/trainings", body).catch((error) => {
      if (error.status !== 409) throw error;
    });
    if (job) return job;
    const { jobs } = await calls.once("GET", "/jobs");
    const ours = jobs.find(({ recordings }) => recordings.length === 1 && recordings[0] === recording);
    if (ours) return ours; // the answer was lost
  }
  throw new TeachingError(`the names from ${name} to ${name}-${MOST_NAMES} are taken`);
}

/** Keeps a model as the person's; their rule of deciding and notes stay as they are. */
async function kept(calls, { name, person }, model) {
  const path = `/profiles/${name}`;
  const before = (await calls.persist(() => calls.found(path))) ?? {};
  const { decision, notes } = before;
  await calls.call("PUT", path, {
    person: before.person ?? person,
    model,
    ...(decision && { decision }),
    ...(notes && { notes }),
  });
  return name;
}
