/** The wall view: decision, signal and truth alone, to be read from across a room. */

import { byId } from "./elements.js";

const HASH = "#wall"; // in the address, so that a screen can be opened with it
const TYPED_IN = "input:not([type=range]), select, textarea, dialog[open] *";

/** Opened by its button, by the key W or by the address; left by Escape, W, its cross, or the browser's way back. */
export class Wall {
  constructor() {
    byId("wall-open").addEventListener("click", () => this.#go(true));
    byId("wall-leave").addEventListener("click", () => this.#go(false));
    window.addEventListener("hashchange", () => this.#arrange());
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#arrange();
  }

  get open() {
    return window.location.hash === HASH;
  }

  #go(open) {
    if (open) window.location.hash = HASH;
    else window.history.replaceState(null, "", window.location.pathname + window.location.search);
    this.#arrange();
    if (!open) byId("wall-open").focus();
  }

  #arrange() {
    document.body.toggleAttribute("data-wall", this.open);
    if (this.open) window.scrollTo(0, 0);
  }

  #key({ key, target, ctrlKey, metaKey, altKey }) {
    if (ctrlKey || metaKey || altKey || target.matches(TYPED_IN)) return;
    if (key.toLowerCase() === "w") this.#go(!this.open);
    else if (key === "Escape" && this.open) this.#go(false);
  }
}
