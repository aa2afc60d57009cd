/** A live source by WebSocket: what is on its way is kept, and sent again after a cut. */

import { ConnectionError } from "./client_errors.js";
import { HeldGesture } from "./held_gesture.js";
import { readRecords, samplesMessage } from "./live_frames.js";
import { LiveSocket } from "./live_socket.js";
import { backOff, sleep } from "./retry.js";

export const KEPT_S = 2; // of signal
const IDLE_MS = 15_000; // within which what was sent is acknowledged
const MOST_PENDING = 256 * 1024; // bytes on their way to the network; what is more waits here, and may be let go
const LOOK_MS = 50;
const MOST_WAITING = 1000; // events that nobody has asked for yet
const RESTARTS = ["shutdown", "reload", "restart"];
const FRAMES = new Set(["frame", undefined]);

export class SocketWay {
  transport = "websocket";
  #call;
  #socket;
  #kept = []; // {end, message, sent}
  #next; // that the server waits for
  #sentTo; // the end of what was sent
  #receipt = { accepted: 0, duplicates: 0, lost_samples: 0 };
  #failure = null;
  #gesture = new HeldGesture();
  #refused = false; // the first message that the server has not taken is not to be sent again
  #events = [];
  #over = false;
  #closed = new AbortController();
  #waiting = new Set(); // who waits for news
  #timer;
  #heardAt = performance.now();

  static async open(call) {
    return new SocketWay(call, await opened(call));
  }

  constructor(call, socket) {
    this.#call = call;
    this.#socket = socket;
    this.begin = this.#next = this.#sentTo = socket.greeting.next_sample ?? 0;
    call.signal?.addEventListener("abort", () => this.close(), { once: true });
    call.onState({ state: "open", attempt: 1 });
    this.#run();
  }

