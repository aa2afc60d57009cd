/** One WebSocket of a server's, past its greeting. */

import { ConnectionError, NoWebSocketError, ServerError } from "./client_errors.js";
import { ticketFor } from "./tickets.js";

const OPEN_MS = 10_000;
const PASSING = new Set([1001, 1005, 1006, 1011, 1012, 1013]);
const ENDED = 1000;

/** Has what came, in order, for whoever asks. A page sees no pings, so what must come is for the caller to know. */
export class LiveSocket {
  #messages = [];
  #wake = () => {};
  #over = null;

  /**
   * @param {object} call
   * @param {string} call.url      the server; "" for the page's own
   * @param {string} call.path
   * @param {object} call.query    null and undefined are left out
   * @param {string} [call.apiKey]  a ticket is asked for with it: a page can send no header here
   * @param {AbortSignal} [call.signal]
   * @param {typeof WebSocket} call.WebSocket
   * @param {typeof fetch} call.fetch
   * @returns {Promise<LiveSocket>}
   * @throws {NoWebSocketError} it could not be opened; a browser does not tell why
   * @throws {ServerError} the server said no
   * @throws {ConnectionError} it ended before it was greeted
   */
  static async open({ url, path, query, apiKey, signal, WebSocket, fetch }) {
    const address = new URL(url + path, globalThis.location?.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    for (const [name, value] of Object.entries(query)) {
      if (value === null || value === undefined) continue;
      address.searchParams.set(name, typeof value === "object" ? JSON.stringify(value) : value);
    }
    if (apiKey) address.searchParams.set("ticket", await ticketFor(fetch, url, apiKey, signal));
    const socket = new LiveSocket(new WebSocket(address.href), signal);
    try {
      await socket.#greeted();
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  constructor(socket, signal) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    this.opened = false;
    socket.onopen = () => (this.opened = true);
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#end(this.opened ? closed(code, reason) : new NoWebSocketError());
    socket.onerror = () => this.opened || this.#end(new NoWebSocketError()); // Node 20 says no more
    const leave = () => this.close();
    signal?.addEventListener("abort", leave);
    this.forget = () => signal?.removeEventListener("abort", leave);
  }

  /** What waits to be sent, in bytes. */
  get pending() {
    return this.socket.bufferedAmount;
  }

  send(message) {
    if (this.#over === null) this.socket.send(message);
  }

  /**
   * The next message: an object, or an ArrayBuffer. Undefined where none comes within `ms`, or once `close` was called.
   *
   * @throws {ServerError} the server refused what was sent, or goes on no longer, and said why
   * @throws {ConnectionError} the connection is over; its `code` is that of the close
   */
  async next(ms = Infinity) {
    if (this.#messages.length === 0 && this.#over === null) await this.#more(ms);
    if (this.#messages.length === 0) {
      if (this.#over) throw this.#over;
      return undefined;
    }
    const data = this.#messages.shift();
    if (typeof data !== "string") return data;
    const said = parsed(data);
    if (said.type === "error") throw new ServerError(said.status, said);
    return said;
  }

  /** Ends it; whoever waits for a message gets undefined. */
  close() {
    this.forget();
    if (this.#over === null) this.#over = undefined;
    this.socket.close(ENDED);
    this.#wake();
  }

  async #greeted() {
    this.greeting = await this.next(OPEN_MS);
    if (this.greeting?.type === "live") return;
    if (this.greeting === undefined && !this.opened) throw new NoWebSocketError();
    const what = this.greeting === undefined ? "was upgraded and said nothing" : "did not greet: is the URL right?";
    throw new ServerError(502, { detail: `the server ${what}` });
  }

  #take(data) {
    this.#messages.push(data);
    this.#wake();
  }

  #end(error) {
    this.forget();
    if (this.#over === null) this.#over = error;
    this.#wake();
  }

  #more(ms) {
    return new Promise((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(resolve, ms);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }
}

function closed(code, reason) {
  const error = new ConnectionError(reason || (code === 1006 ? "the connection was cut" : `the server closed (${code})`));
  error.code = code;
  error.passing = PASSING.has(code);
  if (code === 1012) error.retryAfterMs = 0; // it restarts
  return error;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new ServerError(502, { detail: `a message is no JSON: ${text.slice(0, 80)}` });
  }
}
