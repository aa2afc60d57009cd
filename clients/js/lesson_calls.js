/** Calls of one lesson, that are made again while what is wrong can pass. */

import { asConnectionError, ConnectionError, expectOk } from "./client_errors.js";
import { backOff, FIRST_DELAY_MS, sleep } from "./retry.js";

const ANSWER_MS = 10_000;
const GIVE_UP_MS = 60_000;

export class LessonCalls {
  #call;
  #signal;

  constructor({ signal, ...call }) {
    const usual = { url: "", giveUpMs: GIVE_UP_MS, firstDelayMs: FIRST_DELAY_MS, fetch: globalThis.fetch };
    this.#call = { ...usual, ...call };
    this.#signal = signal;
  }

  /** What it answers; undefined where that has no content. It is called once. */
  async once(method, path, body) {
    const { url, apiKey, fetch } = this.#call;
    const headers = { ...(body && { "Content-Type": "application/json" }), ...(apiKey && { "X-API-Key": apiKey }) };
    const late = new ConnectionError(`the server said nothing for ${ANSWER_MS / 1000} s`);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(late), ANSWER_MS);
    try {
      const sent = body && JSON.stringify(body);
      const answer = await fetch(url + path, { method, headers, body: sent, cache: "no-store", signal: abort.signal });
      await expectOk(answer);
      return answer.status === 204 ? undefined : await answer.json();
    } catch (error) {
      throw abort.signal.reason === late ? late : asConnectionError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What does no harm when it is done twice. */
  call(method, path, body) {
    return this.persist(() => this.once(method, path, body));
  }

  /** Something made of calls, from its beginning again while what is wrong can pass. */
  async persist(work) {
    const { giveUpMs, firstDelayMs } = this.#call;
    let since;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        since ??= performance.now();
        const leftMs = giveUpMs - (performance.now() - since);
        if (!error.passing || leftMs <= 0) throw error;
        await this.wait(Math.min(error.retryAfterMs ?? backOff(attempt, firstDelayMs), leftMs));
      }
    }
  }

  /** What is at that path; null where nothing is. */
  found(path) {
    return this.once("GET", path).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
  }

  /** Lets time go by; throws the reason of `signal` where that aborts. */
  async wait(ms) {
    await sleep(ms, this.#signal);
    this.#signal?.throwIfAborted();
  }
}
