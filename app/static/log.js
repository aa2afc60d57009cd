/** What has happened, newest last, within bounds. Pure. */

export const KINDS = ["decision", "source", "connection", "quality", "error", "frame"];

/** A bounded list of entries, which can be looked through and written out. */
export class EventLog {
  /** @param {number} most  entries kept */
  constructor(most = 4000) {
    this.most = most;
    this.entries = [];
    this.added = 0; // ever; the id of the next entry
  }

  /**
   * @param {number} time    Unix ms
   * @param {string} kind    one of KINDS
   * @param {string} text    for people
   * @param {object} [data]  for machines
   */
  add(time, kind, text, data = {}) {
    this.entries.push({ id: this.added, time, kind, text, data });
    this.added += 1;
    if (this.entries.length > this.most * 1.25) this.entries = this.entries.slice(-this.most); // seldom, not each time
  }

  /** Entries of these kinds, with all words of `search` in their text, from one id up to before another. */
  select({ kinds, search = "", from = 0, to = Infinity }) {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    return this.entries.filter(
      ({ id, kind, text }) =>
        id >= from && id < to && kinds.has(kind) && words.every((word) => `${kind} ${text}`.toLowerCase().includes(word)),
    );
  }
}

/** One JSON object a line. */
export function jsonLines(entries) {
  return entries
    .map(({ time, kind, text, data }) => JSON.stringify({ time: new Date(time).toISOString(), kind, text, ...data }))
    .map((line) => `${line}\n`)
    .join("");
}
