/** The decision, large, with what it was made from. */

import { Bars } from "./bars.js";
import { byId, capital, percent, setText, spaced } from "./elements.js";

const FIGURES_MS = 120; // figures that change faster cannot be read

/** Whether a frame is of the model with these classes: another one's says other names. Pure. */
export function isOf(classes, { prediction, label, probabilities }) {
  return prediction !== undefined && probabilities.length === classes.length && classes[prediction] === label;
}

/** A gesture that began, is held or ended, in words. Pure. */
export function told({ gesture, phase, variant, strength, held_s: held, reason }) {
  const name = `${variant === "single" ? "" : `${variant} `}${spaced(gesture)}`;
  if (phase === "onset") return `${name} began`;
  const since = `${held.toFixed(1)} s`;
  if (phase === "hold") return `${name} held ${since}, ${percent(strength)} strong`;
  return `${name} ended after ${since}${reason === "rest" ? "" : ` (${reason})`}`;
}

/** Shows the newest frame. */
export class GesturePanel {
  #bars = new Bars(byId("confidence"));
  #next = 0;
  #frame = null;

  configure(classes, rest, valued = false) {
    [this.classes, this.rest, this.valued] = [classes, rest, valued];
    this.#bars.configure(classes.map(spaced));
    this.clear();
    this.past(false);
  }

  clear() {
    this.#frame = null;
    for (const id of ["decision", "raw", "truth", "intensity-figure"]) setText(byId(id), "–");
    byId("intensity").style.transform = "scaleX(0)";
    byId("decision").toggleAttribute("data-rest", true);
    this.classes?.forEach((_, k) => this.#bars.set(k, 0, "–", false));
  }

  /** Whether events are asked for. */
  expectEvents(are) {
    byId("event-row").hidden = !are;
    setText(byId("event"), "–");
  }

  event(event) {
    setText(byId("event"), told(event));
    byId("event").toggleAttribute("data-held", event.phase !== "release");
  }

  threshold(share) {
    this.#bars.threshold(share);
  }

  /** What is past must not look as if it were now. */
  past(is) {
    const what = this.valued ? "output" : "decision";
    const title = is ? `Last ${what}` : capital(what);
    const none = this.classes?.length === 0 && !this.valued;
    setText(byId("gesture-title"), none ? "No model reads this source." : title);
    byId("gesture").toggleAttribute("data-past", is);
  }

  paint(frame, nowMs) {
    if (frame === null || frame === this.#frame || !isOf(this.classes ?? [], frame)) return;
    const changed = frame.decision !== this.#frame?.decision;
    this.#frame = frame;
    this.decide(frame.decision_label);
    byId("intensity").style.transform = `scaleX(${frame.intensity})`;
    if (nowMs < this.#next && !changed) return; // all of one frame: they must not contradict each other
    this.#next = nowMs + FIGURES_MS;
    frame.probabilities.forEach((share, k) => this.#bars.set(k, share, percent(share), k === frame.prediction));
    setText(byId("intensity-figure"), percent(frame.intensity));
    const likest = `${spaced(frame.label)}, ${percent(frame.confidence)}`;
    setText(byId("raw"), frame.unknown ? `none of these (${likest})` : likest);
    this.#truth(frame);
  }

  /** That frame and those before it are of another model, and not shown here. */
  after(frame) {
    this.#frame = frame;
  }

  /** Also what a stalled source makes of it. */
  decide(label) {
    const hero = byId("decision");
    setText(hero, capital(spaced(label)));
    hero.toggleAttribute("data-rest", label === this.rest);
    hero.classList.toggle("long", label.length > 10);
  }

  #truth({ truth, decision_label: decision }) {
    const wrong = truth !== null && truth !== decision;
    const text = truth === null ? "not labelled" : `${wrong ? "✗" : "✓"} ${spaced(truth)}`;
    setText(byId("truth"), text);
    byId("truth").classList.toggle("wrong", wrong);
  }
}
