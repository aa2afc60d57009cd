/** The dashboard: one stream, what it says, and what the server says of itself. */

import { AccuracyPanel } from "./accuracy_panel.js";
import { Bars } from "./bars.js";
import { Chronicle } from "./chronicle.js";
import { Controls } from "./controls.js";
import { byId, percent, setText, spaced } from "./elements.js";
import { Figures } from "./figures.js";
import { GesturePanel } from "./gesture.js";
import { installKeyDialog } from "./key_dialog.js";
import { EventLog } from "./log.js";
import { LogPanel } from "./log_panel.js";
import { Monitor } from "./monitor.js";
import { noticeOf } from "./notice.js";
import { spoken } from "./options.js";
import { Palette } from "./palette.js";
import { QualityPanel } from "./quality_panel.js";
import { RecordingsPanel } from "./recordings_panel.js";
import { Ribbon } from "./ribbon.js";
import { Scores } from "./scores.js";
import { Screen } from "./screen.js";
import { ScrollClock } from "./scroll.js";
import { Server } from "./server.js";
import { Session } from "./session.js";
import { SignalView } from "./signal_view.js";
import { installTheme } from "./theme.js";
import { TimingChart } from "./timing_chart.js";
import { Timings } from "./timings.js";
import { Waveform } from "./waveform.js";

const STATES = {
  idle: ["idle", "Not started"],
  connecting: ["busy", "Connecting"],
  live: ["live", "Live"],
  stalled: ["warn", "Source stalled"],
  waiting: ["bad", "Reconnecting"],
  completed: ["idle", "Complete"],
  failed: ["bad", "Refused"],
};

/** Holds the parts together. */
class Dashboard {
  frame = null; // the newest
  detail = {};
  scores = new Scores([]);
  timings = { age: new Timings(), latency: new Timings() };
  log = new EventLog();
  chronicle = new Chronicle(this.log);
  palette = new Palette();
  gesture = new GesturePanel();
  accuracy = new AccuracyPanel();
  distribution = new Bars(byId("distribution"));
  figures = new Figures();
  quality = new QualityPanel();
  logPanel = new LogPanel(this.log);
  timingChart = new TimingChart(byId("timing"), this.palette);

  constructor(server) {
    this.server = server;
    this.session = new Session(server, {
      onEvent: (event) => this.#event(event),
      onState: (state, detail) => this.#state(state, detail),
    });
    this.controls = new Controls(server, () => this.session.running && this.start());
    const clock = new ScrollClock(1000);
    this.signal = new SignalView(
      new Waveform(byId("waveform"), this.palette, clock),
      new Ribbon(byId("ribbon"), this.palette),
      clock,
    );
    this.recordings = new RecordingsPanel(server, () => this.controls.options.source);
    this.monitor = new Monitor(server, {
      onChange: () => this.#heard(),
      onStats: (stats) => this.figures.server(stats, this.options ?? this.controls.options),
      onQuality: (answer, why) => this.#judged(answer, why),
      recordings: this.recordings,
      source: () => this.controls.options.source,
    });
    this.openKey = installKeyDialog(server, () => this.#keyed());
    installTheme(byId("theme"), () => this.#recolour());
    byId("toggle").addEventListener("click", () => (this.session.running ? this.session.stop() : this.start()));
    byId("notice-act").addEventListener("click", () => (this.act === "key" ? this.openKey() : this.start()));
    this.screen = new Screen({
      fast: (now) => this.#fast(now),
      slow: (now) => this.#slow(now),
      shown: () => this.signal.redraw(),
    });
    this.monitor.start();
    this.#state("idle", {});
    if (new URLSearchParams(window.location.search).has("start")) this.start();
  }

  start() {
    if (!this.controls.valid()) return;
    this.options = this.controls.options;
    this.#clear();
    this.gesture.threshold(this.options.min_confidence);
    setText(byId("fps-asked"), String(this.options.fps));
    this.chronicle.began(spoken(this.options));
    this.session.start(spoken(this.options));
    this.monitor.poll.wake();
  }

  #clear() {
    this.frame = null;
    this.scores.clear();
    this.gesture.clear();
    this.signal.clear();
    Object.values(this.timings).forEach((timings) => timings.clear());
    this.#configure();
  }

  /** What the model and the source are, as far as they are known. */
  #configure() {
    const model = this.monitor.health?.model;
    if (!model) return;
    const fps = this.options?.fps ?? this.controls.options.fps;
    this.signal.configure(model.channels, model.sampling_rate_hz, fps, model.units);
    const key = JSON.stringify(model);
    if (key === this.model) return;
    this.model = key;
    const rest = model.rest_class ?? (model.classes.includes("rest") ? "rest" : model.classes[0]);
    this.scores = new Scores(model.classes);
    this.gesture.configure(model.classes, rest);
    this.signal.rest(rest);
    this.accuracy.configure(this.scores);
    this.distribution.configure(model.classes);
    this.quality.configure(model.channels);
    this.signal.waveform.levels = this.quality.levels;
    this.recordings.configure(model.classes);
  }

