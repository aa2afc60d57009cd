/** What fills the screen while one records: what to do now, for how long, and what comes next. */

import { byId, setText } from "../elements.js";
import { called, drawing, REST } from "./gestures.js";
import { duration, has, text } from "./language.js";
import { LevelTrace } from "./level_trace.js";

const WORD = 0.28; // of the screen's height; a fifth at least, where it is wide enough
const SMALLER = 0.94;
const LEAST_PX = 28;
const RING_MS = 30;
const KEYS = { p: "pause", r: "redo", s: "skip" };

/** A dialog over everything; `onAct` gets "pause", "resume", "redo", "skip", "stop" or "sound". */
export class Scene {
  #shown = null; // label and phase
  #paused = false;
  #ringAt = 0; // ms

  constructor(onAct) {
    this.dialog = byId("scene");
    this.trace = new LevelTrace(byId("scene-trace"));
    byId("scene-trace").setAttribute("aria-label", text("scene.trace"));
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.act = (what) => onAct(what === "pause" && this.#paused ? "resume" : what);
    for (const what of ["pause", "redo", "skip", "sound", "stop"]) byId(`scene-${what}`).addEventListener("click", () => this.act(what));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.act("stop");
    });
    this.dialog.addEventListener("keydown", (event) => {
      const what = KEYS[event.key.toLowerCase()];
      if (!what || event.ctrlKey || event.metaKey || event.altKey || byId(`scene-${what}`).hidden) return;
      event.preventDefault();
      this.act(what);
    });
    new ResizeObserver(() => this.#fit()).observe(this.dialog);
  }

  get open() {
    return this.dialog.open;
  }

  /** @param {{hand: string, planned: boolean}} about  with a plan there is something to pause, redo and skip */
  show({ hand, planned }) {
    Object.assign(this, { hand, planned });
    this.#shown = null;
    this.trace.clear();
    this.verdict(null);
    for (const what of ["pause", "redo", "skip"]) byId(`scene-${what}`).hidden = !planned;
    if (!this.dialog.open) this.dialog.showModal();
    byId(planned ? "scene-pause" : "scene-stop").focus(); // the space bar is on it
  }

  close() {
    this.dialog.close();
  }

  sound(on) {
    byId("scene-sound").setAttribute("aria-pressed", String(on));
  }

  /** What was found of the last repetition; null for nothing to say. */
  verdict(said, lang = "") {
    if (lang) byId("scene-verdict").lang = lang;
    else byId("scene-verdict").removeAttribute("lang");
    byId("scene-verdict").hidden = said === null;
    setText(byId("scene-verdict"), said ?? "");
  }

  /** @param {object} now  of PromptClock.at, or of a free movement; gives the phase where it has changed, else null */
  paint(now, nowMs) {
    this.trace.paint(nowMs);
    const phase = phaseOf(now);
    const seconds = Math.ceil(now.left - 1e-6);
    setText(byId("scene-seconds"), now.paused ? "" : String(seconds));
    const share = now.seconds ? (this.still.matches ? seconds : now.left) / now.seconds : 1;
    this.#ring(Math.min(1, Math.max(0, share)), nowMs);
    byId("scene-done").style.transform = `scaleX(${now.done.toFixed(3)})`;
    setText(byId("scene-left"), now.total === null ? "" : text("scene.left", duration(Math.ceil(now.total))));
    setText(byId("scene-repetition"), now.repetition && now.repetitions ? text("scene.repetition", now.repetition, now.repetitions) : "");
    const key = JSON.stringify([phase, now.label, now.next]);
    if (key === this.#shown) return null;
    const changed = this.#shown === null || JSON.parse(this.#shown).slice(0, 2).join() !== [phase, now.label].join();
    this.#shown = key;
    this.#change(now, phase, changed);
    return changed ? phase : null;
  }

  #change(now, phase, changed) {
    this.#paused = now.paused;
    this.dialog.dataset.phase = phase;
    const word = wordOf(now, phase);
    const next = now.free || phase === "offer" ? "" : now.next === null ? text("scene.last") : text("scene.then", called(now.next));
    setText(byId("scene-word"), word);
    setText(byId("scene-then"), next);
    setText(byId("scene-pause"), text(now.paused ? "scene.resume" : "scene.pause"));
    this.#offer(phase);
    const shown = phase === "countdown" && now.next ? now.next : (now.label ?? REST);
    byId("scene-hand").replaceChildren(drawing(now.free ? "open_hand" : shown, this.hand));
    if (changed) setText(byId("scene-said"), text("scene.said", word, Math.ceil(now.left), next));
    this.#fit();
  }

  /** What is left of the step; so large a picture is not drawn more often than it is seen to move. */
  #ring(share, nowMs) {
    if (nowMs - this.#ringAt < RING_MS) return;
    this.#ringAt = nowMs;
    byId("scene-arc").style.strokeDashoffset = (1 - share).toFixed(3);
  }

  /** After the last step there is only to do it again, or to be done. */
  #offer(phase) {
    const was = byId("scene-pause").hidden;
    for (const what of ["pause", "skip"]) byId(`scene-${what}`).hidden = !this.planned || phase === "offer";
    if (!was && byId("scene-pause").hidden && this.planned) byId("scene-redo").focus();
  }

  /** As large as it may be, in lines between words. */
  #fit() {
    const word = byId("scene-word");
    if (!this.dialog.open) return;
    for (let size = window.innerHeight * WORD; size > LEAST_PX; size *= SMALLER) {
      word.style.fontSize = `${size}px`;
      if (word.scrollWidth <= word.clientWidth && this.dialog.scrollHeight <= this.dialog.clientHeight + 1) return;
    }
  }
}

function phaseOf({ label, next, paused, free }) {
  if (paused) return "paused";
  if (free) return "gesture";
  if (label === null) return next === null ? "offer" : "countdown";
  return label === REST ? "rest" : "gesture";
}

function wordOf({ label, free }, phase) {
  if (phase === "paused") return text("scene.paused");
  if (free) return text("scene.free");
  if (phase === "offer") return text("scene.offered");
  return label === null ? text("scene.ready") : called(label);
}

/** A verdict in words, of one of a recording's `repetitions`. */
export function verdictOf({ state, verdict }) {
  if (state !== "done") return text(`verdict.${state}`);
  return verdict === null ? text("verdict.none") : has(`verdict.${verdict}`) ? text(`verdict.${verdict}`) : verdict;
}
