/** The dashboard: one stream, what it says, and what the server says of itself. */

import { AuxPanel } from "./aux_panel.js";
import { Chronicle } from "./chronicle.js";
import { Controls } from "./controls.js";
import { byId, sentence, setText, spaced } from "./elements.js";
import { Figures } from "./figures.js";
import { installKeyDialog } from "./key_dialog.js";
import { EventLog } from "./log.js";
import { LogPanel } from "./log_panel.js";
import { ModelBook } from "./model_book.js";
import { ModelPanel } from "./model_panel.js";
import { Monitor } from "./monitor.js";
import { noticeOf } from "./notice.js";
import { spoken } from "./options.js";
import { Palette } from "./palette.js";
import { Predictions } from "./predictions.js";
import { QualityPanel } from "./quality_panel.js";
import { RecordingsPanel } from "./recordings_panel.js";
import { ReplayBar } from "./replay_bar.js";
import { Ribbon, ROWS } from "./ribbon.js";
import { Screen } from "./screen.js";
import { ScrollClock } from "./scroll.js";
import { Server } from "./server.js";
import { Session } from "./session.js";
import { SignalView } from "./signal_view.js";
import { factsOf, readBy, unfamiliar, valuesOf } from "./source_facts.js";
import { SourcePicker } from "./source_picker.js";
import { installTheme } from "./theme.js";
import { TimingChart } from "./timing_chart.js";
import { Timings } from "./timings.js";
import { ValuesPanel } from "./values_panel.js";
import { Wall } from "./wall.js";
import { Waveform } from "./waveform.js";

const STATES = {
  idle: ["idle", "Stopped"],
  connecting: ["busy", "Connecting"],
  live: ["live", "Live"],
  stalled: ["warn", "Source stalled"],
  waiting: ["bad", "Reconnecting"],
  completed: ["idle", "Complete"],
  failed: ["bad", "Refused"],
};

const SWAP_MS = 200; // from a server's answer to the first sample of the model that it speaks of

/** Holds the parts together. */
class Dashboard {
  unasked; // whether it is to stream as soon as it can, though nobody has pressed Start
  frame = null; // the newest
  detail = {};
  assumed = null; // votes of the stream that nobody has chosen
  facts = null; // of the source that is shown
  told = undefined; // what the stream has said last of the model, while that is news
  timings = { age: new Timings(), latency: new Timings() };
  log = new EventLog();
  chronicle = new Chronicle(this.log);
  palette = new Palette();
  predictions = new Predictions();
  values = new ValuesPanel();
  figures = new Figures();
  quality = new QualityPanel();
  aux = new AuxPanel();
  logPanel = new LogPanel(this.log);
  timingChart = new TimingChart(byId("timing"), this.palette);

