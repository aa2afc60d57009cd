/** The gesture of which a stream has told the beginning and not the end. Once a cut has ended one, nothing more is told of it. */

export const INTERRUPTED = "interrupted"; // reason of a release that the server did not send

export class HeldGesture {
  #held = null;
  #ended = null; // id of the one that a cut has ended

  /** Takes note of an event; whether it is to be told. */
  tells(event) {
    if (event.phase === undefined) return true;
    if (event.id === this.#ended) return false;
    this.#held = event.phase === "release" ? null : event;
    return true;
  }

  /** The release that is owed where nothing is heard for a while; null where nothing is held. */
  cut() {
    const held = this.#held;
    if (held === null) return null;
    this.#held = null;
    this.#ended = held.id;
    return { ...held, phase: "release", reason: INTERRUPTED, timestamp: Date.now() / 1000 };
  }
}
