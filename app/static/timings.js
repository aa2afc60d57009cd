/** Measured times of the last minute and their percentiles. Pure. */

/** A ring of (moment, value) in typed arrays. */
export class Timings {
  #moments;
  #values;
  #next = 0;

  /**
   * @param {number} spanMs    older ones do not count
   * @param {number} capacity  the most that are kept
   */
  constructor(spanMs = 60_000, capacity = 4096) {
    this.spanMs = spanMs;
    this.capacity = capacity;
    this.count = 0;
    this.#moments = new Float64Array(capacity);
    this.#values = new Float32Array(capacity);
  }

  clear() {
    this.count = 0;
    this.#next = 0;
  }

  push(nowMs, value) {
    this.#moments[this.#next] = nowMs;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.capacity;
    this.count = Math.min(this.count + 1, this.capacity);
  }

  /** Calls `visit(moment, value)` for those of the last `spanMs`, the oldest first. */
  each(nowMs, visit) {
    for (let k = this.count; k > 0; k -= 1) {
      const slot = (this.#next - k + this.capacity) % this.capacity;
      if (this.#moments[slot] >= nowMs - this.spanMs) visit(this.#moments[slot], this.#values[slot]);
    }
  }

  /**
   * The values that these percents of the last `spanMs` are not above (nearest rank).
   *
   * @param {number} nowMs
   * @param {number[]} percents
   * @returns {(number | null)[]} null where there are no values
   */
  percentiles(nowMs, percents) {
    const sorted = new Float32Array(this.count);
    let found = 0;
    this.each(nowMs, (_, value) => (sorted[found++] = value));
    const values = sorted.subarray(0, found).sort();
    return percents.map((p) => (found ? values[Math.max(0, Math.ceil((p / 100) * found) - 1)] : null));
  }

  /** Events a second over the last `spanMs` ms; null before there are two. */
  rate(nowMs, spanMs = 3000) {
    let [first, last, count] = [null, null, 0];
    this.each(nowMs, (moment) => {
      if (moment < nowMs - spanMs) return;
      first ??= moment;
      last = moment;
      count += 1;
    });
    return count > 1 && last > first ? ((count - 1) * 1000) / (last - first) : null;
  }
}