  constructor(server, { unasked }) {
    [this.server, this.unasked] = [server, unasked];
    this.models = new ModelBook(server);
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
    this.signal.waveform.levels = this.quality.levels;
    this.quality.lanes.onShown = (lanes) => this.signal.waveform.show(lanes);
    this.recordings = new RecordingsPanel(server, {
      source: () => this.controls.options.source,
      onUse: (model) => this.model.use(model),
    });
    this.replay = new ReplayBar(server, { onMoved: () => this.monitor.poll.wake() });
    this.monitor = new Monitor(server, {
      onChange: () => this.#heard(),
      onStats: (stats) => this.figures.server(stats, this.options ?? this.controls.options),
      onQuality: (answer, why) => this.#judged(answer, why),
      recordings: this.recordings,
      models: this.models,
      replay: this.replay,
      source: () => this.controls.options.source,
    });
    this.openKey = installKeyDialog(server, () => this.#keyed());
    this.picker = new SourcePicker(server, { onSwitched: (source) => this.#switched(source) });
    this.model = new ModelPanel(server, { onSwitched: () => setTimeout(() => this.monitor.poll.wake(), SWAP_MS) });
    this.wall = new Wall();
    installTheme(byId("theme"), () => this.#recolour());
    byId("toggle").addEventListener("click", () => (this.session.running ? this.stop() : this.start()));
    byId("notice-act").addEventListener("click", () => (this.act === "key" ? this.openKey() : this.start()));
    this.screen = new Screen({
      fast: (now) => this.#fast(now),
      slow: (now) => this.#slow(now),
      shown: () => this.signal.redraw(),
    });
    this.monitor.start();
    this.#state("idle", {});
  }

  get scores() {
    return this.predictions.scores;
  }

  stop() {
    this.unasked = false;
    this.session.stop();
  }

  start() {
    if (!this.controls.valid()) return;
    this.unasked = false;
    this.options = this.controls.options;
    this.assumed = this.controls.assumed;
    this.#clear();
    this.predictions.gesture.threshold(this.options.enter ?? this.options.min_confidence ?? 0);
    setText(byId("fps-asked"), String(this.options.fps));
    this.predictions.gesture.expectEvents(this.options.events);
    this.chronicle.began(spoken(this.options));
    this.session.start(spoken(this.options));
    this.monitor.poll.wake();
  }

  #clear() {
    this.frame = null;
    this.predictions.clear();
    this.values.clear();
    this.signal.clear();
    Object.values(this.timings).forEach((timings) => timings.clear());
    this.#configure();
  }

  /** What the model and the source are, as far as they are known. */
  #configure() {
    const { health } = this.monitor;
    const source = this.monitor.named(this.controls.options.source);
    const model = readBy(health, source, this.told, (name) => this.models.of(name));
    const facts = factsOf(health, source, model);
    if (facts !== null) this.#show(facts);
    this.model.show(source, model);
    this.recordings.readBy(model?.name ?? null);
  }

  #show(facts) {
    this.facts = facts;
    const { model, channels, lanes, gestures } = facts;
    const rest = this.predictions.configure(model);
    const values = valuesOf(model);
    this.values.configure(values);
    byId("board").toggleAttribute("data-signal-only", model === null);
    byId("board").toggleAttribute("data-values", values.length > 0);
    setText(byId("advice"), sentence(facts.advice));
    this.signal.configure(facts, this.options?.fps ?? this.controls.options.fps);
    this.signal.label(model && values.length === 0 ? ROWS : ROWS.slice(0, gestures.length ? 1 : 0), rest);
    const place = JSON.stringify([facts.name, channels, lanes]);
    if (place !== this.place) this.quality.configure(channels, lanes, facts.units === "uV" ? "µV" : facts.units);
    this.place = place;
    this.aux.configure(facts.aux);
    this.recordings.configure(model?.classes.length ? model.classes : gestures);
    this.controls.suit(facts);
    const beside = this.controls.options.include_aux && !this.options?.include_aux; // the source before had none
    const decides = this.assumed !== null && this.controls.assumed === null; // this model says how, the one before did not
    if (this.session.running && (beside || decides)) this.start();
  }

  #event(event) {
    this.chronicle.event(event);
    if (event.decision_label !== undefined && event.status) this.predictions.gesture.decide(event.decision_label);
    if (event.output !== undefined && event.status === "stalled") this.values.hold(event.output);
    if (event.phase !== undefined) this.predictions.gesture.event(event);
    if (event.status === "model") this.#read(event);
    if (event.status === "recovered") this.#moved();
    if (event.truth === undefined || this.facts === null) return;
    const now = performance.now();
    if (event.signal && event.signal.length !== this.facts.lanes.length) this.#surprised(event);
    this.frame = event;
    this.predictions.push(event);
    if (event.latency_ms !== undefined) this.timings.latency.push(now, event.latency_ms);
    this.timings.age.push(now, event.age_ms);
    this.signal.push(event, now);
    if (event.aux) this.aux.push(event.aux);
    if (event.quality) this.quality.event(event.quality, this.#qualityChanged);
  }

  /** Another model reads the source from the next frame on. What was shown of the one before stays as it was. */
  #read(event) {
    this.told = event;
    this.models.expect(event.model, event.sha256);
    this.#configure();
    this.predictions.gesture.after(this.frame);
    this.monitor.poll.wake(); // the montage may be another one
  }

