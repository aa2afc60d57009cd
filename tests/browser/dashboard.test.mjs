// The dashboard's pure modules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AutoScale } from "../../app/static/auto_scale.js";
import { needsOf } from "../../app/static/device_list.js";
import { time } from "../../app/static/elements.js";
import { LaneChoice } from "../../app/static/lane_choice.js";
import { EventLog, jsonLines } from "../../app/static/log.js";
import { noticeOf } from "../../app/static/notice.js";
import { curl, DEFAULTS, spoken, votesFor } from "../../app/static/options.js";
import { namesIn } from "../../app/static/recordings_panel.js";
import { clockTime, positionAfter } from "../../app/static/replay_bar.js";
import { SignalRing } from "../../app/static/ring.js";
import { Scores } from "../../app/static/scores.js";
import { ScrollClock } from "../../app/static/scroll.js";
import { Segments } from "../../app/static/segments.js";
import { factsOf } from "../../app/static/source_facts.js";
import { barOf } from "../../app/static/time_axis.js";
import { Timings } from "../../app/static/timings.js";
import { saying, spanOf } from "../../app/static/values_panel.js";

test("a ring keeps the newest points of every channel, each at its place in samples", () => {
  const ring = new SignalRing(2, 5);
  ring.push(10, 10, [[1, 2], [-1, -2]]);
  assert.deepEqual([ring.position(0), ring.position(1)], [2.5, 7.5]);
  ring.push(20, 10, [[3, 4], [-3, -4]]);
  ring.push(30, 10, [[5, 6], [-5, -6]]);
  const values = (channel) => Array.from({ length: ring.count }, (_, i) => ring.value(channel, i));
  assert.deepEqual([values(0), values(1)], [[2, 3, 4, 5, 6], [-2, -3, -4, -5, -6]]);
  assert.deepEqual([ring.oldest, ring.newest], [7.5, 27.5]);
});

test("a ring finds the first point at or after a position, also over its seam", () => {
  const ring = new SignalRing(1, 7);
  for (let end = 1; end <= 20; end += 1) ring.push(end, 1, [[end]]); // positions 13.5 ... 19.5 are left
  assert.deepEqual([0, 13.5, 13.6, 19.5, 20].map((at) => ring.find(at)), [0, 0, 1, 6, 7]);
});

test("a ring passes over points it has, and begins anew when the source does", () => {
  const ring = new SignalRing(1, 10);
  ring.push(100, 4, [[1, 2, 3, 4]]);
  ring.push(102, 4, [[3, 4, 5, 6]]); // overlaps by two samples
  assert.equal(ring.count, 6);
  ring.push(4, 4, [[9, 9, 9, 9]]);
  assert.deepEqual([ring.count, ring.newest], [4, 3.5]);
  assert.throws(() => ring.push(8, 4, [[1], [2]]), /expected 1 channels, got 2/);
});

test("a ring's amplitude is what most points stay within, not its one peak", () => {
  const ring = new SignalRing(1, 100);
  ring.push(100, 100, [Array.from({ length: 100 }, (_, i) => (i === 50 ? 1000 : i % 10))]);
  assert.equal(ring.amplitude(0, 0, 0.98), 9);
  assert.equal(new SignalRing(1, 4).amplitude(0, 0), 0);
});

/** Events of 33.3 ms at 2 kHz, some late, painted at 60 frames a second. */
function played({ seconds, late = () => 0, hidden = () => false }) {
  const clock = new ScrollClock(2000);
  const heads = [];
  const arrivals = Array.from({ length: seconds * 30 }, (_, k) => [(k + 1) * (1000 / 30) + late(k), (k + 1) * (2000 / 30)]);
  arrivals.sort((a, b) => a[0] - b[0]);
  for (let now = 0; now < seconds * 1000; now += 1000 / 60) {
    while (arrivals.length && arrivals[0][0] <= now) clock.arrived(arrivals.shift()[1], now);
    if (!hidden(now)) heads.push({ now, head: clock.at(now) });
  }
  return heads.filter(({ head }) => head > -Infinity);
}

