/** A scale that does not jump: it grows with the signal, and shrinks only when that has been small for long. Pure. */

const KEPT_MS = 60_000; // what came in it must have room
const OVER = 1.15; // what a few peaks reach beyond it is no reason for another scale
const MUCH = 3; // times too large: less is not worth a change
const STEPS = [1, 1.5, 2, 3, 5, 7, 10];

/** The next of these steps, times a power of ten, that is not below. */
export function roundUp(value, steps = [1, 2, 5, 10]) {
  const power = 10 ** Math.floor(Math.log10(value));
  return steps.map((step) => step * power).find((step) => step >= value * 0.999);
}

/** The last of 1, 2, 5, 10 ... that is not above. */
export function roundDown(value) {
  const power = 10 ** Math.floor(Math.log10(value * 1.001));
  return [5, 2, 1].map((step) => step * power).find((step) => step <= value * 1.001);
}

/** Remembers how large the signal was. */
export class AutoScale {
  #seen = []; // [ms, level]
  #since = 0; // ms of the first

  /** Begin anew, as with another source. */
  clear() {
    this.#seen = [];
  }

  /**
   * @param {number} level      that nearly all of the last points stay within; 0 says nothing
   * @param {number | null} amplitude  of now
   * @returns {number | null} the amplitude from now on
   */
  next(level, amplitude, nowMs) {
    if (level <= 0) return amplitude;
    if (this.#seen.length === 0) this.#since = nowMs;
    this.#seen = [...this.#seen.filter(([ms]) => ms > nowMs - KEPT_MS), [nowMs, level]];
    if (amplitude === null || level > amplitude * OVER) return roundUp(level, STEPS);
    const most = roundUp(Math.max(...this.#seen.map(([, one]) => one)), STEPS);
    const long = nowMs - this.#since >= KEPT_MS;
    return long && most * MUCH <= amplitude ? most : amplitude;
  }
}
