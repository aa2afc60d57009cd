/**
 * Streams of a Myostream server, for browsers and for Node 18 or newer. No dependencies, no build step.
 *
 *     import { streamInference } from "http://127.0.0.1:8000/static/client.js";
 *     for await (const event of streamInference({ url: "http://127.0.0.1:8000", options: { votes: 5 } })) {
 *       if ("decision_label" in event) console.log(event.decision_label, event.intensity);
 *     }
 *
 * `streamInference` reads by `fetch`: it can send a key, and says why it was refused. `eventSource` uses the browser's
 * own EventSource. Both go on by themselves after a cut connection or a restart of the server.
 */

import { asConnectionError, ConnectionError, expectOk, NoWebSocketError, ServerError } from "./client_errors.js";
import { HeldGesture } from "./held_gesture.js";
import { LiveConnection } from "./live_stream.js";
import { backOff, FINISHED, FIRST_DELAY_MS, sleep } from "./retry.js";
import { SseParser } from "./sse.js";

export { ConnectionError, expectOk, NoWebSocketError, ServerError, TeachingError } from "./client_errors.js";
export { eventSource } from "./event_source.js";
export { goOn, replayPosition } from "./replay_position.js";
export { useModel, useModelBefore } from "./source_model.js";
export { SseParser } from "./sse.js";
export { FREE_MOVEMENT, putOnAgain, teach } from "./teaching.js";

const IDLE_MS = 15_000; // the server says something at least every 5 s
const CONNECT_MS = 10_000;

/**
 * @typedef {object} State
 * @property {"connecting" | "open" | "waiting" | "completed" | "closed"} state
 * @property {number} attempt      connections tried since the last event
 * @property {number} [delayMs]    with "waiting": until the next attempt
 * @property {Error} [error]       with "waiting": why the connection ended
 * @property {string} [reason]     with "waiting": the same in words
 */

/**
 * The events of a stream, each the parsed JSON of the server (docs/api.md). Frames of a source that no model reads have
 * no `prediction` and no `decision_label`; those of a model that gives values have `values` and `output` instead. After
 * `recovered` it may be another source, with other channels. Ends after the last one, `completed`, or when `signal`
 * aborts. Leaving the loop closes the connection.
 *
 * What can pass (no connection, a restart, a full server) is waited for and tried again, with delays from 0.5 to 10 s
 * or the server's `Retry-After`; by `Last-Event-ID` a stream of some duration goes on where it was. While it waits
 * there is no news: a game or a robot watches `onState`, and stops on "waiting". A gesture that is held then (`events`
 * among the options) is released before, with the reason "interrupted".
 *
 * @param {object} [call]
 * @param {string} [call.url]           the server, such as "http://127.0.0.1:8000"; "" for the page's own
 * @param {string} [call.apiKey]
 * @param {object} [call.options]       fps, duration_seconds, votes ...: the fields of POST /infer/stream
 * @param {AbortSignal} [call.signal]
 * @param {string} [call.lastEventId]   go on after this event of an earlier stream
 * @param {(state: State) => void} [call.onState]
 * @param {(id: string) => void} [call.onId]  of the event that comes next: a later `lastEventId`
 * @param {number} [call.maxAttempts]   connections in a row without an event before it gives up
 * @param {number} [call.firstDelayMs]  before the second attempt
 * @param {number} [call.idleMs]        silence after which a connection counts as dead
 * @param {"http" | "websocket" | "auto"} [call.transport]  "http": a WebSocket takes none of the six connections that a
 *     browser opens to a server, but a page sees none of its pings, so one without frames is opened anew after `idleMs`
 * @param {typeof fetch} [call.fetch]
 * @param {typeof WebSocket} [call.WebSocket]
 * @yields {object}
 * @throws {ServerError} the server refused, and would again: a wrong key, a wrong option, a missing backend
 * @throws {ConnectionError} after `maxAttempts`
 */
