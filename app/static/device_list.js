/** The devices that a server can read: those that are there, and those of which only opening them would tell. */

import { make } from "./elements.js";

const KINDS = { serial: "serial port", lsl: "LSL", brainflow: "BrainFlow", mindrove: "MindRove", otb: "OTB" };
const AT_START = ["EMG_OTB_BIND"]; // no caller may change it while the server runs
const NEED = /(EMG_\w+)=(?:'([^']*)'|(\S+))/g;

/** A list in groups; `onChoose(device, settings)` gets what somebody chose, with what it needs. */
export class DeviceList {
  constructor(place, onChoose) {
    [this.place, this.onChoose] = [place, onChoose];
  }

  /** @param {object[]} devices  of GET /emg/devices  @param {object} current  the settings of the source now */
  show(devices, current) {
    const list = (some) => make("ul", { class: "devices" }, ...some.map((device) => this.#item(device, current)));
    const others = devices.filter(({ there }) => !there);
    const title = make("summary", {}, `${others.length} more, of which only opening them would tell`);
    this.place.replaceChildren(
      list(devices.filter(({ there }) => there)),
      ...(others.length ? [make("details", {}, title, list(others))] : []),
    );
  }

  #item(device, current) {
    const used = isCurrent(device, current);
    const button = make(
      "button",
      { class: "device", type: "button", "aria-current": used && "true" },
      make("span", { class: "name" }, device.name),
      make("span", { class: "note" }, aboutOf(device, used)),
    );
    const item = make("li", {}, button);
    const needed = needsOf(device).filter(([name]) => !AT_START.includes(name));
    button.addEventListener("click", () => {
      if (needed.length === 0) this.onChoose(device, device.settings);
      else if (item.childElementCount === 1) item.append(this.#form(device, needed));
    });
    return item;
  }

  /** Room for what only a person knows, with the server's example in it. */
  #form(device, needed) {
    const inputs = needed.map(([name, example]) => make("input", { name, value: example, autocomplete: "off", spellcheck: "false", required: true }));
    const fields = inputs.map((input) => make("label", {}, input.name, input));
    const form = make("form", { class: "needs" }, ...fields, make("button", { class: "button small", type: "submit" }, "Open"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = Object.fromEntries(inputs.map(({ name, value }) => [name, value.trim()]));
      this.onChoose(device, { ...device.settings, ...given });
    });
    return form;
  }
}

function aboutOf(device, used) {
  const { kind, channels, sampling_rate_hz: rate, about } = device;
  const signal = channels && `${channels} ${channels === 1 ? "channel" : "channels"}${rate ? ` at ${rate.toLocaleString("en")} Hz` : ""}`;
  const start = needsOf(device).filter(([name]) => AT_START.includes(name)).map((need) => `the server must have been started with ${need.join("=")}`);
  return [KINDS[kind] ?? null, signal, about, ...start, used && "in use"].filter(Boolean).join(" · ");
}

/** Names and examples of the settings that a device needs beside its own. */
export function needsOf({ needs }) {
  return [...(needs ?? "").matchAll(NEED)].map(([, name, quoted, bare]) => [name, quoted ?? bare]);
}

/** Whether the server runs with all that would open this device. */
function isCurrent({ settings }, current) {
  return Object.entries(settings).every(([name, value]) => current[name] === value);
}
