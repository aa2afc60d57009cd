/** What the hand does now, by the events of a stream; pure, with the caller's clock. */

/** Without a frame or a gesture for so long nothing is known, and the hand counts as at rest. */
export const SILENT_MS = 300;

/** Each gesture that began ends, whatever happens: `told` hears of its onset, its holds and its release. */
export class HandState {
  gesture = null; // the event of what is held
  decision = null; // name of the class; null: nothing is known
  strength = 0; // 0..1
  live = false;
  #heardMs = 0;
  #told;

  constructor(told = () => {}) {
    this.#told = told;
  }

  /** An event of the stream, as its JSON has it. */
  take(event, nowMs) {
    if (event.status === "stalled" || event.status === "completed") this.rest(event.status);
    if ("prediction" in event || "truth" in event || event.phase === "onset" || event.phase === "hold") {
      [this.live, this.#heardMs] = [true, nowMs];
    }
    if (event.phase) this.#gesture(event);
    else if ("decision_label" in event && this.live) {
      this.decision = event.decision_label;
      this.strength = event.strength ?? 0;
    }
  }

  tick(nowMs) {
    if (this.live && nowMs - this.#heardMs > SILENT_MS) this.rest("silence");
  }

  /** Ends what is held, for a reason of the game's own. */
  rest(reason) {
    Object.assign(this, { live: false, decision: null, strength: 0 });
    if (this.gesture) this.#end({ ...this.gesture, phase: "release", reason });
  }

  #gesture(event) {
    if (event.phase === "release") {
      if (this.gesture?.id === event.id) this.#end(event); // else its end was told in the silence
      return;
    }
    const goesOn = this.gesture?.id === event.id;
    if (this.gesture && !goesOn) this.#end({ ...this.gesture, phase: "release", reason: "gesture" });
    [this.gesture, this.strength] = [event, event.strength];
    this.#told({ ...event, phase: goesOn ? "hold" : "onset" }); // held still after a silence, it begins again
  }

  #end(event) {
    [this.gesture, this.strength] = [null, 0];
    this.#told(event);
  }
}
