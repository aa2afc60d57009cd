/** What a recording asks of the person, also between two answers of the server. Pure. */

/** Counts down by itself, and goes on to what comes next at the moment at which the server does. */
export class PromptClock {
  #told = null; // the newest answer's prompt
  #at = 0; // ms, when it came

  /** @param {{label: string, seconds: number, repetition: number}[]} steps  of the plan, where the page knows it */
  constructor(steps = []) {
    this.steps = steps;
  }

  told(prompt, nowMs) {
    [this.#told, this.#at] = [prompt, nowMs];
  }

  /**
   * @returns {{label: string | null, next: string | null, left: number, seconds: number | null, paused: boolean, total: number | null,
   *   repetition: number | null, repetitions: number | null, done: number, over: boolean} | null}
   */
  at(nowMs) {
    if (!this.#told) return null;
    const { label, next_label: next, seconds_left: said, step, steps, paused = false, total_seconds_left: total = null } = this.#told;
    const { repetition = null, repetitions = null, seconds = this.#length(step, label) } = this.#told;
    const gone = paused ? 0 : (nowMs - this.#at) / 1000;
    const whole = { paused, total: total === null ? null : Math.max(0, total - gone), repetition, repetitions };
    if (paused) return { ...whole, label: null, next, left: 0, seconds: null, done: steps ? step / steps : 0, over: false };
    const left = said - gone;
    if (left > 0) return { ...whole, label, next, left, seconds, done: steps ? step / steps : 0, over: false };
    if (next === null) return { ...whole, label, next, left: 0, seconds, done: 1, over: true };
    const length = this.#length(step + 1, next);
    return { ...whole, label: next, next: this.#label(step + 2), left: Math.max(0, (length ?? 0) + left), seconds: length, done: steps ? (step + 1) / steps : 0, over: false };
  }

  /** How long that step lasts; null where the plan is not known, or has changed. */
  #length(step, label) {
    const found = this.steps[step - 1];
    return found?.label === label ? found.seconds : null;
  }

  #label(step) {
    return this.steps[step - 1]?.label ?? null;
  }
}