test("the scroll clock runs evenly at the signal's rate though events come unevenly, and never past the newest", () => {
  const heads = played({ seconds: 6, late: (k) => (k * 7) % 12 }).filter(({ now }) => now > 3000);
  const steps = heads.slice(1).map(({ head }, i) => head - heads[i].head);
  const mean = steps.reduce((a, b) => a + b) / steps.length;
  assert.ok(Math.abs(mean - 2000 / 60) < 0.7, `${mean} samples a frame`);
  assert.ok(Math.min(...steps) > 15 && Math.max(...steps) < 55, `${Math.min(...steps)} to ${Math.max(...steps)}`);
  for (const { now, head } of heads) assert.ok(head <= (now / 1000) * 2000 && head > (now / 1000 - 0.2) * 2000);
});

test("after a hidden time the scroll clock is at the newest at once, without a fast-forward", () => {
  const heads = played({ seconds: 20, hidden: (now) => now > 3000 && now < 15_000 });
  const first = heads.find(({ now }) => now >= 15_000);
  assert.ok(15 - first.head / 2000 < 0.15, `${first.head / 2000} s`);
});

test("the scroll clock measures a rate that is not the nominal one, as in a fast replay", () => {
  const clock = new ScrollClock(200);
  for (let k = 0; k < 100; k += 1) clock.arrived(k * 60, (k * 1000) / 30);
  assert.ok(Math.abs(clock.rate - 1800) < 5);
  assert.ok(Math.abs(clock.speed - 9) < 0.1);
});

test("segments join what is the same, and stay apart over a break", () => {
  const segments = new Segments();
  for (const [start, end, label] of [[0, 10, "a"], [10, 20, "a"], [20, 30, "b"], [30, 40, null], [60, 70, "b"]]) {
    segments.push(start, end, label);
  }
  assert.deepEqual(segments.runs.map(({ start, end, label }) => [start, end, label]), [[0, 20, "a"], [20, 30, "b"], [60, 70, "b"]]);
  assert.deepEqual(segments.between(25, 65).length, 2);
  segments.push(0, 10, "c"); // the source began anew
  assert.deepEqual(segments.runs.map(({ label }) => label), ["c"]);
});

test("timings give nearest-rank percentiles and the rate of the last seconds, and forget the old", () => {
  const timings = new Timings(1000, 2048);
  assert.deepEqual(timings.percentiles(0, [50]), [null]);
  for (let k = 1; k <= 100; k += 1) timings.push(k, k);
  assert.deepEqual(timings.percentiles(100, [1, 50, 99, 100]), [1, 50, 99, 100]);
  assert.deepEqual(timings.percentiles(1050, [1]), [50]);
  const paced = new Timings();
  for (let k = 0; k < 300; k += 1) paced.push(k * 40, 1);
  assert.equal(Math.round(paced.rate(299 * 40)), 25);
});

test("timings overwrite the oldest when they are full", () => {
  const timings = new Timings(1e9, 3);
  for (let k = 1; k <= 5; k += 1) timings.push(k, k);
  const seen = [];
  timings.each(5, (_, value) => seen.push(value));
  assert.deepEqual(seen, [3, 4, 5]);
});

test("scores count only frames with a label that the model knows", () => {
  const scores = new Scores(["rest", "fist"]);
  assert.equal(scores.accuracy, null);
  scores.push({ prediction: 1, decision: 0, truth: "fist" });
  scores.push({ prediction: 1, decision: 1, truth: "fist" });
  scores.push({ prediction: 0, decision: 0, truth: null });
  scores.push({ prediction: 0, decision: 0, truth: "wave" });
  assert.deepEqual([scores.frames, scores.labelled, scores.accuracy, scores.rawAccuracy], [4, 2, null, null]);
  scores.push({ prediction: 0, decision: 0, truth: "rest" });
  assert.deepEqual([scores.frames, scores.labelled, scores.accuracy, scores.rawAccuracy], [5, 3, 0.75, 1]);
  scores.clear();
  scores.push({ prediction: 1, decision: 0, truth: "fist" });
  scores.push({ prediction: 1, decision: 1, truth: "fist" });
  scores.push({ prediction: 0, decision: 0, truth: null });
  scores.push({ prediction: 0, decision: 0, truth: "wave" });
  assert.deepEqual([scores.share(1, 0), scores.share(1, 1), scores.share(0, 0)], [0.5, 0.5, null]);
  assert.deepEqual([...scores.predicted], [2, 2]);
});

