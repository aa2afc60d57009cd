// clients/js/teaching.js against a server that teaches by a script: what a recording and a job say, look by look.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { ConnectionError, FREE_MOVEMENT, putOnAgain, ServerError, teach, TeachingError } from "../../clients/js/client.js";

const GESTURES = ["rest", "fist"];
const RESULT = { model: "me", accuracy: 0.93, used: true, why_not_used: null, previous: "old", from_sample: 48210 };
const prompt = (step, label, more) => ({ step, label, repetition: 1, paused: false, seconds_left: 1, ...more });
const done = (label, verdict = "good", more = {}) => ({ label, repetition: 1, state: "done", verdict, ...more });
const asks = (said, ...repetitions) => ({ state: "recording", prompt: said, repetitions });
const over = (...repetitions) => ({ state: "complete", error: null, recovered: false, prompt: null, repetitions });
const job = (state, more) => ({ id: "me-1", state, error: null, result: state === "done" ? RESULT : null, ...more });

const WHOLE = [asks(prompt(0, null)), asks(prompt(1, "rest")), asks(prompt(2, "fist"), done("rest")), over(done("rest"), done("fist"))];
const CUT = { status: 0 };
const BUSY = { status: 409, body: { detail: "it is there already" } };

/** A server whose recording and job are the `looks` and `jobs`, the last again and again; `before` answers first. */
async function serving(t, { looks = WHOLE, jobs = [job("queued"), job("done")], before = {} } = {}) {
  const asked = [];
  const state = { name: "", looks: [...looks], jobs: [...jobs] };
  const next = (list) => (list.length > 1 ? list.shift() : list[0]);

  function answerOf(word) {
    if (before[word]?.length) return before[word].shift();
    if (word === "GET /emg/recordings/<name>") return { body: { name: state.name, ...next(state.looks) } };
    if (word === "POST /trainings" || word === "GET /jobs/me-1") return { body: next(state.jobs) };
    if (word === "GET /jobs") return { body: { jobs: [{ ...state.jobs[0], recordings: [state.name] }] } };
    if (word === "GET /profiles/me") return { status: 404, body: {} };
    return { body: {} };
  }

  const server = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    const body = text ? JSON.parse(text) : null;
    asked.push({ method: request.method, url: request.url, headers: request.headers, body });
    if (request.method === "POST" && request.url === "/emg/recordings") state.name = body.name;
    const path = state.name ? request.url.replace(state.name, "<name>") : request.url;
    const { status = 200, body: said } = answerOf(`${request.method} ${path}`);
    if (status === 0) return response.destroy();
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(said));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  const bodies = (method, end) => asked.filter((one) => one.method === method && one.url.endsWith(end)).map(({ body }) => body);
  const call = { url: `http://127.0.0.1:${server.address().port}`, name: "me", gestures: GESTURES, repetitions: 1, firstDelayMs: 10 };
  return { call, asked, bodies, state };
}

test("a lesson is told as it goes, and what came of it is returned", async (t) => {
  const { call, bodies, asked, state } = await serving(t);
  const [prompts, repetitions, jobs] = [[], [], []];
  const taught = await teach({
    ...call,
    apiKey: "secret",
    onPrompt: ({ label, begins }) => void prompts.push([label, begins]),
    onRepetition: ({ index, label, verdict }) => void repetitions.push([index, label, verdict]),
    onProgress: ({ state }) => void jobs.push(state),
  });
  assert.deepEqual(prompts, [[null, true], ["rest", true], ["fist", true]]);
  assert.deepEqual(repetitions, [[0, "rest", "good"], [1, "fist", "good"]]);
  assert.deepEqual(jobs, ["queued", "done"]);
  assert.deepEqual(taught, { ...RESULT, recording: state.name, job: "me-1", profile: "me" });
  const [began] = bodies("POST", "/emg/recordings");
  assert.deepEqual([began.subject, began.plan], ["me", { gestures: GESTURES, repetitions: 1 }]);
  const order = { name: "me", recordings: [state.name], person: "me", base: null, use: "if-better", source: null };
  assert.deepEqual(bodies("POST", "/trainings"), [order]);
  assert.deepEqual(bodies("PUT", "/profiles/me"), [{ person: "me", model: "me" }]);
  assert.ok(asked.every(({ headers }) => headers["x-api-key"] === "secret"));
});

