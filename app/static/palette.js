/** The style sheet's colours for drawing, which follow the theme. */

const NAMES = ["panel", "line", "ink", "soft", "accent", "tint", "warn", "bad"];

/** Colours by name, as `rgb(...)`, read when asked for after `refresh`. */
export class Palette {
  #probe = document.createElement("span");

  constructor() {
    this.#probe.hidden = true;
    document.body.append(this.#probe);
    this.refresh();
  }

  refresh() {
    for (const name of NAMES) {
      this.#probe.style.color = `var(--${name})`;
      this[name] = getComputedStyle(this.#probe).color;
    }
  }
}