  #event(event) {
    this.chronicle.event(event);
    if (event.status === "stalled" || event.status === "recovered") this.gesture.decide(event.decision_label);
    if (event.prediction === undefined || this.model === undefined) return;
    const now = performance.now();
    this.frame = event;
    this.scores.push(event);
    this.timings.latency.push(now, event.latency_ms);
    this.timings.age.push(now, event.age_ms);
    this.signal.push(event, now);
    if (event.quality) this.quality.event(event.quality, this.#qualityChanged);
  }

  #state(state, detail) {
    this.detail = detail;
    this.chronicle.state(state, detail);
    const [mark, text] = STATES[state];
    byId("status").dataset.state = mark;
    setText(byId("status-text"), text);
    const toggle = byId("toggle");
    setText(toggle, this.session.running ? "Stop" : "Start");
    if (state === "failed") this.controls.complain(detail.error.problem?.errors);
    if (state === "waiting" || state === "stalled" || state === "failed") this.monitor.poll.wake();
    this.signal.explain(state, this.options?.include_signal ?? true);
    this.gesture.past(this.frame !== null && state !== "live" && state !== "stalled");
    this.#notice();
  }

  /** The server has answered, or has not. */
  #heard() {
    const { health, sources, fallback } = this.monitor;
    if (health) {
      this.controls.backends(health.backends);
      this.controls.sources(sources, fallback);
      this.#configure();
      setText(byId("about"), about(health, this.monitor.named(this.controls.options.source)));
    }
    this.controls.show();
    this.#permit();
    this.#notice();
  }

  /** A key that may not read opens no stream; the notice says so. */
  #permit() {
    const may = this.session.running || this.server.may("read");
    byId("toggle").disabled = !may;
    byId("toggle").title = may ? "" : "This takes a key with the scope read";
    this.recordings.permit();
  }

  #notice() {
    const { trouble, health } = this.monitor;
    const source = this.monitor.named(this.controls.options.source);
    const { address, url, scopes } = this.server;
    const now = { state: this.session.state, detail: this.detail, trouble, health, source, address, scopes };
    const found = noticeOf({ ...now, elsewhere: url !== "" });
    byId("notice").hidden = found === null;
    this.act = found?.act;
    if (found === null) return;
    byId("notice").dataset.level = found.level;
    setText(byId("notice-title"), found.title);
    setText(byId("notice-text"), found.text);
    byId("notice-act").hidden = !found.act;
    setText(byId("notice-act"), found.act === "key" ? "Enter a key" : "Start again");
  }

  #judged(answer, why) {
    byId("quality-plain").hidden = answer !== null;
    byId("channels").hidden = answer === null;
    setText(byId("quality-plain"), why);
    if (answer === null) return setText(byId("quality-note"), "");
    if (this.model === undefined) this.#configure();
    return this.quality.show(answer, this.#qualityChanged);
  }

  #qualityChanged = (channel, problems) => this.chronicle.quality(channel, problems);

  #keyed() {
    this.monitor.trouble = null;
    this.controls.show();
    this.#permit();
    this.monitor.poll.wake();
    if (this.session.state === "failed") this.start();
  }

  #recolour() {
    this.palette.refresh();
    this.signal.redraw();
  }

  #fast(now) {
    this.signal.paint(now);
    this.gesture.paint(this.frame, now);
    this.recordings.paint(now);
  }

  #slow(now) {
    this.signal.fit(now);
    this.figures.paint(now, this.timings, this.frame);
    this.figures.speed(this.signal.clock.speed);
    this.timingChart.paint(now, this.timings);
    if (this.model !== undefined) this.accuracy.paint();
    this.logPanel.paint();
    const { predicted, frames } = this.scores;
    const common = Math.max(1, ...predicted);
    predicted.forEach((count, k) => {
      const text = frames ? percent(count / frames) : "–";
      this.distribution.set(k, count / common, text, false);
    });
  }
}

function about({ model, source, version }, streamed) {
  const name = streamed?.name ?? source?.name ?? "no source";
  const rate = `${model.channels} channels at ${model.sampling_rate_hz.toLocaleString("en")} Hz`;
  return [spaced(name), rate, model.name, `version ${version}`].join(" · ");
}

/** The page that the server gives speaks to that server; the stand-alone one to any. */
function addressed() {
  if (!document.documentElement.hasAttribute("data-standalone")) return "";
  const query = new URLSearchParams(window.location.search);
  const url = (query.get("server") ?? "http://127.0.0.1:8000").replace(/\/+$/, "");
  byId("connect").hidden = false;
  byId("server").value = url;
  byId("docs").href = `${url}/docs`;
  byId("connect").addEventListener("submit", (event) => {
    event.preventDefault();
    query.set("server", byId("server").value);
    window.location.search = query;
  });
  return url;
}

window.dashboard = new Dashboard(new Server(addressed())); // for the console, and for those who measure
