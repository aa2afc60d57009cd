/** A live source where there is no WebSocket: samples by POST, and events by a stream. */

import { asConnectionError, expectOk } from "./client_errors.js";
import { streamInference } from "./client.js";
import { samplesMessage } from "./live_frames.js";
import { backOff, sleep } from "./retry.js";

const KEPT_S = 2; // of signal that waits for the server
const HEADER = 16;

export class HttpWay {
  transport = "http";
  #call;
  #closed = new AbortController();
  #waiting = []; // {first, end, body, format}
  #posting = null;
  #failure = null;
  #receipt = { accepted: 0, duplicates: 0, lost_samples: 0 };
  #next;

  static async open(call) {
    if (call.format !== "json") throw new TypeError("records come by WebSocket, and none could be opened");
    const way = new HttpWay(call);
    way.begin = way.#next = (await way.#declared()).next_sample ?? 0;
    call.onState({ state: "open", attempt: 1 });
    return way;
  }

  constructor(call) {
    this.#call = call;
    call.signal?.addEventListener("abort", () => this.close(), { once: true });
  }

  send(first, values, format, aux) {
    this.#raise();
    if (aux.length > 0) throw new TypeError("what comes beside the EMG goes by WebSocket, and none could be opened");
    const { channels, samplingRateHz, scale } = this.#call;
    const counts = format === "int16";
    const told = format === "int24" ? Float32Array.from(values, (count) => count * scale) : values;
    const body = samplesMessage(first, told, channels, counts ? "int16" : "float32").slice(HEADER);
    const end = first + values.length / channels;
    this.#waiting.push({ first, end, body, format: counts ? "int16" : "float32" });
    while (this.#waiting[0].end <= end - KEPT_S * samplingRateHz) this.#waiting.shift();
    this.#posting ??= this.#post().finally(() => (this.#posting = null));
  }

  async flush() {
    await this.#posting;
    this.#raise();
    const receipt = { ...this.#receipt, next_sample: this.#next };
    this.#receipt = { accepted: 0, duplicates: 0, lost_samples: 0 };
    return receipt;
  }

  async *events() {
    const { url, apiKey, name, send, options, onState, firstDelayMs, fetch } = this.#call;
    if (send.length === 0 && !options.events) return;
    const wanted = new Set(send);
    const asked = { ...options, source: name };
    const call = { url, apiKey, options: asked, signal: this.#closed.signal, onState, firstDelayMs, fetch };
    let [decision, newest] = [undefined, { sample_index: 0, confidence: 0, age_ms: 0 }];
    for await (const event of streamInference(call)) {
      if ("phase" in event) {
        yield { ...event, type: "gesture" };
        continue;
      }
      const frame = "sample_index" in event;
      if (frame) newest = event;
      if (wanted.has("decisions") && "decision" in event && event.decision !== decision) {
        decision = event.decision;
        yield { ...newest, ...event, type: "decision" }; // rest, where the source has stalled
      }
      const type = frame ? "frame" : event.status === "completed" ? "completed" : "state";
      if (type === "completed" || wanted.has(`${type}s`)) yield { ...event, type };
    }
  }

  async close() {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    await this.#asked("DELETE", "").catch(() => {}); // one that is gone has forgotten it
  }

  #raise() {
    const failure = this.#failure;
    this.#failure = null;
    if (failure) throw failure;
  }

  /** One chunk after the other, while there are any. */
  async #post() {
    let attempt = 0;
    while (this.#waiting.length > 0 && !this.#closed.signal.aborted) {
      const { first, body, format } = this.#waiting[0];
      const { scale } = this.#call;
      const query = new URLSearchParams({ first_sample: first, dtype: format, ...(format === "int16" && { scale }) });
      try {
        const receipt = await this.#asked("POST", `/samples?${query}`, body, "application/octet-stream");
        for (const name of Object.keys(this.#receipt)) this.#receipt[name] += receipt[name];
        this.#next = receipt.next_sample;
        attempt = 0;
        if (this.#waiting[0]?.first === first) this.#waiting.shift();
      } catch (error) {
        attempt += 1;
        if (error.status === 404 && attempt === 1) {
          await this.#declared().catch(() => {}); // the server has been restarted, or took the source for gone
        } else if (error.passing) {
          await sleep(error.retryAfterMs ?? backOff(attempt, this.#call.firstDelayMs), this.#closed.signal);
        } else {
          this.#failure = error;
          if (this.#waiting[0]?.first === first) this.#waiting.shift();
        }
      }
    }
  }

  #declared() {
    const { channels, samplingRateHz, units, model, profile, aux } = this.#call;
    const more = aux.length > 0 ? { aux } : {};
    const declaration = { channels, sampling_rate_hz: samplingRateHz, units, model, profile, ...more };
    return this.#asked("POST", "", JSON.stringify(declaration), "application/json");
  }

  async #asked(method, path, body, type) {
    const { url, name, apiKey, fetch } = this.#call;
    const headers = { ...(body && { "Content-Type": type }), ...(apiKey && { "X-API-Key": apiKey }) };
    try {
      const target = `${url}/emg/sources/${encodeURIComponent(name)}${path}`;
      const answer = await fetch(target, { method, headers, body, cache: "no-store" });
      await expectOk(answer);
      return answer.status === 204 ? undefined : await answer.json();
    } catch (error) {
      throw asConnectionError(error);
    }
  }
}
