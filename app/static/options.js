/** What a stream can be asked for: the fields of `POST /infer/stream`, and the same as a line for a shell. Pure. */

/** The server's own defaults; a field that has its default need not be sent. */
export const DEFAULTS = Object.freeze({
  source: null,
  backend: null,
  use_tensorrt: true,
  fps: 30,
  preprocess: true,
  votes: null, // null, also of the next four: as the model says
  min_confidence: null,
  enter: null,
  leave: null,
  change: null,
  duration_seconds: null,
  include_signal: false,
  include_aux: false,
  events: false,
});

export const VOTES = 5; // of a dashboard, where neither the model nor a person's profile says how to decide

/** Votes to ask for where nobody has chosen any: null leaves it to the model or the profile. Pure. */
export function votesFor(model, profile) {
  return model && model.decision === null && (profile ?? null) === null ? VOTES : null;
}

/** Fields that differ from the defaults. */
export function spoken(options) {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => name in DEFAULTS && value !== DEFAULTS[name]),
  );
}

/**
 * The same request for a shell. A key is never in it: it comes from the environment.
 *
 * @param {string} url
 * @param {object} options
 * @param {boolean} withKey
 */
export function curl(url, options, withKey) {
  const body = JSON.stringify(spoken(options)).replaceAll("'", "'\\''");
  const key = withKey ? ['-H "X-API-Key: $EMG_API_KEY"'] : [];
  const parts = [`curl -N ${url}/infer/stream`, ...key, "-H 'Content-Type: application/json'", `-d '${body}'`];
  return parts.join(" \\\n  ");
}
