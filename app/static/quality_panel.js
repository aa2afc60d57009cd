/** Each channel's quality: beside its lane, and as a list with what is wrong in words. */

import { byId, figure, make, setText } from "./elements.js";
import { LaneList } from "./lane_list.js";

const FITTING = 20; // more must be scrolled
const BAD = ["dead", "flat", "railed"]; // no signal at all; the others still carry some

/** Problems by channel of the source, from the quality route and from the events. */
export class QualityPanel {
  levels = []; // ok | warn | bad, by lane; always the same array, which the waveform reads
  lanes = new LaneList();
  #rows = []; // by channel
  #channels = []; // by lane

  /**
   * @param {string[]} names  of the source's channels
   * @param {number[]} lanes  channel of each row of the signal
   * @param {string} units    of the rms
   */
  configure(names, lanes, units) {
    [this.names, this.units] = [names, units];
    this.problems = names.map(() => "");
    this.#rows = names.map(channelRow);
    byId("channels").replaceChildren(...this.#rows.map(({ item }) => item));
    byId("channels").toggleAttribute("data-named", isNamed(names));
    byId("channels").toggleAttribute("data-many", names.length > FITTING);
    byId("channels").tabIndex = names.length > FITTING ? 0 : -1;
    byId("channels").style.setProperty("--number", `${Math.max(...names.map(({ length }) => length), 1) + 0.5}ch`);
    this.#arrange(lanes);
  }

  /** The waveform's lanes, from above; one may be of no channel that is known. */
  #arrange(channels) {
    this.levels.splice(0, Infinity, ...channels.map(() => "ok"));
    this.#channels = channels;
    this.lanes.configure(channels.map((channel) => this.names[channel] ?? String(channel + 1)));
    byId("lanes").toggleAttribute("data-named", isNamed(channels.map((channel) => this.names[channel])));
    for (const channel of channels) this.#mark(channel);
  }

  /** An answer of `/emg/quality`; gives the levels of all channels, and says what has changed. */
  show({ channels }, onChange) {
    if (channels.length !== this.problems.length) return; // of another source than is known
    const most = Math.max(...channels.map(({ rms }) => rms ?? 0), 1e-9);
    for (const { channel, problems, rms } of channels) {
      const row = this.#rows[channel];
      if (!row) continue;
      row.fill.style.transform = `scaleX(${Math.sqrt(Math.min(1, (rms ?? 0) / most)).toFixed(2)})`;
      setText(row.rms, rms === null ? "–" : `${figure(rms)} ${this.units}`);
      row.item.title = `channel ${this.names[channel]}: rms ${figure(rms)} ${this.units}`;
      this.set(channel, problems, onChange);
    }
    const bad = this.problems.filter(Boolean).length;
    setText(byId("quality-note"), bad ? `${bad} of ${this.problems.length} need a look` : `all ${channels.length} are fine`);
  }

  /** The `quality` of an event: problem to channels. */
  event(quality, onChange) {
    const found = this.problems.map(() => []);
    for (const [problem, channels] of Object.entries(quality ?? {})) {
      for (const channel of channels) found[channel]?.push(problem);
    }
    found.forEach((problems, channel) => this.set(channel, problems, onChange));
  }

  set(channel, problems, onChange) {
    const text = problems.join(", ");
    if (text === this.problems[channel]) return;
    this.problems[channel] = text;
    this.#mark(channel);
    onChange(channel, this.names[channel], text);
  }

  #mark(channel) {
    const text = this.problems[channel];
    if (text === undefined) return; // a lane of no channel that is known
    const level = levelOf(text);
    const sign = level === "bad" ? "✗" : "▲";
    const { item, problem } = this.#rows[channel];
    item.dataset.level = level;
    setText(problem, text && `${sign} ${text}`);
    this.#channels.forEach((its, lane) => {
      if (its !== channel) return;
      this.levels[lane] = level;
      this.lanes.mark(lane, level, text && `${sign} ${text.split(",")[0]}`);
    });
  }
}

/** A channel in the list. */
function channelRow(name) {
  const fill = make("span", { class: "fill" });
  const problem = make("span", { class: "problem" });
  const track = make("span", { class: "track" }, fill);
  const rms = make("span", { class: "figure" }, "–");
  const item = make("li", {}, make("span", { class: "number", title: name }, name), track, rms, problem);
  return { item, fill, rms, problem };
}

const isNamed = (names) => names.some((name) => name?.length > 3);

function levelOf(text) {
  if (!text) return "ok";
  return BAD.some((word) => text.includes(word)) ? "bad" : "warn";
}
