/** Where the server's source is chosen while it runs. */

import { DeviceList } from "./device_list.js";
import { byId, setText } from "./elements.js";

const LOOK_MS = 30_000; // streams in the network take their time to answer
const OPEN_MS = 60_000; // and radio devices to open

/** A dialog with the devices that are there; `onSwitched` gets the source that the server reads now. */
export class SourcePicker {
  #opening = false;
  #turn = 0; // of what was begun last: a look that comes back later has nothing more to say
  #refused = null; // what was asked for, and not given for the model's sake

  /** @param {import("./server.js").Server} server @param {{onSwitched: (source: object) => void}} parts */
  constructor(server, { onSwitched }) {
    [this.server, this.onSwitched] = [server, onSwitched];
    this.dialog = byId("sources");
    this.list = new DeviceList(byId("devices"), (device, settings) => this.#choose(device.name, settings));
    const does = (id, work) => byId(id).addEventListener("click", work);
    does("source-open", () => {
      this.dialog.showModal();
      if (!this.#opening) this.#look();
    });
    does("sources-refresh", () => this.#opening || this.#look());
    does("sources-close", () => this.dialog.close());
    does("sources-back", () => this.#open("the source it was started with", () => this.server.delete("/emg/source", OPEN_MS)));
    does("sources-plain", () => this.#choose(this.#refused.name, { ...this.#refused.settings, EMG_MODEL: "none" }));
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
      return () => {
        this.list.show(devices, current);
        setText(byId("sources-said"), "Streams go on with the one that you choose.");
      };
    });
  }

  async #choose(name, settings) {
    this.#refused = { name, settings };
    await this.#open(name, () => this.server.put("/emg/source", { settings }, OPEN_MS));
  }

  /** One at a time. */
  async #open(name, work) {
    if (this.#opening) return;
    this.#opening = true;
    await this.#do(`Opening ${name}.`, async () => {
      const source = await work();
      return () => {
        this.dialog.close();
        this.onSwitched(source);
      };
    });
    this.#opening = false;
  }

  /** What the work gives is done with it, unless something else was begun meanwhile; what the server refuses is said. */
  async #do(doing, work) {
    const turn = (this.#turn += 1);
    byId("sources-plain").hidden = true;
    setText(byId("sources-said"), doing);
    setText(byId("sources-error"), "");
    this.dialog.setAttribute("aria-busy", "true");
    const done = await work().catch((error) => () => this.#complain(error));
    if (turn !== this.#turn) return;
    this.dialog.setAttribute("aria-busy", "false");
    done();
  }

  #complain({ message }) {
    setText(byId("sources-said"), "");
    setText(byId("sources-error"), message);
    // the model stays, and may be what does not fit: it can be left out
    byId("sources-plain").hidden = this.#refused === null || !/\bmodel\b/.test(message);
  }
}
