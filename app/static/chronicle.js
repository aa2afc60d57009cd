/** Turns what the stream says into entries of the log. */

import { counted, figure, spaced } from "./elements.js";
import { told } from "./gesture.js";
import { toldBy } from "./model_list.js";

const listed = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${spaced(name)} ${figure(value)}`)
    .join(", ");

/** Remembers the last frame, so that only changes are written down. */
export class Chronicle {
  #decision = null;
  #dropped = 0;
  #model = null; // name and version, as the stream told them last

  /** @param {import("./log.js").EventLog} log */
  constructor(log) {
    this.log = log;
  }

  began(options) {
    this.#decision = null;
    this.#dropped = 0;
    this.#model = null;
    this.#add("connection", "stream asked for", { options });
  }

  state(state, { reason, delayMs, error, ended }) {
    if (ended || state === "connecting") return;
    if (state === "failed") this.#add("error", error.message);
    else if (state === "waiting") {
      if (delayMs !== undefined) this.#add("connection", `lost: ${reason}; next try in ${(delayMs / 1000).toFixed(1)} s`);
    } else if (state === "idle") this.#add("connection", "stopped");
    else if (state === "live") this.#add("connection", "live");
  }

  event(event) {
    if (event.error) this.#add("error", event.error, event);
    else if (event.status === "completed") this.#add("connection", `complete: ${event.total_frames} frames`, event);
    else if (event.phase) this.#gesture(event);
    else if (event.status === "model") this.#read(event);
    else if (event.status) this.#add("source", `${event.status} (${event.source_state})`, event);
    else this.#frame(event);
  }

  switched({ name, channels, sampling_rate_hz: rate }) {
    this.#add("source", `changed to ${name}: ${counted(channels, "channel")} at ${rate} Hz`, { name });
  }

  quality(channel, name, problems) {
    this.#add("quality", `channel ${name}: ${problems || "fine again"}`, { channel, problems });
  }

  /** Who comes back is told again, also of the model that it began with: that is no news. */
  #read(event) {
    const { model, sha256, from_sample: from } = event;
    const said = `${model} ${sha256}`;
    if (said === this.#model || from === 0) return;
    this.#model = said;
    const what = model === null ? "" : `; ${toldBy(event)}`;
    this.#add("source", `read by ${model ?? "no model"} from sample ${from.toLocaleString("en")} on${what}`, event);
  }

  #gesture(event) {
    if (event.phase !== "hold") this.#add("decision", told(event), event);
  }

  #frame({ signal, aux, ...frame }) {
    const { decision_label: decision, label, confidence, dropped } = frame;
    if (decision !== undefined && decision !== this.#decision) {
      const before = this.#decision === null ? "" : `${spaced(this.#decision)} → `;
      this.#add("decision", `${before}${spaced(decision)}, ${Math.round(confidence * 100)} %`, frame);
      this.#decision = decision;
    }
    if (dropped > this.#dropped) this.#add("connection", `${dropped - this.#dropped} frames dropped`, { dropped });
    this.#dropped = dropped;
    const likest = label === undefined ? `sample ${frame.sample_index}` : `${spaced(label)}, ${Math.round(confidence * 100)} %`;
    const said = frame.output === undefined ? likest : listed(frame.output);
    this.#add("frame", `${frame.frame}: ${said}`, frame);
  }

  #add(kind, text, data) {
    this.log.add(Date.now(), kind, text, data);
  }
}
