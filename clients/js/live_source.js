/** A source that a page fills, and what the server says of it: by one WebSocket where there is one, else by HTTP. */

import { NoWebSocketError } from "./client_errors.js";
import { HttpWay } from "./live_by_http.js";
import { SocketWay } from "./live_by_socket.js";
import { BYTES } from "./live_frames.js";
import { FIRST_DELAY_MS } from "./retry.js";

const TRANSPORTS = ["auto", "websocket", "http"];
const SENDS = ["frames", "decisions", "quality", "states"];
const lacking = new Set(); // servers that have no WebSocket, as was found out

/**
 * Declare a source, and return it once the server is ready for its samples. Iterate to get what the server says: its own
 * JSON, each with a `type` ("frame", "decision", "quality", "state", "completed"); with `format: "binary"` frames and
 * decisions as the objects of `readRecords`.
 *
 *     const live = await liveSource({ url, name: "armband", channels: 8, samplingRateHz: 200, send: ["decisions"] });
 *     armband.ondata = (chunk) => live.send(chunk); // Int16Array, Float32Array or rows; never waits
 *     for await (const { decision_label } of live) show(decision_label);
 *
 * The first connection must work. After a cut, or a restart of the server, it comes back by itself with the last 2 s of
 * what was sent; `onState` hears of it. Takes a key with the scope `control`.
 *
 * @param {object} call
 * @param {string} [call.url]        the server; "" for the page's own
 * @param {string} [call.apiKey]
 * @param {string} call.name         of the source
 * @param {number} call.channels
 * @param {number} call.samplingRateHz
 * @param {string} [call.units]      "uV"
 * @param {string} [call.model]      which reads it
 * @param {string} [call.profile]    of the person: its model, montage and decision rule
 * @param {{name: string, channel_names: string[], units: string, sampling_rate_hz: number}[]} [call.aux]  what comes beside
 * @param {"float32" | "int16" | "int24"} [call.sampleFormat]  by default int16 of an Int16Array, else float32
 * @param {number} [call.scale]      units of one count of int16 and int24
 * @param {string[]} [call.send]     of "frames", "decisions", "quality", "states"; what comes back
 * @param {"json" | "binary"} [call.format]
 * @param {object} [call.options]    fps, votes ...: the fields of POST /infer/stream
 * @param {"auto" | "websocket" | "http"} [call.transport]
 * @param {AbortSignal} [call.signal]  ends it, as `close` does
 * @param {(state: object) => void} [call.onState]  as in client.js
 * @param {number} [call.firstDelayMs]
 * @param {typeof WebSocket} [call.WebSocket]
 * @param {typeof fetch} [call.fetch]
 * @returns {Promise<LiveSource>}
 * @throws {TypeError} what is wanted is nothing that there is
 * @throws {ServerError} the server takes no such source
 * @throws {NoWebSocketError} "websocket" was asked for, and none could be opened
 * @throws {ConnectionError} the server cannot be reached
 */
export async function liveSource(call) {
  const usual = { url: "", units: "uV", aux: [], scale: 1, send: ["frames", "states"], format: "json", options: {} };
  const ways = { transport: "auto", WebSocket: globalThis.WebSocket, fetch: globalThis.fetch, onState: () => {} };
  const asked = { ...usual, ...ways, firstDelayMs: FIRST_DELAY_MS, ...call };
  expectCall(asked);
  const { transport, url } = asked;
  if (transport !== "http" && asked.WebSocket && !(transport === "auto" && lacking.has(url))) {
    try {
      return new LiveSource(asked, await SocketWay.open(asked));
    } catch (error) {
      if (transport === "websocket" || !(error instanceof NoWebSocketError)) throw error;
    }
  } else if (transport === "websocket") {
    throw new NoWebSocketError("there is no WebSocket here: Node has one from version 22 on");
  }
  const way = await HttpWay.open(asked);
  lacking.add(url); // it is there, and opens none
  return new LiveSource(asked, way);
}

function expectCall({ transport, send, format, sampleFormat: samples }) {
  const wrong = send.find((what) => !SENDS.includes(what));
  if (wrong !== undefined) throw new TypeError(`send has ${SENDS.join(", ")}, got ${wrong}`);
  if (!TRANSPORTS.includes(transport)) throw new TypeError(`transport is ${TRANSPORTS.join(", ")}, got ${transport}`);
  if (!["json", "binary"].includes(format)) throw new TypeError(`format is json or binary, got ${format}`);
  if (samples && !(samples in BYTES)) throw new TypeError(`samples are ${Object.keys(BYTES).join(", ")}, got ${samples}`);
}

/** Send samples, and iterate to get events. */
class LiveSource {
  #call;
  #way;
  #auxNext;

  constructor(call, way) {
    this.#call = call;
    this.#way = way;
    this.#auxNext = call.aux.map(() => 0);
    this.nextSample = way.begin; // samples since the source began
    this.transport = way.transport;
  }

  /**
   * Send the next samples. What is sent while there is no connection is kept, the last 2 s of it.
   *
   * @param {ArrayLike<number> | number[][]} samples  a flat array, sample after sample, or rows (n, channels)
   * @param {Record<string, ArrayLike<number> | number[][]>} [aux]  what came beside them, by its name
   * @throws {TypeError} not of that shape
   * @throws {ServerError} the server refused what was sent before
   */
  send(samples, aux = {}) {
    const { channels } = this.#call;
    const blocks = Object.entries(aux).map(([name, values]) => this.#block(name, values));
    const values = flat(samples, channels, "a sample");
    const count = values.length / channels;
    if (count === 0) return;
    this.#way.send(this.nextSample, values, this.#formatOf(values), blocks);
    this.nextSample += count;
    for (const block of blocks) this.#auxNext[block.stream] += block.values.length / block.channels;
  }

  /** So many samples were lost before they could be sent; the server counts them as a gap. */
  skip(samples, aux = {}) {
    this.nextSample += samples;
    this.#call.aux.forEach(({ name }, place) => (this.#auxNext[place] += aux[name] ?? 0));
  }

  /**
   * Wait until the server has taken all that was sent, or given it up.
   *
   * @returns {Promise<{accepted: number, duplicates: number, lost_samples: number, next_sample: number}>}  what it did
   *     since the last time
   * @throws {ServerError} it refused some of it
   */
  flush() {
    return this.#way.flush();
  }

  /** Ends with the source, or when `close` is called. */
  [Symbol.asyncIterator]() {
    return this.#way.events();
  }

  /** End it, and withdraw the source. */
  close() {
    return this.#way.close();
  }

  #formatOf(values) {
    return this.#call.sampleFormat ?? (values instanceof Int16Array ? "int16" : "float32");
  }

  #block(name, values) {
    const stream = this.#call.aux.findIndex((one) => one.name === name);
    if (stream < 0) throw new TypeError(`the source was declared without ${name}`);
    const channels = this.#call.aux[stream].channel_names.length;
    return { stream, firstSample: this.#auxNext[stream], values: flat(values, channels, name), channels };
  }
}

function flat(samples, channels, what) {
  const rows = Array.isArray(samples[0]);
  if (rows ? samples.some((row) => row.length !== channels) : samples.length % channels) {
    throw new TypeError(`${what} has ${channels} channels`);
  }
  return rows ? samples.flat() : samples;
}
