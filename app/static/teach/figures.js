/** What is known of a model that was made, whichever way it was made. Pure. */

/**
 * @typedef {object} Figures
 * @property {number | null} accuracy             balanced, on repetitions left out; null: it was not judged
 * @property {[number, number] | null} interval   in which that lies by 95 %
 * @property {{name: string, recall: number | null, mistaken: {name: string, share: number} | null}[]} each
 * @property {{gestures: string[], share: number} | null} alike
 * @property {{repetitions: number, accuracy: number, estimated: boolean}[]} curve
 * @property {{name: "new" | "before" | "lda" | "chance", accuracy: number}[]} beside   with which it can be compared
 */

/** @param {object} result  of a job @returns {Figures} */
export function figuresOf({ accuracy = null, interval = null, confusion, alike = null, more_repetitions: curve = [], metrics, comparison }) {
  const [lda, chance] = [metrics.lda_balanced_accuracy ?? null, metrics.chance ?? null];
  const before = comparison?.balanced_accuracy ?? null;
  const beside = [["new", accuracy], ["before", before], ["lda", lda], ["chance", chance]].filter(([, value]) => value !== null);
  return { accuracy, interval, each: confusion ? eachOf(confusion) : [], alike, curve, beside: accuracy === null ? [] : beside.map(([name, value]) => ({ name, accuracy: value })) };
}

function eachOf({ classes, windows }) {
  return classes.map((name, k) => {
    const all = windows[k].reduce((sum, count) => sum + count, 0);
    if (all === 0) return { name, recall: null, mistaken: null };
    const others = windows[k].map((count, other) => ({ name: classes[other], share: other === k ? 0 : count / all }));
    const worst = others.reduce((one, other) => (other.share > one.share ? other : one));
    return { name, recall: windows[k][k] / all, mistaken: worst.share > 0 ? worst : null };
  });
}

/** What one more repetition would likely bring, in points of 100; null where it is not known. */
export function gainOf(curve) {
  const estimated = curve.filter(({ estimated: is }) => is);
  if (estimated.length === 0) return null;
  const then = estimated.at(-1);
  const now = estimated.at(-2) ?? curve.findLast(({ estimated: is }) => !is);
  return now === undefined ? null : Math.round((then.accuracy - now.accuracy) * 100);
}

export const whole = (share) => Math.round(share * 100);
