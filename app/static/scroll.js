/** Where the right edge of a scrolling signal is at a moment, from events that arrive unevenly. Pure. */

const HISTORY_MS = 2000;
const JUMP_S = 0.3; // further off than this, it jumps: after a hidden tab or a gap nobody wants a fast-forward
const PULL_PER_S = 2; // share of the error that is made good in a second
const LONGEST_STEP_MS = 100;

/** Runs at the signal's measured rate, a little behind the newest event, so that drawing never waits for the next. */
export class ScrollClock {
  #arrivals = []; // [ms, sample index]
  #head = -Infinity;
  #at = 0; // ms

  /** @param {number} rate  samples a second, before it is measured */
  constructor(rate) {
    this.rate = rate;
    this.nominal = rate;
  }

  reset() {
    this.#arrivals = [];
    this.#head = -Infinity;
    this.rate = this.nominal;
  }

  /** How much faster than its own rate the signal comes. */
  get speed() {
    return this.rate / this.nominal;
  }

  /** An event that ends before sample `end` has arrived. */
  arrived(end, nowMs) {
    const last = this.#arrivals.at(-1);
    if (last && (end < last[1] || nowMs - last[0] > HISTORY_MS)) this.reset();
    this.#arrivals.push([nowMs, end]);
    while (this.#arrivals[0][0] < nowMs - HISTORY_MS) this.#arrivals.shift();
    const [ms, index] = this.#arrivals[0];
    if (nowMs - ms > HISTORY_MS / 2) this.rate = ((end - index) / (nowMs - ms)) * 1000;
  }

  /** The sample index at the edge; -Infinity before the first event. Never past the newest event. */
  at(nowMs) {
    const newest = this.#arrivals.at(-1);
    if (!newest) return -Infinity;
    const target = this.#target(nowMs);
    const step = Math.min(nowMs - this.#at, LONGEST_STEP_MS) / 1000;
    this.#at = nowMs;
    const error = target - this.#head;
    if (!(Math.abs(error) < JUMP_S * this.rate)) this.#head = target;
    else this.#head += Math.max(0, step * (this.rate + (error - step * this.rate) * PULL_PER_S));
    this.#head = Math.min(this.#head, newest[1]);
    return this.#head;
  }

  /** By the earliest of the events of the last seconds: an event can be late, but never early. */
  #target(nowMs) {
    let ahead = -Infinity;
    for (const [ms, index] of this.#arrivals) ahead = Math.max(ahead, index - (ms * this.rate) / 1000);
    return Math.min(ahead + (nowMs * this.rate) / 1000 - this.#lag(), this.#arrivals.at(-1)[1]);
  }

  /** Samples: one and a half events. */
  #lag() {
    const count = this.#arrivals.length;
    if (count < 2) return 0;
    return (1.5 * (this.#arrivals[count - 1][1] - this.#arrivals[0][1])) / (count - 1);
  }
}
