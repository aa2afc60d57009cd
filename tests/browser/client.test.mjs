// clients/js/client.js against a server of the test's own, which does what no real one should have to.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { ConnectionError, eventSource, goOn, replayPosition, ServerError, streamInference, useModel, useModelBefore } from "../../clients/js/client.js";

const FRAME = (k) => `id: run.${k}\ndata: {"prediction":1,"frame":${k}}\n\n`;
const LAST = 'id: end\ndata: {"status":"completed","total_frames":3}\n\n';

/** Answers each request by the next of `answers`, and keeps what was asked. */
async function serving(t, ...answers) {
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    asked.push({ method: request.method, url: request.url, headers: request.headers, body });
    const answer = answers[Math.min(asked.length, answers.length) - 1];
    await answer(response, request);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

const streaming =
  (...pieces) =>
  (response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const piece of pieces) response.write(piece);
  };
const ending =
  (...pieces) =>
  (response) => (streaming(...pieces)(response), response.end());
const cut =
  (...pieces) =>
  (response) => (streaming(...pieces)(response), setTimeout(() => response.destroy(), 50));
const refusing =
  (status, problem, headers = {}) =>
  (response) => {
    response.writeHead(status, { "Content-Type": "application/problem+json", ...headers });
    response.end(JSON.stringify({ status, ...problem }));
  };

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

test("it asks as documented, and ends after the last event", async (t) => {
  const { url, asked } = await serving(t, ending(": open\n\n", FRAME(0), FRAME(1), LAST));
  const states = [];
  const options = { fps: 10, votes: 5 };
  const onState = ({ state }) => states.push(state);
  const events = await all(streamInference({ url, apiKey: "secret", options, onState }));
  assert.deepEqual(events.map((event) => event.frame ?? event.status), [0, 1, "completed"]);
  assert.deepEqual(states, ["connecting", "open", "completed"]);
  assert.equal(asked.length, 1);
  assert.deepEqual([asked[0].method, asked[0].url], ["POST", "/infer/stream"]);
  assert.equal(asked[0].headers["x-api-key"], "secret");
  assert.equal(asked[0].headers["last-event-id"], undefined);
  assert.deepEqual(JSON.parse(asked[0].body), options);
});

const GESTURE = (id, phase) => `id: run.9\ndata: {"gesture":"fist","phase":"${phase}","id":${id},"frame":0}\n\n`;

test("a gesture that is held when the connection is cut is released, and nothing more is told of it", async (t) => {
  const again = ending(GESTURE(7, "hold"), GESTURE(7, "release"), GESTURE(8, "onset"), GESTURE(8, "release"), LAST);
  const { url } = await serving(t, cut(FRAME(0), GESTURE(7, "onset")), again);
  const events = await all(streamInference({ url, firstDelayMs: 10, options: { events: true } }));
  const told = events.filter((event) => event.phase).map(({ id, phase, reason }) => [id, phase, reason]);
  assert.deepEqual(told, [
    [7, "onset", undefined],
    [7, "release", "interrupted"],
    [8, "onset", undefined],
    [8, "release", undefined],
  ]);
});

test("rules of gestures go as JSON into the query of an EventSource", async () => {
  const opened = await new Promise((resolve) => {
    class FakeSource {
      constructor(target) {
        resolve(target);
      }
      close() {}
    }
    const options = { events: true, gesture_rules: { enter: 0.9 } };
    const { close } = eventSource({ url: "http://there", options, onEvent() {}, EventSource: FakeSource });
    setTimeout(close, 10);
  });
  assert.equal(new URL(opened).searchParams.get("gesture_rules"), '{"enter":0.9}');
});

test("a cut connection goes on after the last whole event", async (t) => {
  const half = FRAME(1).slice(0, 20);
  const { url, asked } = await serving(t, cut(FRAME(0), half), cut(FRAME(1)), ending(FRAME(2), LAST));
  const ids = [];
  const events = await all(streamInference({ url, firstDelayMs: 10, onId: (id) => ids.push(id) }));
  assert.deepEqual(events.map((event) => event.frame), [0, 1, 2, undefined]);
  assert.deepEqual(ids, ["run.0", "run.1", "run.2", "end"]);
  assert.deepEqual(asked.map(({ headers }) => headers["last-event-id"]), [undefined, "run.0", "run.1"]);
});

test("the last word of a server that restarts is no end", async (t) => {
  const word = 'id: run.0\ndata: {"status":"completed","reason":"shutdown"}\n\n';
  const { url } = await serving(t, ending(FRAME(0), word), ending(FRAME(1), LAST));
  const reasons = [];
  const onState = ({ reason }) => reason && reasons.push(reason);
  const events = await all(streamInference({ url, firstDelayMs: 10, onState }));
  assert.deepEqual(events.map((event) => event.frame ?? event.status), [0, 1, "completed"]);
  assert.deepEqual(reasons, ["the server ended the stream: shutdown"]);
});

const MODEL = { status: "model", timestamp: 1, from_sample: 400, model: "anna", classes: ["rest", "point"], rest_class: "rest" };
const TOLD = (k) => `id: run.${k}\ndata: ${JSON.stringify({ ...MODEL, frame: k })}\n\n`;

