/** Has the server's simulated person make a gesture: they do what a recording with prompts asks for. */

import { LessonCalls } from "./lesson_calls.js";

const PREFIX = "played-by-keys-"; // of what is recorded meanwhile, and deleted
const ASKED_S = 120; // longer than anybody holds a key; then they do as they like again
const RENEWED_MS = 100_000;
const PLAN = { repetitions: 1, seconds: ASKED_S, rest_seconds: 0, countdown_seconds: 0 };

export class SimulatedPerson {
  #calls;
  #call;
  #wanted = null; // name of a gesture
  #asked; // what the recording that runs asks for
  #name = null; // of that recording
  #since = 0;
  #busy = null;

  /** `call` has url, apiKey and onTrouble, which gets an error that the server's answer was. */
  constructor(call) {
    this.#call = call;
    this.#calls = new LessonCalls({ url: call.url, apiKey: call.apiKey, giveUpMs: 2000 });
  }

  /**
   * Has them rest; first ends and deletes what other games recorded, whose pages may have died: the newest page counts.
   * Throws where the server does not allow it.
   */
  async begin() {
    const { recordings } = await this.#calls.once("GET", "/emg/recordings");
    for (const { name, state } of recordings.filter((one) => one.name.startsWith(PREFIX))) {
      if (state === "recording") await this.#calls.once("POST", `/emg/recordings/${name}/stop`);
      await this.#calls.once("DELETE", `/emg/recordings/${name}`);
    }
    this.#wanted = "rest";
    await this.#change("rest");
  }

  /** Have them do that from now on; "rest" for nothing. Only the newest wish counts. */
  ask(gesture) {
    this.#wanted = gesture;
    this.#busy ??= this.#follow().finally(() => (this.#busy = null));
  }

  /** Call it now and then: a wish that gets old is made anew. */
  tick() {
    if (this.#name && !this.#busy && performance.now() - this.#since > RENEWED_MS) {
      this.#asked = undefined;
      this.ask(this.#wanted);
    }
  }

  /** Let them do as they like again; also while the page is being closed. */
  leave() {
    this.#wanted = null;
    if (!this.#name) return;
    const { url, apiKey } = this.#call;
    const headers = { "Content-Type": "application/json", ...(apiKey && { "X-API-Key": apiKey }) };
    const body = JSON.stringify({ action: "skip" }); // all that was asked for: the plan is over
    fetch(`${url}/emg/recordings/${this.#name}/prompt`, { method: "POST", headers, body, keepalive: true }).catch(() => {});
    [this.#name, this.#asked] = [null, undefined];
  }

  async #follow() {
    try {
      while (this.#wanted !== null && this.#wanted !== this.#asked) await this.#change(this.#wanted);
    } catch (error) {
      this.#call.onTrouble(error);
    }
  }

  async #change(gesture) {
    const before = this.#name;
    this.#name = null;
    if (before) await this.#calls.once("POST", `/emg/recordings/${before}/stop`);
    const name = PREFIX + crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
    await this.#calls.once("POST", "/emg/recordings", { name, plan: { ...PLAN, gestures: [gesture] } });
    [this.#name, this.#asked, this.#since] = [name, gesture, performance.now()];
    if (this.#wanted === null) this.leave(); // meanwhile the game was
    if (before) await this.#calls.once("DELETE", `/emg/recordings/${before}`);
  }
}
