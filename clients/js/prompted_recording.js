/** A recording that asks a person for gestures, and is told about while it runs. */

import { TeachingError } from "./client_errors.js";

export const LOOK_MS = 100; // between two looks
const VERDICT_MS = 3000; // a repetition is judged within a second of its end
const PLAN = {
  repetitions: "repetitions",
  seconds: "seconds",
  restSeconds: "rest_seconds",
  countdownSeconds: "countdown_seconds",
};

/** Records until the plan is over, and returns the recording's name. What did not come to its end is deleted. */
export async function recorded(calls, lesson, { onPrompt, onRepetition }) {
  const name = `${lesson.name.slice(0, 48)}-${stamp(new Date())}`;
  const path = `/emg/recordings/${name}`;
  const told = new Set();
  let shown;
  let last;

  async function begin() {
    const plan = { gestures: lesson.gestures };
    for (const [ours, theirs] of Object.entries(PLAN)) if (lesson[ours] !== undefined) plan[theirs] = lesson[ours];
    const body = { name, source: lesson.source ?? null, subject: lesson.person, plan };
    await calls.once("POST", "/emg/recordings", body).catch(async (error) => {
      // the answer was lost, and it runs: its time makes the name ours
      if (error.status !== 409 || (await calls.found(path)) === null) throw error;
    });
  }

  async function follow() {
    let overSince;
    for (;;) {
      last = await calls.call("GET", path);
      if (last.state !== "recording") overSince ??= performance.now();
      const late = performance.now() - overSince > VERDICT_MS; // false while it runs
      await tell(last, late);
      if (overSince !== undefined && (late || !(last.repetitions ?? []).some(unjudged))) return;
      await calls.wait(LOOK_MS);
    }
  }

  async function tell({ prompt, repetitions }, alsoUnjudged) {
    if (prompt) {
      const now = JSON.stringify([prompt.step, prompt.label, prompt.repetition, prompt.paused]);
      const begins = now !== shown;
      shown = now;
      await act(await onPrompt?.({ ...prompt, begins }));
    }
    for (const [index, said] of (repetitions ?? []).entries()) {
      // what was cut short by a pause, or is asked again before it was judged, is not told
      const judged = said.state === "done" && (alsoUnjudged || said.verdict !== null);
      if (told.has(index) || !(judged || said.state === "skipped")) continue;
      told.add(index);
      const one = { ...said, index };
      const action = await onRepetition?.(one);
      await act(action === "redo" ? one : action);
    }
  }

  async function act(action) {
    if (!action) return;
    const body = typeof action === "object" ? { action: "redo", index: action.index } : { action };
    await calls.call("POST", `${path}/prompt`, body).catch((error) => {
      if (error.status !== 409) throw error; // it makes no sense just now: too early, too late, or done already
    });
  }

  try {
    await calls.persist(begin);
    await follow();
  } catch (error) {
    const leave = async () => (await calls.once("POST", `${path}/stop`), await calls.once("DELETE", path));
    await leave().catch(() => {}); // a server that is gone cannot be told
    throw error;
  }
  expectWhole(last, lesson);
  return name;
}

const unjudged = ({ state, verdict }) => state === "done" && verdict === null;

function expectWhole({ name, state, error, recovered, repetitions }, lesson) {
  if (state !== "complete") throw new TeachingError(`the recording ${name} has failed: ${error}`);
  const kept = `what had been recorded until then is kept as ${name}`;
  if (recovered) throw new TeachingError(`the server was restarted; ${kept}`);
  const counts = repetitions.filter((one) => one.state !== "redone");
  const over = new Set(counts.map(({ label, repetition }) => `${repetition} ${label}`));
  for (let k = 1; k <= lesson.repetitions; k += 1) {
    if (lesson.gestures.every((label) => over.has(`${k} ${label}`))) continue;
    throw new TeachingError(`the recording was stopped before its plan was over; ${kept}`);
  }
}

/** Such as 20261130-001953, here. */
function stamp(now) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return `${day}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}
