/** What is the matter, in plain words, and what to do about it. Pure. */

import { sentence } from "./elements.js";

// What is seen, where the server gives no reason of its own, and what follows from it; without a model, where that differs.
const SAYS = {
  stalled: [
    "No samples arrive.",
    "Decisions fall to rest, and go on by themselves when samples come again.",
    "It goes on by itself when samples come again.",
  ],
  disconnected: ["It cannot be read.", "The server tries to open it again by itself."],
  ended: [
    "Nothing more comes from it until the server is started anew.",
    "With EMG_LOOP=1 a recording begins again by itself.",
  ],
};

/**
 * The most important thing to say now; null where all is well.
 *
 * @param {object} now
 * @param {string} now.state            of the session
 * @param {object} now.detail           of that state: error, reason, delayMs, total_frames ...
 * @param {Error | null} now.trouble    the last question to the server failed with this
 * @param {object | null} now.health    answer of /health
 * @param {object | null} now.source    the source that is streamed, as /emg/sources has it
 * @param {string} now.address          of the server
 * @param {string[] | null} [now.scopes] of the key; null where they are not known
 * @param {boolean} [now.elsewhere]     it is not the one that gave this page
 * @param {boolean} [now.paused]        the source is a replay that waits
 * @returns {{level: "info" | "warn" | "bad", title: string, text: string, act?: "key" | "start"} | null}
 */
export function noticeOf({ state, detail, trouble, health, source, address, scopes = null, elsewhere = false, paused = false }) {
  const error = state === "failed" ? detail.error : trouble;
  return (
    keyNotice(error, scopes) ??
    goneNotice(state, detail, trouble, address, elsewhere) ??
    (state === "failed" ? failedNotice(detail.error, health) : null) ??
    sourceNotice(state, health, source, paused) ??
    (state === "completed" ? completedNotice(detail) : null)
  );
}

function keyNotice(error, scopes) {
  if (error?.status === 401) {
    return { level: "warn", title: "This server wants an API key.", text: "Its operator has one for you.", act: "key" };
  }
  if (error?.status === 403 && scopes) {
    return { level: "warn", title: "This API key is for something else.", text: sentence(error.message), act: "key" };
  }
  if (error?.status === 403) {
    return { level: "bad", title: "The server does not accept this API key.", text: "Is it complete?", act: "key" };
  }
  return null;
}

function goneNotice(state, { delayMs, reason, error }, trouble, address, elsewhere) {
  if (state === "waiting") {
    const wait = delayMs === undefined ? "Trying now." : `Trying again in ${Math.max(1, Math.round(delayMs / 1000))} s.`;
    if (error?.status) return { level: "warn", title: "The server is not ready.", text: `${sentence(reason)} ${wait}` };
    const text = `${sentence(reason ?? "it may be restarting")} ${wait}`;
    return { level: "bad", title: "The connection to the server is lost.", text };
  }
  if (trouble?.name !== "ConnectionError" || state === "live") return null;
  const allowed = elsewhere ? " Does it allow this page's origin (EMG_CORS_ORIGINS)?" : "";
  const text = `Nothing answers at ${address}. Is it running?${allowed} This page keeps looking for it.`;
  return { level: "bad", title: "The server cannot be reached.", text };
}

function failedNotice(error, health) {
  const { backend, reason, cure } = error.problem ?? {};
  if (backend) {
    return { level: "warn", title: `${backend} is not available here.`, text: `${sentence(reason)} ${sentence(cure)}` };
  }
  if (error.status === 503 && health && health.source === null) return null; // said better below
  return { level: "warn", title: "The server refused the stream.", text: sentence(error.message), act: "start" };
}

function sourceNotice(state, health, source, paused) {
  if (!health || state === "waiting") return null;
  if (health.source === null && !source) {
    const text = "The server is in push mode and nobody has declared a source yet. Samples are sent to /emg/sources; docs/push.md shows how.";
    return { level: "warn", title: "There is no source.", text };
  }
  const { name, state: now, error, model } = source ?? health.source;
  const found = now in SAYS ? now : state; // the stream may know of it before the last look at the server
  if (paused && found === "stalled") return null; // as somebody wanted it, and the bar of the replay says so
  if (!(found in SAYS) || (found === "ended" && state === "completed")) return null; // said with the figures
  const title = `The source ${name} ${found === "ended" ? "has" : "is"} ${found}.`;
  const [seen, then, alone = then] = SAYS[found];
  return { level: "warn", title, text: `${error ? sentence(error) : seen} ${model === null ? alone : then}` };
}

function completedNotice({ total_frames: frames, duration_seconds: seconds, avg_fps: fps, reason }) {
  const why = { "source ended": "The source has ended.", shutdown: "The server was shut down." }[reason];
  const text = `${frames.toLocaleString("en")} frames in ${seconds.toFixed(1)} s, ${fps.toFixed(1)} a second.`;
  return { level: "info", title: why ?? "The stream is complete.", text, act: "start" };
}
