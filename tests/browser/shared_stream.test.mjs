// clients/js/shared_stream.js and the worker's side, sharing.js, with pages and a server of the test's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerError } from "../../clients/js/client.js";
import { sharedInference } from "../../clients/js/shared_stream.js";
import { Sharing } from "../../clients/js/sharing.js";

const URL_ = "http://127.0.0.1:9";
const FRAME = (k) => ({ prediction: 1, frame: k });

/** In the place of streamInference: each connection, and what the test lets it say. */
class Server {
  calls = [];

  stream = (call) => {
    const mine = { ...call, said: [], wake: () => {} };
    call.signal.addEventListener("abort", () => mine.wake());
    mine.say = (...events) => (mine.said.push(...events), mine.wake());
    mine.frame = (k) => mine.say({ event: FRAME(k), id: `run.${k}` });
    this.calls.push(mine);
    return this.#events(mine);
  };

  async *#events(mine) {
    mine.onState({ state: "open", attempt: 1 });
    for (;;) {
      while (mine.said.length === 0 && !mine.signal.aborted) await new Promise((resolve) => (mine.wake = resolve));
      if (mine.signal.aborted) return mine.onState({ state: "closed", attempt: 0 });
      const next = mine.said.shift();
      if (next instanceof Error) throw next;
      if (next === "end") return mine.onState({ state: "completed", attempt: 0 });
      mine.onId(next.id);
      yield next.event;
    }
  }
}

/** A browser: a SharedWorker that all its pages reach; `said` is what the last page that came was told. */
function browsing(t, beatMs = 1000) {
  const server = new Server();
  const opened = [];
  const browser = { server };
  browser.start = () => (browser.sharing = new Sharing({ stream: server.stream, beatMs }));
  browser.start();
  browser.SharedWorker = class {
    constructor() {
      const { port1, port2 } = new MessageChannel();
      opened.push(port1, port2);
      const said = [];
      const post = port2.postMessage.bind(port2);
      port2.postMessage = (message) => (said.push(message), post(message));
      browser.sharing.connect(port2);
      Object.assign(browser, { said, workersEnd: port2 });
      this.port = port1;
    }
  };
  t.after(() => opened.forEach((port) => port.close()));
  return browser;
}

/** A page that streams; what it has heard is in `frames` and `states`. */
function page({ SharedWorker }, call = {}) {
  const leave = new AbortController();
  const mine = { frames: [], events: [], states: [], error: null, close: () => leave.abort() };
  const onState = (state) => mine.states.push(state);
  mine.done = (async () => {
    const events = sharedInference({ url: URL_, signal: leave.signal, onState, SharedWorker, ...call });
    try {
      for await (const event of events) {
        mine.events.push(event);
        if ("frame" in event) mine.frames.push(event.frame);
        await mine.busy;
      }
    } catch (error) {
      mine.error = error;
    }
  })();
  return mine;
}

