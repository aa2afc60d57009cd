/** What a page must know of the source that it shows, from `/health` and `/emg/sources`. Pure. */

/**
 * @typedef {object} Facts
 * @property {string | null} name        of the source
 * @property {string[]} channels         names for people: the device's own, or numbers from 1
 * @property {number[]} lanes            the channel that each row of `signal` in a frame is
 * @property {number} rate               samples a second that `sample_index` counts, Hz
 * @property {string} units              of `signal`
 * @property {string[]} gestures         names of its labels; empty where it has none
 * @property {object[]} aux              streams beside the EMG
 * @property {object | null} model       as /health has it; null where none reads the source
 * @property {string} advice             where no model reads it: what to do
 */

/**
 * @param {object | null} health
 * @param {object | null} source  one of /emg/sources
 * @returns {Facts | null} null while neither a source nor a model is known
 */
export function factsOf(health, source) {
  const model = source?.model === null ? null : (health?.model ?? null);
  if (!source && !model) return null;
  const channels = namesOf(source, model);
  return {
    name: source?.name ?? null,
    channels,
    lanes: source?.signal_channels ?? [...channels.keys()],
    rate: source?.sampling_rate_hz ?? model.sampling_rate_hz,
    units: model?.units ?? source.units,
    gestures: source?.gesture_names ?? [],
    aux: source?.aux ?? [],
    model,
    advice: source?.advice ?? "",
  };
}

/** The values that a model gives, with their ranges; empty for one that decides between classes, and for none. */
export const valuesOf = (model) => model?.outputs?.values ?? [];

/** The same until the server has said how a source is called whose frames have so many rows. @returns {Facts} */
export function unfamiliar(facts, rows, model) {
  const lanes = Array.from({ length: rows }, (_, k) => k);
  return { ...facts, name: null, channels: lanes.map((k) => String(k + 1)), lanes, gestures: [], model };
}

/** `ch7` says no more than 7. */
function namesOf(source, model) {
  const given = source?.channel_names ?? Array.from({ length: source?.channels ?? model.channels }, (_, c) => `ch${c + 1}`);
  return given.map((name, c) => (name === `ch${c + 1}` ? String(c + 1) : name));
}
