// clients/js/live_source.js against a server of the test's own. Needs a global WebSocket.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { NoWebSocketError, ServerError, streamInference } from "../../clients/js/client.js";
import { readRecords, samplesMessage } from "../../clients/js/live_frames.js";
import { liveSource } from "../../clients/js/live_source.js";
import { serving } from "./websocket_server.mjs";

const CASES = JSON.parse(readFileSync(new URL("../clients/live_cases.json", import.meta.url)));
const hex = (buffer) => Buffer.from(buffer).toString("hex");

for (const { name, first_sample: first, format, rows, aux, hex: expected } of CASES.messages) {
  test(`bytes: ${name}`, () => {
    const blocks = aux.map(({ stream, first_sample: firstSample, rows: values }) => {
      return { stream, firstSample, values: values.flat(), channels: values[0].length };
    });
    assert.equal(hex(samplesMessage(first, rows.flat(), rows[0].length, format, blocks)), expected);
  });
}

for (const { name, hex: data, kind, ...fields } of CASES.records) {
  test(`record: ${name}`, () => {
    const bytes = Uint8Array.from(Buffer.from(data, "hex"));
    const type = [undefined, "frame", "decision", "prediction"][kind];
    assert.deepEqual(readRecords(bytes.buffer), [{ type, ...fields }]);
  });
}

test("a value that does not fit into the format is refused", () => {
  for (const value of [32768, -32769, NaN]) {
    assert.throws(() => samplesMessage(0, [1, value], 2, "int16"), /int16 goes from -32768 to 32767/);
  }
  assert.throws(() => samplesMessage(0, [1, 2 ** 23], 2, "int24"), /int24 goes from -8388608 to 8388607/);
  samplesMessage(0, [-32768, 32767], 2, "int16");
});

test("a gesture in 32 bytes says what it is", () => {
  const view = new DataView(new ArrayBuffer(32));
  view.setUint8(0, 1);
  view.setUint8(1, 4);
  view.setUint16(2, 2, true);
  view.setBigUint64(4, 2n ** 40n, true);
  [1.5, 0.875, 0.25].forEach((value, k) => view.setFloat32(12 + 4 * k, value, true));
  view.setUint16(24, 2 | (1 << 2) | (3 << 4), true);
  view.setUint16(26, 300, true);
  view.setUint32(28, 77, true);
  assert.deepEqual(readRecords(view.buffer), [
    {
      type: "gesture",
      phase: "release",
      variant: "double",
      reason: "stalled",
      class: 2,
      id: 77,
      sample_index: 2 ** 40,
      began_samples_ago: 300,
      strength: 0.25,
      confidence: 0.875,
      held_s: 1.5,
    },
  ]);
});

test("what is no record is refused", () => {
  assert.throws(() => readRecords(new ArrayBuffer(31)), /32 bytes each, got 31/);
  assert.throws(() => readRecords(new ArrayBuffer(32)), /version 0 of a record/);
});

const CALL = { name: "arm", channels: 2, samplingRateHz: 200, firstDelayMs: 5 };
const ramp = (first, count) => Float32Array.from({ length: 2 * count }, (_, k) => first + Math.floor(k / 2));
const expectWhole = ({ taken }, count) => {
  assert.deepEqual([...taken.keys()].sort((a, b) => a - b), Array.from({ length: count }, (_, k) => k));
  for (const [sample, value] of taken) assert.equal(value, sample);
};
async function closing(t, live) {
  t.after(() => live.close());
  return live;
}
const opened = async (t, call) => closing(t, await liveSource({ ...CALL, ...call }));

test("what is declared and wanted is in the address, and a ticket in the place of the key", async (t) => {
  const answers = ({ url }) => (url === "/stream/tickets" ? { status: 201, body: { ticket: "once" } } : { status: 204 });
  const server = await serving(t, { answers });
  const aux = [{ name: "imu", channel_names: ["x"], units: "g", sampling_rate_hz: 50 }];
  const wanted = { send: ["decisions"], format: "binary", scale: 0.5, options: { fps: 50, votes: null }, model: "anna" };
  const live = await liveSource({ ...CALL, url: server.url, apiKey: "secret", aux, ...wanted });
  assert.equal(server.peers[0].url.pathname, "/emg/sources/arm/live");
  assert.deepEqual(server.peers[0].query, {
    channels: "2",
    sampling_rate_hz: "200",
    units: "uV",
    model: "anna",
    aux: JSON.stringify(aux),
    fps: "50",
    send: "decisions",
    format: "binary",
    scale: "0.5",
    ticket: "once",
  });
  await live.close();
  assert.deepEqual(
    server.asked.map(({ method, url, headers }) => [method, url, headers["x-api-key"]]),
    [["POST", "/stream/tickets", "secret"], ["DELETE", "/emg/sources/arm", "secret"]],
  );
});