test("accuracy is the mean over the gestures that came: much rest, which is easy, does not pass for glory", () => {
  const scores = new Scores(["rest", "fist", "point"]);
  for (let k = 0; k < 98; k += 1) scores.push({ prediction: 0, decision: 0, truth: "rest" });
  assert.deepEqual([scores.accuracy, scores.rawAccuracy, scores.seen], [null, null, 1]); // of rest alone
  scores.push({ prediction: 1, decision: 0, truth: "fist" });
  scores.push({ prediction: 0, decision: 0, truth: "fist" });
  assert.deepEqual([scores.accuracy, scores.rawAccuracy, scores.seen], [0.5, 0.75, 2]); // plainly counted: 0.98
  assert.deepEqual([...scores.truths], [98, 2, 0]);
  scores.clear();
  assert.deepEqual([scores.accuracy, scores.seen], [null, 0]);
});

test("a scale grows with the signal, stays where that is small for a while, and shrinks only after a minute", () => {
  const scale = new AutoScale();
  let amplitude = null;
  const over = (from, to, level) => {
    const seen = new Set();
    for (let s = from; s < to; s += 1) seen.add((amplitude = scale.next(level, amplitude, s * 1000)));
    return [...seen];
  };
  assert.deepEqual(over(0, 5, 40), [50]);
  assert.deepEqual(over(5, 8, 140), [150]);
  assert.deepEqual(over(8, 60, 3), [150]); // rest between gestures
  assert.deepEqual(over(60, 63, 160), [150]); // some peaks
  assert.deepEqual(over(63, 120, 3), [150]);
  assert.deepEqual(over(120, 140, 3), [150, 3]);
  assert.equal(new AutoScale().next(0, null, 0), null); // nothing is known of a flat line
});

test("a scale bar is a round number of units, within its lane, and one that can be seen", () => {
  for (const [amplitude, lanePx, value] of [[100, 40, 200], [30, 40, 50], [0.002, 25, 0.002], [500, 22, 1000]]) {
    const bar = barOf(amplitude, lanePx);
    assert.ok(Math.abs(bar.value - value) < value * 1e-9, `${bar.value} of ${amplitude}`);
    assert.ok(bar.lanes <= 1.001 && bar.lanes * lanePx >= 10);
  }
  const dense = barOf(100, 4); // 64 lanes: as high as several of them
  assert.deepEqual([dense.value, dense.lanes], [500, 2.5]);
});

test("a lane is shown alone and then with the others again, or hidden, and never is there none", () => {
  const lanes = new LaneChoice(3);
  lanes.hide(1);
  assert.deepEqual([lanes.shown, lanes.hidden], [[0, 2], 1]);
  lanes.alone(2);
  assert.deepEqual(lanes.shown, [2]);
  lanes.alone(2);
  assert.deepEqual(lanes.shown, [0, 2]);
  lanes.hide(0);
  lanes.hide(2);
  assert.deepEqual(lanes.shown, [2]);
  lanes.all();
  assert.deepEqual([lanes.shown, lanes.hidden], [[0, 1, 2], 0]);
});

test("five votes are asked for where neither model nor profile says how to decide, and it is known that they do not", () => {
  assert.equal(votesFor({ decision: null }, null), 5);
  assert.equal(votesFor({ decision: { votes: 1, enter: 0.6 } }, null), null);
  assert.equal(votesFor({ decision: null }, "anna"), null);
  assert.equal(votesFor({}, null), null);
  assert.equal(votesFor(null, null), null);
});

test("a time has two digits that matter", () => {
  assert.deepEqual([0.938, 5.13, 12.7, 140.2, null].map(time), ["0.94", "5.1", "13", "140", "–"]);
});