const until = async (holds) => {
  for (let k = 0; !holds(); k += 1) {
    assert.ok(k < 1000, `it did not happen: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

test("pages that ask for the same have one connection, and each all its frames", async (t) => {
  const browser = browsing(t);
  const pages = [
    page(browser, { options: { fps: 10, votes: 5 } }),
    page(browser, { options: { votes: 5, fps: 10, source: null } }), // the same, in other words
  ];
  await until(() => pages.every(({ states }) => states.length > 0));
  const [call] = browser.server.calls;
  for (let k = 0; k < 5; k += 1) call.frame(k);
  await until(() => pages.every(({ frames }) => frames.length === 5));
  assert.deepEqual(pages.map(({ frames }) => frames), [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]);
  assert.equal(browser.server.calls.length, 1);
  pages.forEach((one) => one.close());
});

test("other options, another key and another server are other connections", async (t) => {
  const browser = browsing(t);
  const calls = [{ options: { fps: 10 } }, { options: { fps: 20 } }, { apiKey: "a" }, { apiKey: "b" }, { url: "http://[::1]:9" }];
  const pages = calls.map((call) => page(browser, call));
  await until(() => browser.server.calls.length === calls.length);
  browser.server.calls[0].frame(0);
  await until(() => pages[0].frames.length === 1);
  assert.deepEqual(pages.slice(1).map(({ frames }) => frames.length), [0, 0, 0, 0]);
  pages.forEach((one) => one.close());
});

test("the page that came first leaves, and the other misses nothing; the last one closes the connection", async (t) => {
  const browser = browsing(t);
  const [first, second] = [page(browser), page(browser)];
  await until(() => first.states.length > 0 && second.states.length > 0);
  const [call] = browser.server.calls;
  call.frame(0);
  await until(() => first.frames.length === 1);
  first.close();
  for (let k = 1; k < 4; k += 1) call.frame(k);
  await until(() => second.frames.length === 4);
  assert.deepEqual([second.frames, first.frames], [[0, 1, 2, 3], [0]]);
  assert.equal(call.signal.aborted, false);
  second.close();
  await until(() => call.signal.aborted);
  assert.equal(first.states.at(-1).state, "closed");
  assert.equal(browser.server.calls.length, 1);
});

test("a page that comes later is told of the gesture that is held, and of none that has ended", async (t) => {
  const browser = browsing(t);
  const first = page(browser, { options: { events: true } });
  await until(() => first.states.length > 0);
  const [call] = browser.server.calls;
  const told = (id, phase) => call.say({ event: { gesture: "fist", phase, id }, id: `run.${id}` });
  told(1, "onset");
  told(1, "release");
  told(2, "onset");
  call.frame(0);
  await until(() => first.frames.length > 0);
  const second = page(browser, { options: { events: true } });
  const heard = () => browser.said.flatMap(({ event }) => (event?.phase ? [`${event.phase} ${event.id}`] : []));
  await until(() => second.states.length > 0);
  assert.deepEqual(heard(), ["onset 2"]);
  told(2, "release");
  await until(() => heard().length === 2);
  assert.deepEqual(heard(), ["onset 2", "release 2"]);
  [first, second].forEach((one) => one.close());
});

test("a page that comes later knows that the stream is open, waits or is stalled", async (t) => {
  const browser = browsing(t);
  const first = page(browser);
  await until(() => first.states.length > 0);
  const [call] = browser.server.calls;
  call.say({ event: { status: "stalled", decision_label: "rest" }, id: "run.0" });
  const error = new ServerError(503, { detail: "full" }, 1000);
  call.onState({ state: "waiting", attempt: 2, delayMs: 1000, error, reason: "full" });
  await until(() => first.events.length === 1);
  const second = page(browser);
  await until(() => second.events.length === 1);
  assert.equal(second.events[0].status, "stalled");
  const [state] = second.states;
  assert.ok(state.error instanceof ServerError);
  assert.deepEqual([state.state, state.delayMs, state.error.status, state.error.retryAfterMs], ["waiting", 1000, 503, 1000]);
  call.frame(1);
  await until(() => second.frames.length === 1);
  const third = page(browser);
  await until(() => third.states.length === 1);
  call.frame(2);
  await until(() => third.frames.length === 1);
  assert.deepEqual(third.events, [FRAME(2)]); // no longer stalled
  [first, second, third].forEach((one) => one.close());
});

const TOLD = (model, classes) => ({ status: "model", model, classes, from_sample: 400, frame: 1 });

test("a page that comes later knows the model of now, also of a source that has stalled", async (t) => {
  const browser = browsing(t);
  const first = page(browser);
  await until(() => first.states.length > 0);
  const [call] = browser.server.calls;
  call.frame(0);
  call.say({ event: TOLD("few", ["rest", "fist"]), id: "run.1" }, { event: TOLD("anna", ["rest", "point"]), id: "run.2" });
  call.say({ event: { status: "stalled", decision_label: "rest" }, id: "run.3" });
  await until(() => first.events.length === 4);
  const second = page(browser);
  await until(() => second.events.length === 2);
  assert.deepEqual(second.events.map(({ status }) => status), ["model", "stalled"]);
  assert.deepEqual(second.events[0].classes, ["rest", "point"]);
  call.say({ event: { status: "recovered" }, id: "run.4" }); // perhaps as another source, of which it is not told
  await until(() => second.events.length === 3);
  const third = page(browser);
  await until(() => third.states.length === 1);
  call.frame(5);
  await until(() => third.events.length === 1);
  assert.deepEqual(third.events, [FRAME(5)]);
  [first, second, third].forEach((one) => one.close());
});

test("after a cut connection the model is told again, and one of before is not", async (t) => {
  const browser = browsing(t);
  const first = page(browser);
  await until(() => first.states.length > 0);
  const [call] = browser.server.calls;
  call.say({ event: TOLD("few", ["rest", "fist"]), id: "run.1" });
  await until(() => first.events.length === 1);
  call.onState({ state: "waiting", attempt: 1, delayMs: 10, reason: "cut" });
  const second = page(browser);
  await until(() => second.states.length === 1);
  call.say({ event: TOLD("anna", ["rest", "point"]), id: "run.2" });
  await until(() => second.events.length === 1);
  assert.equal(second.events[0].model, "anna");
  [first, second].forEach((one) => one.close());
});

test("a refusal reaches all of them with the server's words, and the next page asks anew", async (t) => {
  const browser = browsing(t);
  const pages = [page(browser), page(browser)];
  await until(() => pages.every(({ states }) => states.length > 0));
  browser.server.calls[0].say(new ServerError(403, { detail: "the key is not known" }));
  await Promise.all(pages.map(({ done }) => done));
  for (const { error } of pages) {
    assert.ok(error instanceof ServerError);
    assert.deepEqual([error.status, error.message, error.passing], [403, "the key is not known", false]);
  }
  const next = page(browser);
  await until(() => browser.server.calls.length === 2);
  next.close();
});

test("a stream that is over ends for all", async (t) => {
  const browser = browsing(t);
  const pages = [page(browser), page(browser)];
  await until(() => pages.every(({ states }) => states.length > 0));
  browser.server.calls[0].say({ event: { status: "completed" }, id: "end" }, "end");
  await Promise.all(pages.map(({ done }) => done));
  for (const { states, events, error } of pages) {
    assert.deepEqual([states.at(-1).state, events, error], ["completed", [{ status: "completed" }], null]);
  }
});

test("nothing piles up for a page that does not read, and it goes on with the newest", async (t) => {
  const browser = browsing(t, 20);
  const other = page(browser);
  const slow = page(browser);
  await until(() => slow.states.length > 0 && other.states.length > 0);
  const [call] = browser.server.calls;
  const { said } = browser;
  let wake;
  slow.busy = new Promise((resolve) => (wake = resolve));
  call.frame(0);
  await until(() => slow.frames.length === 1);
  await until(() => said.at(-1).dropped); // it owes too many beats
  for (let k = 1; k < 100; k += 1) call.frame(k);
  await until(() => other.frames.length === 100);
  wake();
  slow.busy = undefined;
  await until(() => slow.states.length === 2); // joined again
  call.frame(100);
  await until(() => slow.frames.at(-1) === 100);
  assert.deepEqual(slow.frames, [0, 100]);
  assert.equal(browser.server.calls.length, 1);
  [slow, other].forEach((one) => one.close());
});

test("a page that reads is never dropped", async (t) => {
  const browser = browsing(t, 10);
  const one = page(browser);
  await until(() => one.states.length > 0);
  await until(() => browser.said.filter(({ beat }) => beat).length > 20);
  browser.server.calls[0].frame(0);
  await until(() => one.frames.length === 1);
  assert.deepEqual(one.states.map(({ state }) => state), ["open"]);
  assert.ok(!browser.said.some(({ dropped }) => dropped));
  one.close();
});

test("where the worker has died, the page goes on after the last event that it had", async (t) => {
  const browser = browsing(t, 20);
  const one = page(browser, { silenceMs: 200 });
  await until(() => one.states.length > 0);
  browser.server.calls[0].frame(7);
  await until(() => one.frames.length === 1);
  browser.workersEnd.close();
  browser.start();
  await until(() => browser.server.calls.length === 2);
  assert.equal(browser.server.calls[1].lastEventId, "run.7");
  browser.server.calls[1].frame(8);
  await until(() => one.frames.length === 2);
  one.close();
  await one.done;
});

test("without such a worker, or with a duration, the stream is the page's own", async (t) => {
  const refusing = class {
    constructor() {
      throw new Error("SecurityError");
    }
  };
  const missing = class {
    port = new MessageChannel().port1;
    constructor() {
      t.after(() => this.port.close());
      setTimeout(() => this.onerror());
    }
  };
  const browser = browsing(t);
  const calls = [
    { SharedWorker: undefined },
    { SharedWorker: refusing },
    { SharedWorker: missing },
    { SharedWorker: browser.SharedWorker, options: { duration_seconds: 3 } },
  ];
  for (const call of calls) {
    const asked = [];
    const fetch = async (address) => (asked.push(address), new Response(null, { status: 204 }));
    const states = [];
    const onState = ({ state }) => states.push(state);
    for await (const _ of sharedInference({ url: URL_, fetch, onState, ...call })) assert.fail("there is no event");
    assert.deepEqual([asked, states], [[`${URL_}/infer/stream`], ["connecting", "completed"]]);
  }
  assert.equal(browser.server.calls.length, 0);
});
