/** Where the server's source is chosen among the devices that are there. */

import { byId, make, setText } from "./elements.js";

const LOOK_MS = 30_000; // LSL and radio devices take their time to be found
const OPEN_MS = 60_000; // so do devices to open
const KINDS = { serial: "serial port", lsl: "LSL", brainflow: "BrainFlow", mindrove: "MindRove", otb: "OTB", simulator: "simulated" };

/** A dialog with a list; `onSwitched` gets the source that the server says it reads now. */
export class SourcePicker {
  #busy = false;

  /** @param {import("./server.js").Server} server @param {{onSwitched: (source: object) => void}} parts */
  constructor(server, { onSwitched }) {
    [this.server, this.onSwitched] = [server, onSwitched];
    this.dialog = byId("sources");
    byId("source-open").addEventListener("click", () => {
      this.dialog.showModal();
      this.#look();
    });
    byId("sources-refresh").addEventListener("click", () => this.#look());
    byId("sources-close").addEventListener("click", () => this.dialog.close());
  }

  /** Turns it off for a key that does not open it, and says so. */
  permit() {
    const may = this.server.may("control");
    byId("source-open").disabled = !may;
    byId("source-open").title = may ? "" : "To choose the source takes a key with the scope control";
  }

  async #look() {
    await this.#do("Looking for devices.", async () => {
      const { devices, current } = await this.server.get("/emg/devices", LOOK_MS);
      byId("devices").replaceChildren(...devices.map((device) => this.#item(device, isCurrent(device, current))));
      return devices.length ? "Choose the one that the server shall read." : "No device was found. Is it switched on and connected?";
    });
  }

  #item(device, current) {
    const { kind, name, detail, settings } = device;
    const about = [KINDS[kind] ?? kind, detail, current && "in use"].filter(Boolean).join(" · ");
    const parts = [make("span", { class: "name" }, name), make("span", { class: "note" }, about)];
    const button = make("button", { class: "device", type: "button", disabled: !settings, "aria-current": current && "true" }, ...parts);
    button.addEventListener("click", () => this.#choose(device));
    return make("li", {}, button);
  }

  async #choose({ name, settings }) {
    const source = await this.#do(`Opening ${name}.`, () => this.server.put("/emg/source", { settings }, OPEN_MS));
    if (source === undefined) return;
    this.dialog.close();
    this.onSwitched(source);
  }

  /** One thing at a time; what the work gives, or undefined where it failed, which is said. */
  async #do(doing, work) {
    if (this.#busy) return undefined;
    this.#wait(true);
    setText(byId("sources-said"), doing);
    setText(byId("sources-error"), "");
    let found;
    try {
      found = await work();
      setText(byId("sources-said"), typeof found === "string" ? found : "");
    } catch (error) {
      setText(byId("sources-said"), "");
      setText(byId("sources-error"), error.message);
    }
    this.#wait(false);
    return found;
  }

  #wait(busy) {
    this.#busy = busy;
    this.dialog.setAttribute("aria-busy", String(busy));
    byId("sources-refresh").disabled = busy;
  }
}

/** Whether the server runs with all that would open this device. */
function isCurrent({ settings }, current) {
  const asked = Object.entries(settings ?? {});
  return asked.length > 0 && asked.every(([name, value]) => String(current?.[name] ?? "") === String(value));
}
