/** A recording that is played as if it were live: which file, where it is, and on from elsewhere. */

import { byId, setText } from "./elements.js";

const NEEDS = "This takes a key with the scope control";

/** Seconds as 1:05; an hour and more as 1:01:05. Pure. */
export function clockTime(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (part) => String(part).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Where a replay is by now that was somewhere some seconds ago, and begins again at its end. Pure. */
export function positionAfter({ position_seconds: at, duration_seconds: whole, paused }, seconds, speed = 1) {
  return paused ? at : (at + Math.max(0, seconds) * speed) % whole;
}

/** Shows the last answer of `/emg/source/position`, and runs on by itself between two; hidden without a replay. */
export class ReplayBar {
  position = null; // as the server had it last
  #asked = 0; // when, ms
  #held = false; // somebody drags it

  /** @param {import("./server.js").Server} server  @param {{onMoved: () => void}} parts */
  constructor(server, { onMoved }) {
    [this.server, this.onMoved] = [server, onMoved];
    this.slider = byId("replay-at");
    byId("replay-pause").addEventListener("click", () => this.#put({ paused: !this.position.paused }));
    this.slider.addEventListener("input", () => {
      this.#held = true;
      this.#say(Number(this.slider.value));
    });
    this.slider.addEventListener("change", async () => {
      await this.#put({ position_seconds: Number(this.slider.value) });
      this.#held = false;
    });
  }

  get paused() {
    return this.position?.paused ?? false;
  }

  /** Asks where it is, of a source that is a replay. @param {object | null} source  one of /emg/sources */
  async follow(source) {
    if (!source?.replay) return this.#show(null);
    try {
      return this.#show(await this.server.get("/emg/source/position"));
    } catch (error) {
      if (error.status === undefined) throw error;
      return this.#show(null); // it has ended, or another source is read now
    }
  }

  /** Turns it off for a key that does not open it. */
  permit() {
    const may = this.server.may("control");
    for (const control of [this.slider, byId("replay-pause")]) {
      control.disabled = !may;
      control.title = may ? "" : NEEDS;
    }
  }

  /** @param {number} speed  how many times as fast as its own rate the signal comes */
  paint(nowMs, speed) {
    if (this.position === null || this.#held) return;
    const at = positionAfter(this.position, (nowMs - this.#asked) / 1000, speed);
    this.slider.value = at;
    this.#say(at);
  }

  #show(position) {
    this.position = position;
    this.#asked = performance.now();
    byId("replay").hidden = position === null;
    if (position === null) return;
    setText(byId("replay-file"), position.file);
    this.slider.max = position.duration_seconds;
    byId("replay-pause").dataset.paused = position.paused;
    byId("replay-pause").setAttribute("aria-label", position.paused ? "Play the recording" : "Pause the recording");
  }

  #say(at) {
    const text = `${clockTime(at)} / ${clockTime(this.position.duration_seconds)}`;
    setText(byId("replay-time"), text);
    this.slider.setAttribute("aria-valuetext", text.replace("/", "of"));
  }

  async #put(wanted) {
    setText(byId("replay-error"), "");
    try {
      this.#show(await this.server.put("/emg/source/position", wanted));
      this.onMoved();
    } catch (error) {
      setText(byId("replay-error"), error.message);
    }
  }
}
