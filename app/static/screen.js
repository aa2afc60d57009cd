/** Frames drawn only while the page is seen. */

const SLOW_MS = 250; // for what is read rather than watched

/** Calls `fast(now)` with each animation frame, `slow(now)` four times a second, and `shown()` after a hidden time. */
export class Screen {
  drawn = 0; // frames, for those who measure
  #slowAt = 0;
  #wanted = 0;

  constructor({ fast, slow, shown }) {
    Object.assign(this, { fast, slow, shown });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#rest();
      else {
        this.shown();
        this.#ask();
      }
    });
    if (!document.hidden) this.#ask();
  }

  #ask() {
    this.#wanted ||= requestAnimationFrame((now) => this.#frame(now));
  }

  #rest() {
    cancelAnimationFrame(this.#wanted);
    this.#wanted = 0;
  }

  #frame(now) {
    this.#wanted = 0;
    this.#ask();
    this.drawn += 1;
    this.fast(now);
    if (now - this.#slowAt < SLOW_MS) return;
    this.#slowAt = now;
    this.slow(now);
  }
}
