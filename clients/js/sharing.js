/**
 * One connection for all pages that ask for the same stream: what runs in stream_worker.js.
 *
 * A page says `{join}`, `{leave}` and `{here}`, which answers a `{beat}`. It hears `{state}`, `{event, id}`, `{ended}` or
 * `{failed}`, and `{dropped}` when it counts as gone.
 */

import { streamInference } from "./client.js";
import { packed } from "./client_errors.js";

const BEAT_MS = 1000;
const BEATS = 5; // without an answer: the page is closed, frozen or far behind, and nothing must pile up for it

/** Holds the streams that are open, and who gets which. */
export class Sharing {
  #streams = new Map(); // by what was asked for
  #members = new Map(); // port: {owed, stream}
  #timer;

  /** @param {{stream?: typeof streamInference, beatMs?: number}} [parts] */
  constructor({ stream = streamInference, beatMs = BEAT_MS } = {}) {
    this.stream = stream;
    this.beatMs = beatMs;
  }

  /** Take in a page by its port. */
  connect(port) {
    port.onmessage = ({ data }) => {
      const member = this.#members.get(port);
      if (data.join && !member) this.#join(port, data.join);
      else if (data.here && member) member.owed = 0;
      else if (data.leave) this.#drop(port);
    };
  }

  #join(port, { lastEventId, ...call }) {
    const key = keyOf(call);
    let stream = this.#streams.get(key);
    if (!stream) {
      const forget = () => this.#streams.get(key) === stream && this.#streams.delete(key);
      stream = new SharedStream(forget);
      this.#streams.set(key, stream);
      stream.run(this.stream, { ...call, lastEventId });
    }
    port.postMessage({ beat: true });
    this.#members.set(port, { owed: 1, stream });
    this.#timer ??= setInterval(() => this.#beat(), this.beatMs);
    stream.add(port);
  }

  #beat() {
    for (const [port, member] of this.#members) {
      if (member.owed >= BEATS) this.#drop(port);
      else port.postMessage({ beat: true });
      member.owed += 1;
    }
  }

  #drop(port) {
    const member = this.#members.get(port);
    if (!member) return;
    this.#members.delete(port);
    member.stream.remove(port);
    port.postMessage({ dropped: true });
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Pages with the same key, server and options see the same events. */
function keyOf({ url, apiKey, options }) {
  const asked = Object.entries(options).filter(([, value]) => value !== null && value !== undefined);
  return JSON.stringify([url, apiKey ?? "", asked.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** One connection, for as long as somebody wants it. */
class SharedStream {
  #abort = new AbortController();
  #ports = new Set();
  #state = null; // the last messages that a page which comes later must know
  #stalled = null;
  #model = null;
  #gesture = null; // that is held

  /** @param {() => void} forget  called when nobody may join it any more */
  constructor(forget) {
    this.forget = forget;
  }

  add(port) {
    this.#ports.add(port);
    for (const message of [this.#state, this.#model, this.#gesture, this.#stalled]) if (message) port.postMessage(message);
  }

  remove(port) {
    this.#ports.delete(port);
    if (this.#ports.size > 0) return;
    this.forget();
    this.#abort.abort();
  }

  async run(stream, call) {
    let id = "";
    const onId = (next) => (id = next);
    const onState = ({ error, ...state }) => {
      this.#state = { state: { ...state, ...(error && { error: packed(error) }) } };
      if (state.state === "waiting") this.#model = null; // the server tells it again
      this.#tell(this.#state);
    };
    let last = { ended: true };
    try {
      const events = stream({ ...call, signal: this.#abort.signal, onId, onState });
      for await (const event of events) this.#pass({ event, id });
    } catch (error) {
      last = { failed: packed(error) };
    }
    this.forget();
    this.#tell(last);
  }

  #pass(message) {
    const { status, error, phase } = message.event;
    if (phase === "onset") this.#gesture = message;
    if (phase === "release") this.#gesture = null;
    if (status === "model") this.#model = message;
    else if (status === "recovered") this.#model = null; // it may be another source: whoever comes asks the server
    if (status === "stalled") this.#stalled = message;
    else if (error === undefined && status !== "model") this.#stalled = null;
    this.#tell(message);
  }

  #tell(message) {
    for (const port of this.#ports) port.postMessage(message);
  }
}
