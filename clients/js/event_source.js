/** Streams by the browser's own EventSource, with a ticket where the server wants a key. */

import { asConnectionError, ConnectionError, expectOk } from "./client_errors.js";
import { HeldGesture } from "./held_gesture.js";
import { backOff, FINISHED, FIRST_DELAY_MS, sleep } from "./retry.js";
import { ticketFor } from "./tickets.js";

/**
 * EventSource reconnects by itself, and goes on where it was. It sends no headers, so with a key a one-use ticket is
 * asked for and put in the query; the key itself never gets into a URL. Where its ticket is spent, or it gives up (it
 * does on any answer but 200), another is opened that goes on there too, unless the server refused for good.
 *
 * @param {object} call
 * @param {string} [call.url]      the server; "" for the page's own
 * @param {string} [call.apiKey]
 * @param {object} [call.options]  fps, duration_seconds, votes ...: the fields of GET /infer/stream
 * @param {(event: object, id: string) => void} call.onEvent
 * @param {(state: object) => void} [call.onState]  as in client.js; "failed" with the `error` when it is over
 * @param {number} [call.firstDelayMs]
 * @param {typeof EventSource} [call.EventSource]
 * @param {typeof fetch} [call.fetch]
 * @returns {{close: () => void}}
 */
export function eventSource({
  url = "",
  apiKey,
  options = {},
  onEvent,
  onState = () => {},
  firstDelayMs = FIRST_DELAY_MS,
  EventSource = globalThis.EventSource,
  fetch = globalThis.fetch,
}) {
  if (!EventSource) throw new TypeError("there is no EventSource here; use streamInference");
  const stop = new AbortController();
  const asked = Object.entries(options)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]);
  const gesture = new HeldGesture();
  let source;
  let attempt = 0;
  let lastId = "";

  async function address() {
    const query = new URLSearchParams(asked);
    if (lastId) query.set("last_event_id", lastId); // its own Last-Event-ID, of a later event, counts more
    if (apiKey) query.set("ticket", await ticketFor(fetch, url, apiKey));
    return `${url}/infer/stream?${query}`;
  }

  async function open() {
    while (!stop.signal.aborted) {
      attempt += 1;
      onState({ state: "connecting", attempt });
      try {
        const target = await address();
        if (stop.signal.aborted) return;
        throw (await listen(target)) ?? (await refusal()); // EventSource does not tell why it gave up
      } catch (error) {
        if (stop.signal.aborted) return;
        const reason = asConnectionError(error);
        if (!reason.passing) return end({ state: "failed", error: reason });
        const delayMs = reason.retryAfterMs ?? backOff(attempt, firstDelayMs);
        onState({ state: "waiting", attempt, delayMs, error: reason, reason: reason.message });
        await sleep(delayMs, stop.signal);
      }
    }
  }

  /** Until it is of no more use: the error, or null where EventSource gave up. */
  function listen(target) {
    source = new EventSource(target);
    source.onopen = () => onState({ state: "open", attempt });
    source.onmessage = ({ data, lastEventId }) => {
      attempt = 0;
      lastId = lastEventId;
      const event = JSON.parse(data);
      const told = gesture.tells(event) && (event.status !== "completed" || lastEventId === FINISHED);
      if (told) onEvent(event, lastEventId);
      if (lastEventId === FINISHED) end({ state: "completed" });
    };
    return new Promise((resolve) => {
      source.onerror = () => {
        const release = gesture.cut();
        if (release) onEvent(release, lastId);
        if (source.readyState === EventSource.CLOSED) return resolve(null);
        const error = new ConnectionError("the connection was cut");
        if (!apiKey) return onState({ state: "waiting", attempt, error, reason: error.message }); // it tries by itself
        source.close(); // it would try with the ticket that is spent
        return resolve(error);
      };
    });
  }

  /** Ask once more, and look. */
  async function refusal() {
    const look = new AbortController();
    try {
      await expectOk(await fetch(await address(), { signal: look.signal }));
      return new ConnectionError("the stream was refused, and would be opened now");
    } catch (error) {
      return error;
    } finally {
      look.abort();
    }
  }

  function end(state) {
    source?.close();
    if (stop.signal.aborted) return;
    stop.abort();
    onState({ attempt, ...state });
  }

  open();
  return { close: () => end({ state: "closed" }) };
}
