/** What the server says of itself, asked for while the page is seen. */

import { Poll } from "./poll.js";

const CALM_MS = 2000;
const LATE_MS = 5000; // when it did not answer, or wants another key
const PROMPT_MS = 400; // while a recording prompts

/** Keeps the last answers; `onChange` after each round, `trouble` says what is wrong. */
export class Monitor {
  health = null;
  sources = [];
  fallback = null; // name of the default source
  trouble = null;

  /**
   * @param {import("./server.js").Server} server
   * @param {{onChange: () => void, onStats: (stats: object) => void, onQuality: (answer: object | null, why: string) => void,
   *   recordings: {refresh: () => Promise<void>, running: boolean}, models: {learn: (name: string | null) => Promise<void>},
   *   replay: {follow: (source: object | null) => Promise<void>},
   *   source: () => string | null}} parts
   */
  constructor(server, parts) {
    this.server = server;
    Object.assign(this, parts);
    this.poll = new Poll(
      () => this.#round(),
      () => (this.trouble ? LATE_MS : CALM_MS),
    );
    this.prompts = new Poll(
      () => (this.recordings.running ? this.recordings.refresh().catch(() => {}) : undefined),
      () => PROMPT_MS,
    );
  }

  start() {
    this.poll.wake();
    this.prompts.wake();
  }

  /** The source that a stream without a name, or with this one, gets. */
  named(name) {
    return this.sources.find((source) => source.name === (name ?? this.fallback)) ?? null;
  }

  async #round() {
    try {
      this.health = await this.server.get("/health");
      await this.#look();
      this.trouble = null;
    } catch (error) {
      this.trouble = error;
    }
    this.onChange();
  }

  async #look() {
    const { default: fallback, sources } = await this.server.get("/emg/sources");
    [this.fallback, this.sources] = [fallback, sources];
    await this.models.learn(this.named(this.source())?.model);
    await this.replay.follow(this.named(this.source()));
    this.onStats(await this.server.get("/infer/stream/stats"));
    await this.#quality();
    if (!this.recordings.running) await this.recordings.refresh();
  }

  async #quality() {
    const source = this.named(this.source());
    if (!source) return this.onQuality(null, "There is no source to judge.");
    if (source.samples === 0) return this.onQuality(null, "No samples have come yet.");
    try {
      return this.onQuality(await this.server.get(`/emg/quality?source=${encodeURIComponent(source.name)}`), "");
    } catch (error) {
      if (![404, 409, 422, 503].includes(error.status)) throw error;
      return this.onQuality(null, error.message);
    }
  }
}