test("another model is an event between the frames, and is told again to one who comes back", async (t) => {
  const { url, asked } = await serving(t, cut(FRAME(0), TOLD(1)), ending(TOLD(1), FRAME(1), LAST));
  const events = await all(streamInference({ url, firstDelayMs: 10 }));
  assert.equal(asked[1].headers["last-event-id"], "run.1");
  assert.deepEqual(events.map(({ status }) => status), [undefined, "model", "model", undefined, "completed"]);
  assert.deepEqual(events[1], { ...MODEL, frame: 1 });
});

test("another model is asked for by the source's name, and the one before too", async (t) => {
  const swap = { model: "anna", previous: "few", from_sample: 12 };
  const { url, asked } = await serving(t, (response) => response.end(JSON.stringify(swap)));
  assert.deepEqual(await useModel({ url, apiKey: "secret", source: "left arm", model: "anna" }), swap);
  await useModel({ url, source: "arm", model: null });
  await useModelBefore({ url, source: "arm" });
  await useModel({ url, source: "arm", profile: "bea" });
  assert.deepEqual(
    asked.map(({ method, url: path, body }) => [method, path, body]),
    [
      ["PUT", "/emg/sources/left%20arm/model", '{"model":"anna"}'],
      ["PUT", "/emg/sources/arm/model", '{"model":null}'],
      ["DELETE", "/emg/sources/arm/model", ""],
      ["PUT", "/emg/sources/arm/model", '{"profile":"bea"}'],
    ],
  );
  assert.deepEqual(asked.map(({ headers }) => headers["x-api-key"]), ["secret", undefined, undefined, undefined]);
});

test("where a replay is, and where it goes on", async (t) => {
  const place = { file: "S06.npz", position_seconds: 12.5, duration_seconds: 60, paused: false };
  const { url, asked } = await serving(t, (response) => response.end(JSON.stringify(place)));
  assert.deepEqual(await replayPosition({ url }), place);
  assert.deepEqual(await goOn({ url, apiKey: "secret", positionS: 12.5 }), place);
  await goOn({ url, paused: true });
  assert.deepEqual(
    asked.map(({ method, url: path, body }) => [method, path, body]),
    [
      ["GET", "/emg/source/position", ""],
      ["PUT", "/emg/source/position", '{"position_seconds":12.5}'],
      ["PUT", "/emg/source/position", '{"paused":true}'],
    ],
  );
  assert.equal(asked[1].headers["x-api-key"], "secret");
});

test("a model that is refused is an error with the server's words, and no server is another", async (t) => {
  const { url } = await serving(t, refusing(409, { detail: "another change of a model is under way; try again" }));
  await assert.rejects(useModel({ url, source: "arm", model: "anna" }), (error) => error instanceof ServerError && error.status === 409 && /under way/.test(error.message));
  await assert.rejects(useModelBefore({ url: "http://127.0.0.1:9", source: "arm" }), ConnectionError);
});

test("204 means that all has been said", async (t) => {
  const { url, asked } = await serving(t, (response) => response.writeHead(204).end());
  assert.deepEqual(await all(streamInference({ url, lastEventId: "end" })), []);
  assert.equal(asked[0].headers["last-event-id"], "end");
});

test("a wrong key is an error with the server's words, at once", async (t) => {
  const { url, asked } = await serving(t, refusing(403, { title: "Forbidden", detail: "the key is not known" }));
  await assert.rejects(all(streamInference({ url, apiKey: "wrong" })), (error) => {
    assert.ok(error instanceof ServerError);
    assert.deepEqual([error.status, error.message], [403, "the key is not known"]);
    return true;
  });
  assert.equal(asked.length, 1);
});

test("a missing backend is an error, and a full server is waited for as long as it says", async (t) => {
  const missing = await serving(t, refusing(503, { detail: "no GPU", cure: "buy one" }));
  await assert.rejects(all(streamInference({ url: missing.url })), { name: "ServerError", message: "no GPU" });
  const full = await serving(t, refusing(503, { detail: "full" }, { "Retry-After": "1" }), ending(LAST));
  const delays = [];
  const onState = ({ delayMs }) => delayMs !== undefined && delays.push(delayMs);
  assert.equal((await all(streamInference({ url: full.url, onState }))).length, 1);
  assert.deepEqual(delays, [1000]);
});

test("attempts are counted, and given up", async (t) => {
  const states = [];
  const call = { url: "http://127.0.0.1:9", maxAttempts: 3, firstDelayMs: 5, onState: (state) => states.push(state) };
  await assert.rejects(all(streamInference(call)), ConnectionError);
  assert.deepEqual(states.filter(({ state }) => state === "connecting").map(({ attempt }) => attempt), [1, 2, 3]);
  const [first, second] = states.filter(({ state }) => state === "waiting").map(({ delayMs }) => delayMs);
  assert.ok(first >= 2.5 && first <= 5 && second >= 5 && second <= 10, `${first}, ${second}`);
});

