/** The models that were learned from recordings, as the server's jobs have them. */

const LOOK_MS = 30_000; // they come from another page, or another person

/** Asks for jobs now and then, and at once when somebody comes back to the page. */
export class Learned {
  #jobs = [];
  #asked = -Infinity; // ms

  /** @param {import("./server.js").Server} server */
  constructor(server) {
    this.server = server;
    const anew = () => (this.#asked = -Infinity);
    for (const name of ["focus", "pageshow"]) window.addEventListener(name, anew);
  }

  /** The newest training of that recording whose model is still there; null where there is none. */
  of(recording) {
    return this.#jobs.find(({ recordings }) => recordings.includes(recording)) ?? null;
  }

  async refresh() {
    const now = performance.now();
    if (now - this.#asked < LOOK_MS) return;
    this.#asked = now;
    try {
      const { jobs } = await this.server.get("/jobs");
      const done = jobs.filter(({ state }) => state === "done");
      const models = done.length ? (await this.server.get("/models")).models : [];
      this.#jobs = stillThere(done, models);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#jobs = []; // the key does not open them, or the server does not train
    }
  }
}

/** Those whose very model is there. Pure. */
export function stillThere(jobs, models) {
  const known = new Set(models.map(({ name, sha256 }) => `${name} ${sha256}`));
  return jobs.filter(({ result }) => known.has(`${result.model} ${result.sha256}`));
}
