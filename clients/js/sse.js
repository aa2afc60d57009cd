/**
 * Server-Sent Events out of pieces of text or bytes, by the rules of the WHATWG HTML standard, section 9.2.6.
 *
 * Pure: no network, no clock. Python's twin is clients/python/src/myostream_client/sse.py; tests/clients/sse_cases.json is run by both.
 */

export const MAX_EVENT = 16 * 1024 * 1024; // characters; a frame with 128 channels of signal has a hundredth
const MAX_RETRY_MS = 2 ** 31 - 1; // what a timer can wait

/**
 * @typedef {object} SseEvent
 * @property {string} id     the last id that the stream has named, "" before the first
 * @property {string} event  its name; "message" where it has none
 * @property {string} data   its data lines, joined by line feeds
 * @property {number | null} retry  ms to wait before a reconnect, as the stream last said; null: it never did
 */

/** Feed it what comes, cut anywhere, and it gives the events that are whole. One parser for one connection. */
export class SseParser {
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // the mark is for the first line to drop
  #afterCr = false; // a line feed that comes next belongs to the carriage return before it
  #atStart = true;
  #rest = ""; // of a line
  #name = "";
  #data = []; // lines
  #size = 0; // characters of #data
  #nextId;

  /** @param {{lastEventId?: string}} [before] the id that the connection before this one ended with */
  constructor({ lastEventId = "" } = {}) {
    this.lastEventId = lastEventId; // of the last event that was whole: what to reconnect with
    this.#nextId = lastEventId;
    this.retry = null;
  }

  /**
   * @param {string | Uint8Array} piece
   * @returns {SseEvent[]}
   * @throws {RangeError} an event is larger than MAX_EVENT
   */
  feed(piece) {
    let text = typeof piece === "string" ? piece : this.#decoder.decode(piece, { stream: true });
    if (text === "") return [];
    if (this.#afterCr && text.startsWith("\n")) text = text.slice(1);
    this.#afterCr = text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      const event = this.#line(line);
      if (event) events.push(event);
    }
    this.#bound(this.#rest.length);
    return events;
  }

  #line(line) {
    if (this.#atStart) {
      this.#atStart = false;
      if (line.startsWith("\uFEFF")) line = line.slice(1);
    }
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") {
      this.#data.push(value);
      this.#size += value.length + 1;
      this.#bound(0);
    } else if (field === "event") {
      this.#name = value;
    } else if (field === "id") {
      if (!value.includes("\0")) this.#nextId = value;
    } else if (field === "retry") {
      if (/^[0-9]+$/.test(value)) this.retry = Math.min(Number(value), MAX_RETRY_MS);
    }
    return null;
  }

  #dispatch() {
    this.lastEventId = this.#nextId;
    const [name, lines] = [this.#name, this.#data];
    this.#name = "";
    this.#data = [];
    this.#size = 0;
    if (lines.length === 0) return null;
    return { id: this.lastEventId, event: name || "message", data: lines.join("\n"), retry: this.retry };
  }

  #bound(more) {
    if (this.#size + more > MAX_EVENT) throw new RangeError(`an event has more than ${MAX_EVENT} characters`);
  }
}
