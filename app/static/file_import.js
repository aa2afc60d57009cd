/** Import a file: chosen, sent, and what was found and assumed shown below. */

import { counted, make, setText } from "./elements.js";

const PATIENCE_MS = 600_000; // a large file over a slow line, and the time that it takes to read

/** A button, and what the last import said. */
export class FileImport {
  /**
   * @param server
   * @param {string} needs  id of what says why buttons are off
   * @param {() => Promise<void>} done  after a recording was made
   */
  constructor(server, needs, done) {
    [this.server, this.done] = [server, done];
    this.chooser = make("input", { type: "file", multiple: true, hidden: true, id: "import-file", "aria-label": "Files to import" });
    this.button = make("button", { class: "button small", type: "button", "aria-describedby": needs }, "Import a file");
    this.said = make("p", { class: "error", role: "alert" });
    this.lines = make("ul", { class: "notes", id: "import-lines" });
    this.element = make("div", { class: "import" }, this.chooser, this.button, this.said, this.lines);
    this.button.addEventListener("click", () => this.chooser.click());
    this.chooser.addEventListener("change", () => this.#send());
  }

  async #send() {
    const files = [...this.chooser.files];
    this.chooser.value = ""; // the same file may be chosen again
    if (!files.length) return;
    const form = new FormData();
    for (const file of files) form.append("file", file, file.name);
    this.button.disabled = true;
    setText(this.button, "Importing");
    setText(this.said, "");
    this.lines.replaceChildren();
    try {
      this.#tell(await this.server.upload("/recordings/import", form, PATIENCE_MS));
      await this.done();
    } catch (error) {
      setText(this.said, error.message);
    } finally {
      this.button.disabled = false;
      setText(this.button, "Import a file");
    }
  }

  #tell({ name, format, channels, sampling_rate_hz: rate, units, found, assumed }) {
    const about = `${name}: ${format}, ${counted(channels, "channel")} at ${Number(rate.toPrecision(6))} Hz, ${units}`;
    const lines = [about, ...found.map((line) => `Found: ${line}`), ...assumed.map((line) => `Assumed: ${line}`)];
    this.lines.replaceChildren(...lines.map((line) => make("li", { class: "note" }, line)));
  }
}