export async function* streamInference({
  url = "",
  apiKey,
  options = {},
  signal,
  lastEventId = "",
  onState = () => {},
  onId = () => {},
  maxAttempts = Infinity,
  firstDelayMs = FIRST_DELAY_MS,
  idleMs = IDLE_MS,
  transport = "http",
  fetch = globalThis.fetch,
  WebSocket = globalThis.WebSocket,
} = {}) {
  let live = transport !== "http" && !(transport === "auto" && !WebSocket);
  const address = new URL(`${url}/infer/stream`, globalThis.location?.href).href; // a wrong one fails here, once
  const place = { lastEventId, retryMs: firstDelayMs };
  const gesture = new HeldGesture();
  let attempt = 0;
  while (!signal?.aborted) {
    attempt += 1;
    onState({ state: "connecting", attempt });
    const connection = live
      ? new LiveConnection({ url, apiKey, options, signal, idleMs, fetch, WebSocket })
      : new Connection(signal, idleMs);
    let failure = new ConnectionError("the connection was closed");
    try {
      const body = live
        ? await connection.open(place)
        : await connection.open(fetch, address, headersFor(apiKey, place.lastEventId), options);
      if (body === null) place.lastEventId = FINISHED; // 204: all has been said
      else onState({ state: "open", attempt });
      for await (const { id, data } of body ? connection.events(body, place) : []) {
        attempt = 0;
        const event = typeof data === "string" ? JSON.parse(data) : data;
        onId(id);
        if (!gesture.tells(event)) continue;
        if (event.status !== "completed" || id === FINISHED) yield event;
        else failure = new ConnectionError(`the server ended the stream: ${event.reason}`); // it restarts
      }
    } catch (error) {
      failure = error;
    } finally {
      connection.close();
    }
    if (place.lastEventId === FINISHED) return onState({ state: "completed", attempt });
    if (signal?.aborted) break;
    if (failure instanceof NoWebSocketError && transport === "auto") {
      live = false;
      attempt -= 1;
      continue;
    }
    const release = gesture.cut();
    if (release) yield release;
    if (!failure.passing || attempt >= maxAttempts) throw failure;
    const delayMs = failure.retryAfterMs ?? backOff(attempt, place.retryMs);
    onState({ state: "waiting", attempt, delayMs, error: failure, reason: failure.message });
    await sleep(delayMs, signal);
  }
  onState({ state: "closed", attempt });
}

function headersFor(apiKey, lastEventId) {
  return new Headers({
    "Content-Type": "application/json",
    Accept: "text/event-stream",
    ...(apiKey && { "X-API-Key": apiKey }),
    ...(lastEventId && { "Last-Event-ID": lastEventId }),
  });
}

/** One request and its answer, and how long it may keep silent. */
class Connection {
  #abort = new AbortController();
  #forward = () => this.#abort.abort(this.#signal.reason);
  #signal;
  #idleMs;

  constructor(signal, idleMs) {
    this.#signal = signal;
    this.#idleMs = idleMs;
    signal?.addEventListener("abort", this.#forward);
  }

  /** The body of the answer; null for 204. */
  async open(fetch, address, headers, options) {
    const call = { method: "POST", headers, body: JSON.stringify(options), cache: "no-store" };
    const answer = await this.#within(CONNECT_MS, () => fetch(address, { ...call, signal: this.#abort.signal }));
    if (answer.status === 204) return null;
    await expectOk(answer);
    const type = answer.headers.get("Content-Type") ?? "no content type";
    if (type.startsWith("text/event-stream")) return answer.body;
    throw new ServerError(answer.status, { detail: `expected text/event-stream, got ${type}: is the URL right?` });
  }

  async *events(body, place) {
    const parser = new SseParser(place);
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await this.#within(this.#idleMs, () => reader.read());
      if (done) return; // an event without its blank line does not count
      for (const event of parser.feed(value)) {
        place.lastEventId = event.id;
        if (event.event === "message") yield event;
      }
      place.retryMs = parser.retry ?? place.retryMs;
    }
  }

  close() {
    this.#signal?.removeEventListener("abort", this.#forward);
    this.#abort.abort();
  }

  async #within(ms, work) {
    const late = new ConnectionError(`the server said nothing for ${ms / 1000} s`);
    const timer = setTimeout(() => this.#abort.abort(late), ms);
    try {
      return await work();
    } catch (error) {
      throw this.#abort.signal.reason === late ? late : asConnectionError(error);
    } finally {
      clearTimeout(timer);
    }
  }
}
