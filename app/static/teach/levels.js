/** How strong a signal is: now, at rest and tensed. Pure. */

const SMOOTH_S = 0.25;
const KEPT_S = 20;
const SETTLED_S = 2; // before that nobody knows what rest is
const [REST, TENSE] = [0.1, 0.97]; // quantiles of the last seconds

/** The mean size of a frame's `signal`, (channels, points). */
export function levelOf(rows) {
  let [sum, count] = [0, 0];
  for (const row of rows) for (const value of row) [sum, count] = [sum + Math.abs(value), count + 1];
  return count ? sum / count : 0;
}

/** Frames go in; `now`, `rest` and `rise` come out, null before they are known. */
export class Levels {
  #kept = []; // [s, level]
  now = null;

  clear() {
    [this.#kept, this.now] = [[], null];
  }

  push(level, seconds) {
    const since = seconds - (this.#kept.at(-1)?.[0] ?? -Infinity);
    const weight = Math.min(1, since / SMOOTH_S);
    this.now = this.now === null ? level : this.now + weight * (level - this.now);
    this.#kept.push([seconds, this.now]);
    while (this.#kept[0][0] < seconds - KEPT_S) this.#kept.shift();
  }

  get #settled() {
    return this.#kept.length > 1 && this.#kept.at(-1)[0] - this.#kept[0][0] >= SETTLED_S;
  }

  get rest() {
    return this.#settled ? this.#quantile(REST) : null;
  }

  /** How many times rest the strongest was. */
  get rise() {
    return this.#settled ? this.#quantile(TENSE) / Math.max(this.#quantile(REST), 1e-9) : null;
  }

  #quantile(share) {
    const sorted = this.#kept.map(([, level]) => level).sort((a, b) => a - b);
    return sorted[Math.floor(share * (sorted.length - 1))];
  }
}