test("a replay runs on between two answers at its own speed, begins again at its end, and stands still where it waits", () => {
  const position = { position_seconds: 58, duration_seconds: 60, paused: false };
  assert.deepEqual([positionAfter(position, 1), positionAfter(position, 3), positionAfter(position, 1, 3)], [59, 1, 1]);
  assert.equal(positionAfter({ ...position, paused: true }, 30), 58);
  assert.deepEqual([0, 65.9, 3600, 36_061].map(clockTime), ["0:00", "1:05", "1:00:00", "10:01:01"]);
});

test("a replay that waits because somebody wanted it is no trouble", () => {
  const stalled = { ...CALM, state: "stalled", health: { source: { name: "recording", state: "stalled", error: null } } };
  assert.match(noticeOf(stalled).title, /recording is stalled/);
  assert.equal(noticeOf({ ...stalled, paused: true }), null);
});

test("a log is bounded, can be looked through by kind and words, and is written as JSON lines", () => {
  const log = new EventLog(100);
  for (let k = 0; k < 1000; k += 1) log.add(k, k % 2 ? "frame" : "decision", `number ${k}`, { k });
  assert.ok(log.entries.length <= 125 && log.added === 1000);
  const found = log.select({ kinds: new Set(["frame"]), search: "FRAME 99", from: 990 });
  assert.deepEqual(found.map(({ data }) => data.k), [991, 993, 995, 997, 999]);
  const lines = jsonLines(found).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines[0], { time: "1970-01-01T00:00:00.991Z", kind: "frame", text: "number 991", k: 991 });
});

