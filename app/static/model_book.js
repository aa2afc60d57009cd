/** What the server says of its models, each asked for once. */

/** Keeps the answers of `GET /models/<name>`; what a page needs of them is named as in `/health`. */
export class ModelBook {
  #known = new Map(); // name: model, or null where the server says nothing of it

  /** @param {import("./server.js").Server} server */
  constructor(server) {
    this.server = server;
  }

  /** That model; null where it is not known. */
  of(name) {
    return this.#known.get(name) ?? null;
  }

  /** Asks for that model, unless it is known; null and undefined are none. */
  async learn(name) {
    if (name === null || name === undefined || this.#known.has(name)) return;
    try {
      this.#known.set(name, alike(await this.server.get(`/models/${encodeURIComponent(name)}`)));
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#known.set(name, null); // it lies elsewhere, or the key does not open it: /health has to do
    }
  }

  /** That model is in use in this version: what is known of another one is forgotten. */
  expect(name, sha256) {
    if (this.#known.get(name)?.sha256 !== sha256) this.#known.delete(name);
  }
}

/** A model of `/models` as `/health` has it. */
function alike({ name, version, sha256, classes, rest_class, outputs, input, lineage, decision }) {
  const { channels, length, context, sampling_rate_hz, units } = input;
  return { name, version, sha256, classes, rest_class, outputs, channels, length, context, sampling_rate_hz, units, person: lineage.person, decision };
}
