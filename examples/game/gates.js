/** The rules of the game: gates come nearer, and one opens while its gesture is held. Pure, with the caller's clock. */

export const LIVES = 5;
export const REACH = 0.6; // from this part of its way on a gate opens
const FASTER = 0.97; // after each that opened
const POINTS = 10; // for one, and as much again for a strong gesture

export class Gates {
  score = 0;
  opened = 0;
  lives = LIVES;
  gates = []; // {gesture, way: 0..1, state: "coming" | "opened" | "missed"}
  #travelS;
  #gestures;
  #random;
  #nextS = 0;

  /** `travelS`: s from far away to the hand; `random` as Math.random. */
  constructor({ gestures, travelS, random = Math.random }) {
    [this.#gestures, this.#travelS, this.#random] = [gestures, travelS, random];
  }

  get over() {
    return this.lives === 0;
  }

  /** The gate that comes next; undefined where none is on its way. */
  get next() {
    return this.gates.find((gate) => gate.state === "coming");
  }

  /** Goes on by `seconds`, while a gesture of that name (or null) is held with that strength. What happened to gates. */
  step(seconds, held, strength) {
    if (this.over) return [];
    this.#send(seconds);
    for (const gate of this.gates) gate.way += seconds / this.#travelS;
    this.gates = this.gates.filter((gate) => gate.way < 1.2);
    const changed = [];
    const next = this.next;
    if (next && next.way >= REACH && next.way <= 1 && next.gesture === held) {
      next.state = "opened";
      this.opened += 1;
      this.score += POINTS + Math.round(POINTS * strength);
      this.#travelS *= FASTER;
      changed.push(next);
    } else if (next && next.way > 1) {
      next.state = "missed";
      this.lives -= 1;
      changed.push(next);
    }
    return changed;
  }

  #send(seconds) {
    this.#nextS -= seconds;
    if (this.#nextS > 0) return;
    const last = this.gates.at(-1)?.gesture;
    const others = this.#gestures.filter((gesture) => gesture !== last || this.#gestures.length === 1);
    const gesture = others[Math.floor(this.#random() * others.length)];
    this.gates.push({ gesture, way: 0, state: "coming" });
    this.#nextS = this.#travelS * REACH; // one is within reach at a time
  }
}
