/** Streams that pages of one origin share: a browser opens six connections to a server over HTTP/1.1, in all its tabs. */

import { streamInference } from "./client.js";
import { unpacked } from "./client_errors.js";
import { HeldGesture } from "./held_gesture.js";

const NAME = "myostream 1"; // another number with another protocol: a worker outlives the files it was loaded from
const SILENCE_MS = 10_000; // of a worker that says something each second

/**
 * As `streamInference`, by one connection for all pages that ask for the same. A worker holds it, so it goes on whichever
 * page is closed. A page that comes later gets the stream from there on: `frame` does not begin at 0.
 *
 * A stream with a `duration_seconds` is the caller's own, and so is every stream where no such worker can be (in Node, in
 * a page from the disk, or with this module from another origin).
 *
 * @param {object} [call]
 * @param {string} [call.url]           the server; "" for the page's own
 * @param {string} [call.apiKey]        pages with different keys share nothing
 * @param {object} [call.options]       the fields of POST /infer/stream
 * @param {AbortSignal} [call.signal]
 * @param {string} [call.lastEventId]   of a stream that is opened; one that is open already goes on as it is
 * @param {(state: object) => void} [call.onState]
 * @param {number} [call.silenceMs]     after which the worker counts as dead
 * @param {typeof SharedWorker} [call.SharedWorker]
 * @yields {object}
 * @throws {ServerError} as streamInference
 */
export async function* sharedInference({
  silenceMs = SILENCE_MS,
  SharedWorker = globalThis.SharedWorker,
  ...call
} = {}) {
  const { signal, onState = () => {}, options } = call;
  let { lastEventId } = call;
  const gesture = new HeldGesture();
  let shared = SharedWorker !== undefined && (options?.duration_seconds ?? null) === null;
  while (shared && !signal?.aborted) {
    const link = Link.open(SharedWorker, { ...call, lastEventId });
    try {
      for await (const { state, event, id, failed, ended } of link?.messages(signal, silenceMs) ?? []) {
        if (ended) return;
        if (failed) throw unpacked(failed);
        if (state) onState(state.error ? { ...state, error: unpacked(state.error) } : state);
        if (event === undefined) continue;
        lastEventId = id;
        if (gesture.tells(event)) yield event;
      }
    } finally {
      link?.close();
    }
    const release = gesture.cut();
    if (release && !signal?.aborted) yield release;
    shared = link?.heard ?? false; // this page was away, or the worker has died: join again
  }
  if (signal?.aborted) onState({ state: "closed", attempt: 0 });
  else yield* streamInference({ ...call, lastEventId });
}

/** A page's end of what is shared. */
class Link {
  heard = false;
  #queue = [];
  #wake = () => {};
  #leave = () => this.#port.postMessage({ leave: true });
  #port;

  /** A link, or null where the browser refuses the worker at once. */
  static open(SharedWorker, call) {
    try {
      return new Link(SharedWorker, call);
    } catch {
      return null;
    }
  }

  constructor(SharedWorker, { url = "", apiKey, options = {}, lastEventId }) {
    const server = new URL(url || "/", globalThis.location?.href).href.replace(/\/$/, "");
    const worker = new SharedWorker(new URL("./stream_worker.js", import.meta.url), { type: "module", name: NAME });
    worker.onerror = () => this.#take({ dropped: true }); // there is no such file, or it may not run
    this.#port = worker.port;
    this.#port.onmessage = ({ data }) => {
      this.heard = true;
      this.#take(data);
    };
    this.#port.postMessage({ join: { url: server, apiKey, options, lastEventId } });
    globalThis.addEventListener?.("pagehide", this.#leave); // one that comes back finds `dropped`
  }

  /** What comes, until the worker drops this page, or is silent. */
  async *messages(signal, silenceMs) {
    const wake = () => this.#wake(true);
    signal?.addEventListener("abort", wake);
    try {
      while (!signal?.aborted && (this.#queue.length > 0 || (await this.#more(silenceMs)))) {
        const message = this.#queue.shift();
        if (message?.dropped) return;
        if (message?.beat) this.#port.postMessage({ here: true }); // all before it has been read
        else if (message) yield message;
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  close() {
    globalThis.removeEventListener?.("pagehide", this.#leave);
    this.#leave();
    this.#port.close();
  }

  #take(message) {
    this.#queue.push(message);
    this.#wake(true);
  }

  #more(silenceMs) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(false), silenceMs);
      this.#wake = (has) => (clearTimeout(timer), resolve(has));
    });
  }
}