test("what a callback returns is done, and what makes no sense is left", async (t) => {
  const bad = done("rest", "restless");
  const looks = [asks(prompt(1, "rest")), asks(prompt(2, "fist"), bad), asks(prompt(2, "fist"), { ...bad, state: "redone" }), WHOLE.at(-1)];
  const { call, bodies } = await serving(t, { looks, before: { "POST /emg/recordings/<name>/prompt": [BUSY] } });
  const words = ["pause", null, "skip"];
  const onRepetition = async ({ verdict }) => (verdict === "good" ? null : "redo");
  await teach({ ...call, onPrompt: () => words.shift(), onRepetition });
  assert.deepEqual(bodies("POST", "/prompt"), [{ action: "pause" }, { action: "redo", index: 0 }, { action: "skip" }]);
});

test("a cut connection is asked again wherever it is cut", async (t) => {
  const before = {
    "POST /emg/recordings": [CUT, BUSY], // the first had begun it
    "GET /emg/recordings/<name>": [CUT],
    "POST /trainings": [CUT, BUSY], // the first had ordered it
    "GET /jobs/me-1": [CUT],
    "PUT /profiles/me": [CUT],
  };
  const { call, asked } = await serving(t, { before });
  assert.equal((await teach(call)).job, "me-1");
  assert.deepEqual(asked.filter(({ method }) => method === "DELETE"), []);
});

test("a server that stays away is an error in the end", async (t) => {
  const { call } = await serving(t, { before: { "GET /emg/recordings/<name>": Array(100).fill(CUT) } });
  await assert.rejects(teach({ ...call, giveUpMs: 100 }), ConnectionError);
});

test("a name that is taken gets a number", async (t) => {
  const others = { body: { jobs: [job("done", { recordings: ["other"] })] } };
  const { call, bodies } = await serving(t, { before: { "POST /trainings": [BUSY, BUSY], "GET /jobs": [others, others] } });
  await teach(call);
  assert.deepEqual(bodies("POST", "/trainings").map(({ name }) => name), ["me", "me-2", "me-3"]);
});

test("what is put on again takes one prompt and the profile's model", async (t) => {
  const looks = [asks(prompt(1, FREE_MOVEMENT)), over(done(FREE_MOVEMENT, "nothing"))];
  const before = { "GET /profiles/me": [{ body: { person: "S01", model: "mine" } }] };
  const { call, bodies } = await serving(t, { looks, before });
  await putOnAgain({ ...call, gestures: undefined });
  const [{ plan }] = bodies("POST", "/emg/recordings");
  assert.deepEqual(plan, { gestures: [FREE_MOVEMENT], repetitions: 1, seconds: 10 });
  const [{ base, unlabelled, use }] = bodies("POST", "/trainings");
  assert.deepEqual([base, unlabelled, use], ["mine", true, "yes"]);
});

test("who aborts while it records leaves nothing", async (t) => {
  const { call, asked, state } = await serving(t, { looks: [WHOLE[1]] });
  const leave = new AbortController();
  await assert.rejects(teach({ ...call, signal: leave.signal, onPrompt: () => leave.abort() }), { name: "AbortError" });
  const last = asked.slice(-2).map(({ method, url }) => [method, url]);
  assert.deepEqual(last, [["POST", `/emg/recordings/${state.name}/stop`], ["DELETE", `/emg/recordings/${state.name}`]]);
});

test("who aborts while it learns keeps the recording and no job", async (t) => {
  const { call, asked } = await serving(t, { jobs: [job("running")] });
  const leave = new AbortController();
  await assert.rejects(teach({ ...call, signal: leave.signal, onProgress: () => leave.abort() }), { name: "AbortError" });
  assert.deepEqual(asked.filter(({ method }) => method === "DELETE").map(({ url }) => url), ["/jobs/me-1"]);
});

test("what ends before its plan, or teaches nothing, says why", async (t) => {
  const early = await serving(t, { looks: [WHOLE[1], over(done("rest"), done("fist", null, { state: "redone" }))] });
  await assert.rejects(teach(early.call), (error) => error instanceof TeachingError && /before its plan/.test(error.message));
  assert.deepEqual(early.bodies("POST", "/trainings"), []);
  const failed = await serving(t, { jobs: [job("failed", { error: "it is no better than guessing" })] });
  await assert.rejects(teach(failed.call), /no better than guessing/);
  const refused = await serving(t, { before: { "POST /emg/recordings": [{ status: 422, body: { detail: "they must differ" } }] } });
  await assert.rejects(teach(refused.call), (error) => error instanceof ServerError && error.message === "they must differ");
});

test("what would be refused in the end is refused before it begins", async () => {
  const call = { url: "http://127.0.0.1:9", name: "me", gestures: GESTURES };
  for (const wrong of [{ name: "a b" }, { gestures: ["fist"] }, { use: "maybe" }]) {
    await assert.rejects(teach({ ...call, ...wrong }), TypeError);
  }
});