test("samples go as they come, in the format of the array", async (t) => {
  const server = await serving(t, { scripts: [{ message: () => {} }] });
  const aux = [{ name: "imu", channel_names: ["x", "y"], units: "g", sampling_rate_hz: 50 }];
  const live = await opened(t, { url: server.url, aux });
  live.send([[1, 2], [3, 4]], { imu: [[0.5, 1.5]] });
  live.skip(3, { imu: 2 });
  live.send(Int16Array.of(-5, 6), { imu: Float32Array.of(2, 3) });
  while (server.peers[0].messages.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const block = (firstSample, ...values) => [{ stream: 0, firstSample, values, channels: 2 }];
  assert.deepEqual(server.peers[0].messages.map(hex), [
    hex(samplesMessage(0, [1, 2, 3, 4], 2, "float32", block(0, 0.5, 1.5))),
    hex(samplesMessage(5, [-5, 6], 2, "int16", block(3, 2, 3))),
  ]);
  assert.equal(live.nextSample, 6);
  assert.throws(() => live.send([1, 2, 3]), /a sample has 2 channels/);
  assert.throws(() => live.send([[1, 2], [3]]), /a sample has 2 channels/);
  assert.throws(() => live.send([1, 2], { ecg: [1] }), /declared without ecg/);
});

test("what the server says comes in order, records as objects, and ends with the source", async (t) => {
  const frame = { type: "frame", prediction: 1, decision: 1, sample_index: 400, id: "run.1", frame: 0, dropped: 0 };
  const state = { type: "state", status: "stalled", decision: 0 };
  const last = { type: "completed", status: "completed", reason: "source ended" };
  const says = [frame, Buffer.from(CASES.records[1].hex, "hex"), state, { type: "quality", ok: true }, last];
  const message = (peer) => (says.forEach((said) => peer.say(said)), peer.close(1000));
  const server = await serving(t, { scripts: [{ message }] });
  const live = await opened(t, { url: server.url });
  live.send(ramp(0, 10));
  const events = [];
  for await (const event of live) events.push(event);
  assert.deepEqual(events.map(({ type }) => type), ["frame", "decision", "state", "quality", "completed"]);
  assert.deepEqual(events[0], frame);
  assert.equal(events[1].decision, 1);
});

test("a cut, a restart and an overload lose nothing", async (t) => {
  const after = (count, end) => ({
    message: (peer, message, number) => (number > count ? end(peer) : peer.acknowledge(message)),
  });
  const scripts = [
    after(2, (peer) => peer.cut()),
    after(1, (peer) => peer.close(1012, "restart")),
    after(0, (peer) => peer.close(1013, "overloaded")),
    {},
  ];
  const server = await serving(t, { scripts });
  const states = [];
  const onState = ({ state, reason }) => states.push(reason ?? state);
  const live = await opened(t, { url: server.url, onState });
  for (let first = 0; first < 300; first += 10) live.send(ramp(first, 10));
  const receipt = await live.flush();
  assert.deepEqual(receipt, { accepted: 300, duplicates: 0, lost_samples: 0, next_sample: 300 });
  expectWhole(server, 300);
  assert.equal(server.peers.length, 4);
  assert.deepEqual(states.filter((state) => !["open", "connecting"].includes(state)).slice(1), ["restart", "overloaded"]);
});

test("while the server is away the last two seconds are kept", async (t) => {
  const server = await serving(t, { scripts: [{ message: (peer) => peer.cut() }, {}] });
  const live = await opened(t, { url: server.url, firstDelayMs: 300 });
  const waiting = new Promise((resolve) => {
    const look = setInterval(() => server.peers[0].messages.length && (clearInterval(look), resolve()), 1);
  });
  live.send(ramp(0, 10));
  await waiting;
  for (let first = 10; first < 1000; first += 10) live.send(ramp(first, 10));
  const receipt = await live.flush();
  assert.equal(receipt.next_sample, 1000);
  assert.deepEqual([...server.taken.keys()].slice(0, 2), [600, 601]);
  assert.equal(server.taken.size, 400);
});

test("what the server refuses is thrown once and not sent again", async (t) => {
  const refuses = (peer, message, number) => {
    if (number < 2) return peer.acknowledge(message);
    peer.say({ type: "error", status: 422, title: "No", detail: "samples must be finite" });
    return peer.close(1008, "see the error before this");
  };
  const server = await serving(t, { scripts: [{ message: refuses }, {}] });
  const live = await opened(t, { url: server.url });
  for (const first of [0, 10, 20]) live.send(ramp(first, 10));
  await assert.rejects(live.flush(), { name: "ServerError", message: "samples must be finite" });
  live.send(ramp(30, 10));
  const receipt = await live.flush();
  assert.deepEqual([receipt.lost_samples, receipt.next_sample], [10, 40]);
  assert.equal(server.taken.size, 30);
  assert.equal(server.taken.has(15), false);
});

test("without a WebSocket it is POST and a stream", async (t) => {
  let next = 0;
  const events = [
    { sample_index: 100, decision: 1, decision_label: "fist", prediction: 1 },
    { sample_index: 200, decision: 1, decision_label: "fist", prediction: 1 },
    { status: "stalled", decision: 0, decision_label: "rest" },
    { status: "completed", reason: "source ended" },
  ];
  const text = events.map((event, k) => `id: ${k < 3 ? `run.${k}` : "end"}\ndata: ${JSON.stringify(event)}\n\n`).join("");
  const answers = ({ method, url }) => {
    if (method === "DELETE") return { status: 204 };
    if (url === "/infer/stream") return { status: 200, body: Buffer.from(text), type: "text/event-stream" };
    if (!url.includes("/samples")) return { status: 201, body: { next_sample: null } };
    next += 10;
    return { status: 200, body: { accepted: 10, duplicates: 0, lost_samples: 0, next_sample: next } };
  };
  const server = await serving(t, { answers, upgrades: false });
  const live = await opened(t, { url: server.url, send: ["decisions", "states"], scale: 0.5 });
  assert.equal(live.transport, "http");
  live.send(Int16Array.from({ length: 20 }));
  live.send(ramp(10, 10));
  assert.deepEqual(await live.flush(), { accepted: 20, duplicates: 0, lost_samples: 0, next_sample: 20 });
  const heard = [];
  for await (const { type, decision_label: label } of live) heard.push([type, label]);
  assert.deepEqual(heard, [["decision", "fist"], ["decision", "rest"], ["state", "rest"], ["completed", undefined]]);
  const posts = server.asked.filter(({ url }) => url.includes("/samples")).map(({ url }) => url.split("?")[1]);
  assert.deepEqual(posts, ["first_sample=0&dtype=int16&scale=0.5", "first_sample=10&dtype=float32"]);
  await assert.rejects(liveSource({ ...CALL, url: server.url, transport: "websocket" }), NoWebSocketError);
  await assert.rejects(liveSource({ ...CALL, url: server.url, format: "binary" }), /records come by WebSocket/);
});

test("a source that the server does not take is refused in its own words", async (t) => {
  const problem = { status: 409, title: "Conflict", detail: "arm has 8 channels" };
  const server = await serving(t, { answers: () => ({ status: 409, body: problem }), upgrades: false });
  await assert.rejects(liveSource({ ...CALL, url: server.url }), (error) => {
    return error instanceof ServerError && error.status === 409 && error.message === "arm has 8 channels";
  });
});

test("what cannot be wanted is a mistake of the program", async () => {
  await assert.rejects(liveSource({ ...CALL, send: ["frame"] }), /send has frames, decisions, quality, states, got frame/);
  await assert.rejects(liveSource({ ...CALL, transport: "pigeon" }), /transport is auto, websocket, http, got pigeon/);
  await assert.rejects(liveSource({ ...CALL, format: "xml" }), /format is json or binary, got xml/);
  await assert.rejects(liveSource({ ...CALL, sampleFormat: "int8" }), /samples are float32, int16, int24, got int8/);
});

test("a stream by WebSocket has the same events, and goes on after the last", async (t) => {
  const says = (frames, end) => (peer) => {
    for (const frame of frames) peer.say({ type: "frame", prediction: 1, id: `run.${frame}`, frame, dropped: 0 });
    end(peer);
  };
  const last = { type: "completed", status: "completed", total_frames: 3 };
  const scripts = [
    { opened: says([0, 1], (peer) => setTimeout(() => peer.cut(), 30)) },
    { opened: says([], (peer) => (peer.say({ ...last, reason: "reload" }), peer.close(1012, "reload"))) },
    { opened: says([2], (peer) => (peer.say(last), peer.close(1000))) },
  ];
  const server = await serving(t, { scripts });
  const [events, reasons] = [[], []];
  const onState = ({ reason }) => reason && reasons.push(reason);
  const call = { url: server.url, options: { fps: 10 }, transport: "auto", firstDelayMs: 5, onState };
  for await (const event of streamInference(call)) events.push(event);
  assert.deepEqual(events.map((event) => event.frame ?? event.status), [0, 1, 2, "completed"]);
  assert.deepEqual(events[0], { prediction: 1, frame: 0, dropped: 0 });
  const query = { fps: "10", send: "frames,states" };
  const resumed = { ...query, last_event_id: "run.1" };
  assert.deepEqual(server.peers.map((peer) => peer.query), [query, resumed, resumed]);
  assert.equal(reasons[1], "the server ended the stream: reload");
  assert.deepEqual(server.asked, []);
});

test("a stream whose WebSocket is refused goes by a request", async (t) => {
  const body = Buffer.from('id: end\ndata: {"status":"completed","total_frames":0}\n\n');
  const server = await serving(t, { upgrades: false, answers: () => ({ status: 200, body, type: "text/event-stream" }) });
  const events = [];
  for await (const event of streamInference({ url: server.url, transport: "auto" })) events.push(event.status);
  assert.deepEqual(events, ["completed"]);
});