test("what is no stream is an error that says so", async (t) => {
  const { url } = await serving(t, (response) => response.end("<html>"));
  await assert.rejects(all(streamInference({ url })), /expected text\/event-stream/);
  await assert.rejects(all(streamInference({ url: "no URL" })), TypeError);
});

test("data that is no JSON ends the stream with an error", async (t) => {
  const { url } = await serving(t, ending("data: {\n\n"));
  await assert.rejects(all(streamInference({ url })), SyntaxError);
});

test("a silent connection is replaced", async (t) => {
  const { url, asked } = await serving(t, streaming(FRAME(0)), ending(LAST));
  await all(streamInference({ url, idleMs: 100, firstDelayMs: 5 }));
  assert.equal(asked.length, 2);
});

test("abort ends it quietly, while it reads and while it waits", async (t) => {
  for (const url of [(await serving(t, streaming(FRAME(0)))).url, "http://127.0.0.1:9"]) {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 100);
    const states = [];
    const onState = ({ state }) => states.push(state);
    await all(streamInference({ url, signal: abort.signal, firstDelayMs: 10_000, onState }));
    assert.equal(states.at(-1), "closed");
  }
  assert.deepEqual(await all(streamInference({ url: "http://127.0.0.1:9", signal: AbortSignal.abort() })), []);
});

test("leaving the loop closes the connection", async (t) => {
  let closed;
  const gone = new Promise((resolve) => (closed = resolve));
  const { url } = await serving(t, (response) => (streaming(FRAME(0))(response), response.on("close", closed)));
  for await (const event of streamInference({ url })) {
    assert.equal(event.frame, 0);
    break;
  }
  await gone;
});

/** As much of the browser's EventSource as eventSource() uses. */
class FakeEventSource {
  static CLOSED = 2;
  static made = [];
  readyState = 1;

  constructor(url) {
    this.url = url;
    FakeEventSource.made.push(this);
  }

  close() {
    this.readyState = FakeEventSource.CLOSED;
  }
}

const until = async (holds) => {
  for (let k = 0; !holds(); k += 1) {
    assert.ok(k < 500, "it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

test("EventSource gets a ticket instead of the key, and goes on with another when it is cut or gives up", async (t) => {
  FakeEventSource.made = [];
  let tickets = 0;
  const { url, asked } = await serving(t, (response, request) =>
    request.method === "POST"
      ? response.end(JSON.stringify({ ticket: `t${(tickets += 1)}`, expires_in_seconds: 30 }))
      : refusing(503, { detail: "full" })(response),
  );
  const [events, states] = [[], []];
  eventSource({
    url,
    apiKey: "secret",
    options: { fps: 10, duration_seconds: null, include_signal: true },
    onEvent: (event) => events.push(event),
    onState: ({ state, reason }) => states.push(reason ? `${state}: ${reason}` : state),
    firstDelayMs: 10,
    EventSource: FakeEventSource,
  });
  await until(() => FakeEventSource.made.length === 1);
  const [first] = FakeEventSource.made;
  assert.equal(first.url, `${url}/infer/stream?fps=10&include_signal=true&ticket=t1`);
  first.onmessage({ data: '{"frame":0}', lastEventId: "run.0" });
  first.readyState = FakeEventSource.CLOSED;
  first.onerror();
  await until(() => FakeEventSource.made.length === 2);
  const second = FakeEventSource.made[1];
  assert.match(second.url, /&last_event_id=run.0&ticket=t3$/); // t2 went to the look at why the first was closed
  second.onmessage({ data: '{"frame":1}', lastEventId: "run.1" });
  second.readyState = 0; // cut; the browser's own next try would be with t3
  second.onerror();
  assert.equal(second.readyState, FakeEventSource.CLOSED);
  await until(() => FakeEventSource.made.length === 3);
  const third = FakeEventSource.made[2];
  assert.match(third.url, /&last_event_id=run.1&ticket=t4$/);
  third.onmessage({ data: '{"status":"completed"}', lastEventId: "end" });
  assert.equal(third.readyState, FakeEventSource.CLOSED);
  assert.deepEqual(events, [{ frame: 0 }, { frame: 1 }, { status: "completed" }]);
  const cut = "waiting: the connection was cut";
  assert.deepEqual(states, ["connecting", "waiting: full", "connecting", cut, "connecting", "completed"]);
  assert.ok(asked.filter(({ method }) => method === "POST").every(({ headers }) => headers["x-api-key"] === "secret"));
  assert.ok(asked.every((one) => !one.url.includes("secret")));
});

test("EventSource with a wrong key fails, and says why", async (t) => {
  FakeEventSource.made = [];
  const { url } = await serving(t, refusing(403, { detail: "the key is not known" }));
  const said = [];
  const onState = ({ state, error }) => said.push([state, error?.message]);
  eventSource({ url, apiKey: "wrong", onEvent: assert.fail, onState, EventSource: FakeEventSource });
  await until(() => said.length === 2);
  assert.deepEqual(said, [["connecting", undefined], ["failed", "the key is not known"]]);
  assert.equal(FakeEventSource.made.length, 0);
});
