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
    this.rightPredictions = 0;
    this.rightDecisions = 0;
    this.matrix = new Uint32Array(n * n); // (truth, decision)
  }

  /** @param {{prediction: number, decision: number, truth: string | null}} frame */
  push({ prediction, decision, truth }) {
    this.frames += 1;
    this.predicted[prediction] += 1;
    const row = truth === null ? -1 : this.classes.indexOf(truth);
    if (row < 0) return; // no label, or a gesture that the model does not know
    this.labelled += 1;
    this.rightPredictions += prediction === row ? 1 : 0;
    this.rightDecisions += decision === row ? 1 : 0;
    this.matrix[row * this.classes.length + decision] += 1;
  }

  /** Share of decisions that were right, 0 to 1; null without labels. */
  get accuracy() {
    return this.labelled ? this.rightDecisions / this.labelled : null;
  }

  /** The same of raw predictions. */
  get rawAccuracy() {
    return this.labelled ? this.rightPredictions / this.labelled : null;
  }

  /** Share of a true class that was decided as another (or the same); null where the class never came. */
  share(truth, decision) {
    const n = this.classes.length;
    let sum = 0;
    for (let k = 0; k < n; k += 1) sum += this.matrix[truth * n + k];
    return sum ? this.matrix[truth * n + decision] / sum : null;
  }
}
