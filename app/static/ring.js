/** The last seconds of a signal, as it came in events: points, each with its place in samples. Pure. */

/** A ring of typed arrays. Points are counted from the oldest, 0, to the newest, `count - 1`. */
export class SignalRing {
  #positions; // samples since the source started
  #values; // (channels, capacity)
  #start = 0;

  /**
   * @param {number} channels
   * @param {number} capacity  points per channel
   */
  constructor(channels, capacity) {
    this.channels = channels;
    this.capacity = capacity;
    this.count = 0;
    this.#positions = new Float64Array(capacity);
    this.#values = new Float32Array(channels * capacity);
  }

  clear() {
    this.count = 0;
    this.#start = 0;
  }

  /** Position of the newest point; -Infinity in an empty ring. */
  get newest() {
    return this.count ? this.position(this.count - 1) : -Infinity;
  }

  /** Position of the oldest point; Infinity in an empty ring. */
  get oldest() {
    return this.count ? this.position(0) : Infinity;
  }

  /**
   * Take the points of one event, spread evenly over the `hop` samples that end before `end`. Points that are not
   * newer than the newest are passed over; a start anew (an `end` far before it) empties the ring first.
   *
   * @param {number} end
   * @param {number} hop       samples
   * @param {number[][]} rows  (channels, points)
   */
  push(end, hop, rows) {
    if (rows.length !== this.channels) throw new RangeError(`expected ${this.channels} channels, got ${rows.length}`);
    if (end < this.newest - hop) this.clear();
    const points = rows[0].length;
    for (let j = 0; j < points; j += 1) {
      const position = end - hop + ((j + 0.5) * hop) / points;
      if (position <= this.newest) continue;
      const slot = (this.#start + this.count) % this.capacity;
      this.#positions[slot] = position;
      for (let c = 0; c < this.channels; c += 1) this.#values[c * this.capacity + slot] = rows[c][j];
      if (this.count < this.capacity) this.count += 1;
      else this.#start = (this.#start + 1) % this.capacity;
    }
  }

  position(i) {
    return this.#positions[(this.#start + i) % this.capacity];
  }

  value(channel, i) {
    return this.#values[channel * this.capacity + ((this.#start + i) % this.capacity)];
  }

  /** The first point at or after a position; `count` where there is none. */
  find(position) {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.position(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The amplitude that `share` of a channel's points stay within, from a position on; 0 where there are none. */
  amplitude(channel, from, share = 0.98) {
    const first = this.find(from);
    const stride = Math.max(1, Math.floor((this.count - first) / 512)); // enough for a scale
    const sizes = new Float32Array(Math.ceil((this.count - first) / stride));
    for (let k = 0, i = first; i < this.count; k += 1, i += stride) sizes[k] = Math.abs(this.value(channel, i));
    sizes.sort();
    return sizes.length ? sizes[Math.min(sizes.length - 1, Math.floor(sizes.length * share))] : 0;
  }
}