  /** It may be another source. */
  #moved() {
    this.told = undefined;
    this.monitor.poll.wake();
  }

  /** A frame of another shape: the source has changed, and what the server says of it is on its way. */
  #surprised({ signal, backend }) {
    this.#show(unfamiliar(this.facts, signal.length, backend === undefined ? null : this.facts.model));
    this.monitor.poll.wake();
  }

  /** The server reads another source; the stream goes on. */
  #switched(source) {
    this.chronicle.switched(source);
    this.monitor.poll.wake();
  }

  #state(state, detail) {
    this.detail = detail;
    if (state !== "live" && state !== "stalled") this.told = undefined; // who comes back is told again
    this.chronicle.state(state, detail);
    this.#status();
    const toggle = byId("toggle");
    setText(toggle, this.session.running ? "Stop" : "Start");
    toggle.classList.toggle("primary", !this.session.running);
    if (state === "failed") this.controls.complain(detail.error.problem?.errors);
    if (state === "waiting" || state === "stalled" || state === "failed") this.monitor.poll.wake();
    this.signal.explain(this.unasked ? "unasked" : state, this.options?.include_signal ?? true);
    this.predictions.gesture.past(this.frame !== null && state !== "live" && state !== "stalled");
    this.#notice();
  }

  #status() {
    const { state } = this.session;
    const [mark, text] = state === "stalled" && this.replay.paused ? ["idle", "Paused"] : STATES[state];
    byId("status").dataset.state = mark;
    setText(byId("status-text"), this.unasked ? "Not started" : text);
  }

  /** The server has answered, or has not. */
  #heard() {
    const { health, sources, fallback } = this.monitor;
    if (health) {
      this.controls.backends(health.backends);
      this.controls.sources(sources, fallback);
      this.#configure();
      setText(byId("about"), about(health.version, this.facts));
    }
    this.controls.show();
    this.#permit();
    this.#status();
    this.#notice();
    if (this.unasked && this.#welcome()) this.start();
  }

  /** Whether a stream would be let in, as far as can be told before it is asked for. */
  #welcome() {
    const source = this.monitor.named(this.controls.options.source);
    return this.monitor.trouble === null && this.server.may("read") && source !== null && source.state !== "ended";
  }

  /** A key that may not read opens no stream; the notice says so. */
  #permit() {
    const may = this.session.running || this.server.may("read");
    byId("toggle").disabled = !may;
    byId("toggle").title = may ? "" : "This takes a key with the scope read";
    this.recordings.permit();
    this.replay.permit();
    this.picker.permit();
    this.model.permit();
  }

  #notice() {
    const { trouble, health } = this.monitor;
    const source = this.monitor.named(this.controls.options.source);
    const { address, url, scopes } = this.server;
    const now = { state: this.session.state, detail: this.detail, trouble, health, source, address, scopes, paused: this.replay.paused };
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
    if (this.facts === null) this.#configure();
    return this.quality.show(answer, this.#qualityChanged);
  }

  #qualityChanged = (channel, name, problems) => this.chronicle.quality(channel, name, problems);

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
    this.predictions.gesture.paint(this.frame, now);
    this.values.paint(this.frame, now);
    this.recordings.paint(now);
  }

  #slow(now) {
    this.signal.fit(now);
    this.figures.paint(now, this.timings, this.frame);
    this.figures.speed(this.signal.clock.speed);
    this.replay.paint(now, this.signal.clock.speed);
    this.timingChart.paint(now, this.timings);
    if (this.facts !== null) this.predictions.paint();
    this.aux.paint();
    this.logPanel.paint();
  }
}

function about(version, facts) {
  if (facts === null) return `no source · version ${version}`;
  const { name, channels, rate, model } = facts;
  const signal = `${channels.length} ${channels.length === 1 ? "channel" : "channels"} at ${rate.toLocaleString("en")} Hz`;
  return [spaced(name ?? "no source"), signal, model?.name ?? "no model", `version ${version}`].join(" · ");
}

/** The page that the server gives speaks to that server; the stand-alone one to any, and streams from one that was named. */
function addressed() {
  if (!document.documentElement.hasAttribute("data-standalone")) return { url: "", unasked: true };
  const query = new URLSearchParams(window.location.search);
  const url = (query.get("server") ?? "http://127.0.0.1:8000").replace(/\/+$/, "");
  byId("connect").hidden = false;
  byId("server").value = url;
  byId("docs").href = `${url}/docs`;
  byId("teach").href = `${url}/teach`;
  byId("connect").addEventListener("submit", (event) => {
    event.preventDefault();
    query.set("server", byId("server").value);
    window.location.search = query;
  });
  return { url, unasked: query.has("server") };
}

const { url, unasked } = addressed();
window.dashboard = new Dashboard(new Server(url), { unasked }); // for the console, and for those who measure
