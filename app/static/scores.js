/** How predictions and decisions compare with the labels of a recording, and how often each class came. Pure. */

/** Counts since the stream began. */
export class Scores {
  /** @param {string[]} classes */
  constructor(classes) {
    this.classes = classes;
    this.clear();
  }

  clear() {
    const n = this.classes.length;
    this.predicted = new Uint32Array(n); // how often each class was predicted
    this.frames = 0;
    this.labelled = 0;
    this.truths = new Uint32Array(n); // how often each class was the truth
    this.rightPredictions = new Uint32Array(n); // by truth
    this.matrix = new Uint32Array(n * n); // (truth, decision)
  }

  /** @param {{prediction: number, decision: number, truth: string | null}} frame */
  push({ prediction, decision, truth }) {
    this.frames += 1;
    this.predicted[prediction] += 1;
    const row = truth === null ? -1 : this.classes.indexOf(truth);
    if (row < 0) return; // no label, or a gesture that the model does not know
    this.labelled += 1;
    this.truths[row] += 1;
    this.rightPredictions[row] += prediction === row ? 1 : 0;
    this.matrix[row * this.classes.length + decision] += 1;
  }

  /**
   * The mean over the classes that came of the share of right decisions in each: rest, which is easy and comes most of
   * the time, counts once. Null until two have come: of rest alone everybody is right.
   */
  get accuracy() {
    return this.#balanced((row) => this.matrix[row * this.classes.length + row]);
  }

  /** The same of raw predictions. */
  get rawAccuracy() {
    return this.#balanced((row) => this.rightPredictions[row]);
  }

  /** How many classes came. */
  get seen() {
    return this.truths.reduce((sum, count) => sum + (count > 0), 0);
  }

  #balanced(rightOf) {
    const sum = this.truths.reduce((total, count, row) => total + (count ? rightOf(row) / count : 0), 0);
    return this.seen > 1 ? sum / this.seen : null;
  }

  /** Share of a true class that was decided as another (or the same); null where the class never came. */
  share(truth, decision) {
    const count = this.truths[truth];
    return count ? this.matrix[truth * this.classes.length + decision] / count : null;
  }
}
