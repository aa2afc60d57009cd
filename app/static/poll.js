/** A question asked again and again while the page is seen. */

/** Asks at once and then every `everyMs()`; `wake` asks now, or anew as soon as there is an answer. One question at a time. */
export class Poll {
  #timer = 0;
  #busy = false;
  #again = false; // woken while it asked: that answer may be of before

  constructor(ask, everyMs) {
    [this.ask, this.everyMs] = [ask, everyMs];
    document.addEventListener("visibilitychange", () => document.hidden || this.wake());
  }

  async wake() {
    clearTimeout(this.#timer);
    this.#again = this.#busy;
    if (this.#busy || document.hidden) return;
    this.#busy = true;
    try {
      await this.ask();
    } finally {
      this.#busy = false;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.wake(), this.#again ? 0 : this.everyMs());
    }
  }
}