test("only what differs from the server's defaults is said, and a shell can say the same", () => {
  assert.deepEqual(spoken(DEFAULTS), {});
  const options = { ...DEFAULTS, fps: 60, source: "it's", votes: 5 };
  assert.deepEqual(spoken(options), { fps: 60, source: "it's", votes: 5 });
  const line = curl("http://h:1", options, true);
  assert.match(line, /^curl -N http:\/\/h:1\/infer\/stream/);
  assert.match(line, /-d '\{"source":"it'\\''s","fps":60,"votes":5\}'/);
  assert.match(line, /X-API-Key: \$EMG_API_KEY/);
});

const CALM = { state: "live", detail: {}, trouble: null, health: { source: { name: "arm", state: "running" } }, source: null, address: "http://h" };
const connection = Object.assign(new Error("the server cannot be reached"), { name: "ConnectionError" });
const refused = (status, problem = {}) => Object.assign(new Error(problem.detail ?? "no"), { status, problem });

for (const [name, change, title] of [
  ["nothing", {}, null],
  ["no key", { trouble: refused(401) }, /wants an API key/],
  ["a wrong key", { state: "failed", detail: { error: refused(403) } }, /does not accept this API key/],
  ["a key for something else", { trouble: refused(403, { detail: "the key game may infer; this needs read" }), scopes: ["infer"] }, /is for something else/],
  ["no server", { state: "idle", trouble: connection }, /cannot be reached/],
  ["a cut connection", { state: "waiting", detail: { delayMs: 2000, reason: "the connection was closed" } }, /is lost/],
  ["a server that is not ready", { state: "waiting", detail: { error: refused(503), reason: "starting" } }, /not ready/],
  ["no engine", { state: "failed", detail: { error: refused(503, { backend: "tensorrt", reason: "no GPU", cure: "use another" }) } }, /tensorrt is not available/],
  ["a wrong option", { state: "failed", detail: { error: refused(422, { detail: "fps: too much" }) } }, /refused the stream/],
  ["no source", { state: "idle", health: { source: null } }, /no source/],
  ["a stalled source", { state: "stalled" }, /arm is stalled/],
  ["a source that is gone", { health: { source: { name: "arm", state: "disconnected", error: "no /dev/ttyUSB0" } } }, /arm is disconnected/],
  ["a source that has ended", { state: "idle", health: { source: { name: "arm", state: "ended", error: null } } }, /arm has ended/],
  ["the end of the source", { state: "completed", health: { source: { name: "arm", state: "ended" } }, detail: { reason: "source ended", total_frames: 300, duration_seconds: 10, avg_fps: 30 } }, /^The source has ended/],
  ["the end", { state: "completed", detail: { total_frames: 300, duration_seconds: 10, avg_fps: 30 } }, /complete/],
]) {
  test(`in plain words: ${name}`, () => {
    const notice = noticeOf({ ...CALM, ...change });
    if (title === null) assert.equal(notice, null);
    else assert.match(notice.title, title);
  });
}

test("what the server saw of a source is said, and nothing that it did not see", () => {
  const error = "/dev/ttyUSB0 sent 3000 bytes in 2 s at 115200 baud, but no sample as csv: a line has 4 numbers, not 16";
  const of = (state, error = null) => noticeOf({ ...CALM, health: { source: { name: "arm", state, error } } }).text;
  assert.equal(of("disconnected", error), `${error}. The server tries to open it again by itself.`);
  assert.match(of("disconnected"), /^It cannot be read\./);
  assert.match(of("stalled"), /^No samples arrive\./);
  for (const state of ["disconnected", "stalled"]) assert.doesNotMatch(of(state, error), /gone|cable|No samples/);
});

const SOURCE = { name: "arm", channels: 3, channel_names: ["ch1", "Biceps", "ch3"], signal_channels: [2, 0], sampling_rate_hz: 148.148, units: "mV", gesture_names: [], aux: [] };
const MODEL = { name: "m", channels: 2, sampling_rate_hz: 200, units: "uV", classes: ["rest", "fist"] };

test("what is known of a source is its own, and of the model only what the model makes of it", () => {
  const alone = factsOf({ model: MODEL }, { ...SOURCE, signal_channels: [0, 1, 2], model: null, advice: "record one" });
  assert.deepEqual([alone.model, alone.units, alone.rate, alone.advice], [null, "mV", 148.148, "record one"]);
  assert.deepEqual(alone.channels, ["1", "Biceps", "3"]);
  const read = factsOf({ model: MODEL }, { ...SOURCE, model: "m" });
  assert.deepEqual([read.model, read.units, read.rate, read.lanes], [MODEL, "uV", 148.148, [2, 0]]);
  assert.deepEqual(factsOf({ model: MODEL }, null).channels, ["1", "2"]); // push mode, before the first source
  assert.equal(factsOf({ model: null }, null), null);
});

test("gestures keep the names that a person gives them, and a model's class may be written with a space", () => {
  assert.deepEqual(namesIn(" rest, open hand ,Daumen hoch,, 握る ", ["rest", "open_hand"]), ["rest", "open_hand", "Daumen hoch", "握る"]);
});

test("without a model nothing is said of decisions", () => {
  const source = { name: "arm", state: "stalled", error: null, model: null };
  assert.equal(noticeOf({ ...CALM, health: { source }, source }).text, "No samples arrive. It goes on by itself when samples come again.");
});

test("what a device needs is read from the server's example", () => {
  assert.deepEqual(needsOf({ needs: "EMG_PORT=/dev/ttyUSB0" }), [["EMG_PORT", "/dev/ttyUSB0"]]);
  assert.deepEqual(needsOf({ needs: "EMG_BOARD_PARAMS='ip_address=1.2.3.4,ip_port=6677'" }), [["EMG_BOARD_PARAMS", "ip_address=1.2.3.4,ip_port=6677"]]);
  assert.deepEqual(needsOf({ needs: "" }), []);
});

test("a value's bar goes from nothing to the value, or from the end of a range that lies nearest to it", () => {
  const angle = { low: -90, high: 90 };
  assert.deepEqual(spanOf(45, angle), [0.5, 0.75]);
  assert.deepEqual(spanOf(-90, angle), [0, 0.5]);
  assert.deepEqual(spanOf(0.25, { low: 0, high: 1 }), [0, 0.25]);
  assert.deepEqual(spanOf(80, { low: 10, high: 150 }), [0, 0.5]);
  assert.deepEqual(spanOf(-4, { low: -5, high: -3 }), [0.5, 1]);
});

test("values that are held at rest, or clipped, are said to be", () => {
  const values = { grip: 0.5 };
  assert.match(saying({ values, output: values }), /As the model says/);
  assert.match(saying({ values, output: values, clipped: true }), /more than a range holds/);
  assert.match(saying({ values, output: { grip: 0 }, clipped: true }), /Held at rest/);
});