  send(first, values, format, aux) {
    this.#raise();
    const { channels, samplingRateHz } = this.#call;
    const end = first + values.length / channels;
    this.#kept.push({ end, message: samplesMessage(first, values, channels, format, aux), sent: false });
    this.#sentTo = Math.max(this.#sentTo, end);
    const oldest = this.#sentTo - KEPT_S * samplingRateHz;
    while (this.#kept[0].end <= oldest) this.#kept.shift();
    this.#pump();
  }

  async flush() {
    while (this.#sentTo > this.#next && !this.#failure && !this.#ended) await this.#news();
    this.#raise();
    const receipt = { ...this.#receipt, next_sample: this.#next };
    this.#receipt = { accepted: 0, duplicates: 0, lost_samples: 0 };
    return receipt;
  }

  async *events() {
    for (;;) {
      while (this.#events.length > 0) {
        const event = this.#events.shift();
        yield event;
        if (event.type === "completed") return;
      }
      if (this.#ended) break;
      await this.#news();
    }
    if (this.#failure && !this.#closed.signal.aborted) this.#raise();
  }

  async close() {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#tell();
    this.#call.onState({ state: "closed", attempt: 0 });
    const { url, name, apiKey, fetch } = this.#call;
    const headers = apiKey ? { "X-API-Key": apiKey } : {};
    const path = `${url}/emg/sources/${encodeURIComponent(name)}`;
    await fetch(path, { method: "DELETE", headers, keepalive: true }).catch(() => {}); // one that is gone has forgotten it
  }

  get #ended() {
    return this.#over || this.#closed.signal.aborted;
  }

  #raise() {
    const failure = this.#failure;
    this.#failure = null;
    if (failure) throw failure;
  }

  /** Sends what waits, as far as the network takes it. */
  #pump() {
    clearTimeout(this.#timer);
    const waiting = this.#kept.filter((one) => !one.sent);
    for (const one of waiting) {
      if (!this.#socket || this.#socket.pending > MOST_PENDING) break;
      this.#socket.send(one.message);
      one.sent = true;
    }
    if (this.#socket && waiting.some((one) => !one.sent)) this.#timer = setTimeout(() => this.#pump(), LOOK_MS);
  }

  /** One connection after the other, until it is over. */
  async #run() {
    let attempt = 0;
    while (!this.#ended) {
      let failure;
      try {
        if (!this.#socket) await this.#openAgain(attempt);
        for (;;) {
          this.#take(await this.#message());
          attempt = 0;
        }
      } catch (error) {
        failure = error;
      }
      if (this.#ended) return;
      attempt += 1;
      const delayMs = this.#afterFailure(failure, attempt);
      if (delayMs === null) return;
      this.#call.onState({ state: "waiting", attempt, delayMs, error: failure, reason: failure.message });
      await sleep(delayMs, this.#closed.signal);
    }
  }

  /** The next message; what was sent must be acknowledged. */
  async #message() {
    for (;;) {
      const message = await this.#socket.next(1000);
      if (message !== undefined) {
        this.#heardAt = performance.now();
        return message;
      }
      if (this.#ended) throw new ConnectionError("closed");
      const owed = this.#kept.some((one) => one.sent && one.end > this.#next);
      if (!owed) this.#heardAt = performance.now();
      if (performance.now() - this.#heardAt > IDLE_MS) {
        throw new ConnectionError(`the server said nothing for ${IDLE_MS / 1000} s`);
      }
    }
  }

  #take(message) {
    if (message instanceof ArrayBuffer) readRecords(message).forEach((record) => this.#keep(record));
    else if (message.type === "ack") this.#acknowledged(message);
    else if (message.type !== "completed" || !RESTARTS.includes(message.reason)) this.#keep(message);
    this.#tell();
  }

  #acknowledged({ next_sample: next, received, duplicates, lost }) {
    this.#next = next ?? this.#next;
    this.#receipt.accepted += received;
    this.#receipt.duplicates += duplicates;
    this.#receipt.lost_samples += lost;
  }

  /** Keeps an event until somebody asks; where nobody does for long, frames are let go, and never a state. */
  #keep(event) {
    if (event.type !== "gesture" || event.phase === undefined || this.#gesture.tells(event)) this.#events.push(event);
    if (this.#events.length <= MOST_WAITING) return;
    this.#events.splice(Math.max(0, this.#events.findIndex(({ type }) => FRAMES.has(type))), 1);
  }

  /** How long to wait before another connection is tried; null: never. */
  #afterFailure(failure, attempt) {
    const opened = this.#socket !== undefined;
    this.#socket?.close();
    this.#socket = undefined;
    const release = this.#gesture.cut();
    if (release) this.#events.push(release);
    const forgotten = failure.status === 404; // declared again, it is there
    if (failure.code === 1000 || (!opened && !failure.passing && !forgotten)) {
      this.#over = true;
      if (failure.code !== 1000) this.#failure = failure;
      this.#tell();
      this.#call.onState({ state: failure.code === 1000 ? "completed" : "failed", attempt, error: failure });
      return null;
    }
    if (opened && !failure.passing && !forgotten) {
      this.#failure = failure; // of something that was sent
      this.#refused = true;
      this.#tell();
      return 0;
    }
    const asked = failure.retryAfterMs ?? null; // at once is true the first time
    return asked !== null && (asked > 0 || attempt === 1) ? asked : backOff(attempt, this.#call.firstDelayMs);
  }

  async #openAgain(attempt) {
    this.#call.onState({ state: "connecting", attempt: attempt + 1 });
    const socket = await opened(this.#call);
    const waitsFor = socket.greeting.next_sample ?? this.#next; // null: what it had taken before is past
    this.#receipt.accepted += Math.max(0, waitsFor - this.#next); // its acknowledgement was lost
    if (this.#refused) {
      const first = this.#kept.findIndex(({ end }) => end > waitsFor);
      if (first >= 0) this.#kept.splice(first, 1);
      this.#refused = false;
    }
    for (const one of this.#kept) one.sent = one.end <= waitsFor;
    this.#sentTo = Math.max(waitsFor, ...this.#kept.map(({ end }) => end));
    this.#next = Math.min(waitsFor, this.#sentTo);
    this.#heardAt = performance.now();
    this.#socket = socket;
    this.#call.onState({ state: "open", attempt: attempt + 1 });
    this.#pump();
  }

  #news() {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #tell() {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

function opened(call) {
  const { name, channels, samplingRateHz, units, model, profile, aux, scale, send, format, options } = call;
  const query = {
    channels,
    sampling_rate_hz: samplingRateHz,
    units,
    model,
    profile,
    aux: aux.length > 0 ? JSON.stringify(aux) : null,
    ...options,
    send: send.join(",") || "none",
    format: format === "json" ? null : format,
    scale: scale === 1 ? null : scale,
  };
  return LiveSocket.open({ ...call, path: `/emg/sources/${encodeURIComponent(name)}/live`, query });
}
