/** The stream's form, folded away at the side until it is asked for. */

import { byId } from "./elements.js";

const KEY = "myostream-settings"; // in the browser: who works with it has it open again

/** Opened and closed by its button, and closed by Escape. */
export class Drawer {
  constructor() {
    this.button = byId("settings-open");
    this.button.addEventListener("click", () => this.show(byId("settings").hidden));
    byId("settings-close").addEventListener("click", () => this.#leave());
    byId("settings").addEventListener("keydown", ({ key }) => key === "Escape" && this.#leave());
    this.show(localStorage.getItem(KEY) === "open");
  }

  show(open) {
    byId("settings").hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    localStorage.setItem(KEY, open ? "open" : "folded");
  }

  #leave() {
    this.show(false);
    this.button.focus();
  }
}
