/** One stream at a time, from start to stop. */

import { streamInference } from "./client.js";
import { sharedInference } from "./shared_stream.js";

const isFrame = (event) => event.status === undefined && event.error === undefined && event.phase === undefined;

/** What the stream is doing: idle, connecting, live, stalled, waiting, completed or failed. */
export class Session {
  #abort = null;

  /**
   * @param {import("./server.js").Server} server
   * @param {{onEvent: (event: object) => void, onState: (state: string, detail: object) => void}} listeners
   */
  constructor(server, { onEvent, onState }) {
    this.server = server;
    this.onEvent = onEvent;
    this.onState = onState;
    this.state = "idle";
  }

  get running() {
    return this.#abort !== null;
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    this.#become("idle");
  }

  async start(options) {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const current = () => this.#abort === abort;
    const onState = ({ state, ...detail }) => {
      if (!current()) return;
      const again = this.state === "waiting" || detail.attempt > 1;
      if (state === "connecting") this.#become(again ? "waiting" : "connecting", detail);
      else if (state === "waiting") this.#become("waiting", detail);
    };
    const { url, key } = this.server;
    const stream = url === "" ? sharedInference : streamInference; // the stand-alone page has no file for a worker
    try {
      for await (const event of stream({ url, apiKey: key || undefined, options, signal: abort.signal, onState })) {
        if (!current()) return;
        this.#seen(event);
        this.onEvent(event);
      }
      if (current()) this.#end(this.state === "completed" ? "completed" : "idle");
    } catch (error) {
      if (current()) this.#end("failed", { error });
    }
  }

  #seen(event) {
    if (event.status === "completed") this.#become("completed", event);
    else if (event.status === "stalled") this.#become("stalled", event);
    else if (this.state !== "live" && (event.status === "recovered" || isFrame(event))) {
      this.#become("live", event);
    }
  }

  #end(state, detail = {}) {
    this.#abort = null;
    if (state !== this.state) this.#become(state, detail);
    else this.onState(state, { ...this.last, ended: true });
  }

  #become(state, detail = {}) {
    this.state = state;
    this.last = detail;
    this.onState(state, detail);
  }
}
