/** What is known of a model that was made, whichever way it was made. Pure. */

/**
 * @typedef {object} Figures
 * @property {number | null} accuracy             balanced, on repetitions left out; null: it was not judged
 * @property {[number, number] | null} interval   in which that lies by 95 %
 * @property {{name: string, recall: number | null, mistaken: {name: string, share: number} | null, windows: number, repetitions: number | null}[]} each
 * @property {{gestures: string[], share: number} | null} alike
 * @property {{repetitions: number, accuracy: number, estimated: boolean}[]} curve
 * @property {{name: "new" | "before" | "parent" | "lda" | "chance", accuracy: number, interval: [number, number] | null}[]} beside   with which it can be compared
 * @property {{windows: number, repetitions: number} | null} tested   by how much all of them were judged
 */

const NAMES = { in_use: "before" }; // others are called as the server has them

/** @param {object} result  of a job @returns {Figures} */
export function figuresOf({ accuracy = null, interval = null, confusion, alike = null, more_repetitions: curve = [], beside: rows = [], tested = null }) {
  const beside = rows.filter((row) => row.accuracy !== null).map(({ who, accuracy: share, interval: ends }) => ({ name: NAMES[who] ?? who, accuracy: share, interval: ends }));
  return { accuracy, interval, each: confusion ? eachOf(confusion, tested) : [], alike, curve, beside, tested };
}

function eachOf({ classes, windows }, tested) {
  return classes.map((name, k) => {
    const all = windows[k].reduce((sum, count) => sum + count, 0);
    const amount = { windows: all, repetitions: tested?.gestures[name]?.repetitions ?? null };
    if (all === 0) return { name, recall: null, mistaken: null, ...amount };
    const others = windows[k].map((count, other) => ({ name: classes[other], share: other === k ? 0 : count / all }));
    const worst = others.reduce((one, other) => (other.share > one.share ? other : one));
    return { name, recall: windows[k][k] / all, mistaken: worst.share > 0 ? worst : null, ...amount };
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
