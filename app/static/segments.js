/** A label over time as runs of samples: what a ribbon under the signal shows. Pure. */

/** Runs of the same label; the oldest are forgotten. */
export class Segments {
  /** @param {number} most  runs kept */
  constructor(most = 512) {
    this.most = most;
    this.runs = []; // {start, end, label}, in samples
  }

  clear() {
    this.runs = [];
  }

  /** From `start` to `end` (samples) the label was this, as `kind`; null says that there is none. */
  push(start, end, label, kind) {
    const last = this.runs.at(-1);
    if (last && end < last.end) this.clear(); // the source began anew
    const open = this.runs.at(-1);
    if (label === null) return;
    if (open && open.label === label && open.kind === kind && start - open.end <= (end - start) * 1.5) {
      open.end = end;
      return;
    }
    this.runs.push({ start: open ? Math.max(start, open.end) : start, end, label, ...(kind && { kind }) });
    if (this.runs.length > this.most) this.runs.shift();
  }

  /** The runs that touch [from, to). */
  between(from, to) {
    return this.runs.filter((run) => run.end > from && run.start < to);
  }
}
