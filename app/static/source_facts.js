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
 * @property {string | null} profile     of the person whose model it is; null where none was chosen
 * @property {string} advice             where no model reads it: what to do
 */

/**
 * @param {object | null} health
 * @param {object | null} source  one of /emg/sources
 * @param {object | null} [model]  that reads it
 * @returns {Facts | null} null while neither a source nor a model is known
 */
export function factsOf(health, source, model = readBy(health, source)) {
  if (!source && model?.channels === undefined) return null;
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
    profile: source?.profile ?? null,
    advice: source?.advice ?? "",
  };
}

/**
 * The model that reads a source, as `/health` would have it: by what its stream has told last, else by its name.
 *
 * @param {object | null} health
 * @param {object | null} source  one of /emg/sources
 * @param {object} [told]  the event {"status": "model"}, where there was one
 * @param {(name: string) => object | null} [described]  of GET /models
 * @returns {object | null} null where none reads it
 */
export function readBy(health, source, told, described = () => null) {
  const name = told === undefined ? source?.model : told.model;
  if (name === null) return null;
  const own = health?.model ?? null;
  const known = name === undefined ? own : (described(name) ?? (own?.name === name ? own : null));
  if (told === undefined) return known ?? own;
  const { sha256, classes, rest_class, outputs } = told;
  const about = (known?.sha256 ?? sha256) === sha256 ? known : null; // else it is another version
  return { ...about, name, sha256, classes, rest_class, outputs };
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
