/** How far somebody has come: kept in the browser, so that a page that is closed goes on where it was. */

const KEY = "myostream-lesson";
const FRESH = Object.freeze({
  step: "signal",
  source: null,
  person: "me",
  hand: "right",
  own: [], // names that are not of the library
  gestures: ["fist", "open_hand"],
  repetitions: 3,
  seconds: 3,
  sound: false,
  way: "new", // new | free | two: all, or put on again
  base: null, // the model that was put on again
  free: 12, // s of free movement
  recording: null, // that runs, or whose end was not seen
  recordings: [], // to learn from
  job: null,
  model: null, // that was made
  before: null, // the model that it took the place of
  swapped: false,
});
const NAMES = Object.keys(FRESH);

/** Its fields are those of FRESH; `set` keeps what it changes. */
export class Lesson {
  constructor(store = localStorage) {
    this.store = store;
    Object.assign(this, structuredClone(FRESH), read(store));
  }

  set(values) {
    Object.assign(this, values);
    this.store.setItem(KEY, JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, this[name]]))));
  }

  /** Forget what was made; how it was chosen stays. */
  anew() {
    const { way, base, recording, recordings, job, model, before, swapped } = structuredClone(FRESH);
    this.set({ way, base, recording, recordings, job, model, before, swapped });
  }
}

/** What was kept; nothing where it is damaged or of other kinds. */
function read(store) {
  try {
    const kept = JSON.parse(store.getItem(KEY)) ?? {};
    const alike = (name) => name in kept && (FRESH[name] === null || (typeof kept[name] === typeof FRESH[name] && Array.isArray(kept[name]) === Array.isArray(FRESH[name])));
    return Object.fromEntries(NAMES.filter(alike).map((name) => [name, kept[name]]));
  } catch {
    return {};
  }
}
