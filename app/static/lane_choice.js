/** Which of the lanes are drawn: all, all but some, or one. Pure. */

/** Lanes are counted from 0, from above. */
export class LaneChoice {
  #hidden = new Set();
  solo = null; // the one that is drawn alone

  /** @param {number} lanes */
  constructor(lanes) {
    this.lanes = lanes;
  }

  /** Those that are drawn, from above. */
  get shown() {
    if (this.solo !== null) return [this.solo];
    return Array.from({ length: this.lanes }, (_, lane) => lane).filter((lane) => !this.#hidden.has(lane));
  }

  /** How many were hidden. */
  get hidden() {
    return this.#hidden.size;
  }

  /** Show this one alone, or, where it is alone already, those that were there before. */
  alone(lane) {
    this.solo = this.solo === lane ? null : lane;
  }

  /** Hide this one; the last that is left stays. */
  hide(lane) {
    if (this.#hidden.size + 1 >= this.lanes) return;
    this.#hidden.add(lane);
    this.solo = null;
  }

  all() {
    this.#hidden.clear();
    this.solo = null;
  }
}
