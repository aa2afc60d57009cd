// What the dashboard makes of models: which one reads the source, what is of it and what of the one before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Chronicle } from "../../app/static/chronicle.js";
import { ConnectionError, ServerError } from "../../app/static/client_errors.js";
import { isOf } from "../../app/static/gesture.js";
import { EventLog } from "../../app/static/log.js";
import { aboutModel, aboutProfile, fitOf, toldBy } from "../../app/static/model_list.js";
import { whyNot } from "../../app/static/model_panel.js";
import { Segments } from "../../app/static/segments.js";
import { readBy } from "../../app/static/source_facts.js";

const STARTED = { name: "m", version: "1.0.0", classes: ["rest", "fist"] }; // as /health has it
const ANNA = { name: "anna", version: "1.2.0", sha256: "5b", classes: ["rest", "point"], rest_class: "rest", units: "uV" };
const OUTPUTS = { kind: "logits", values: [] };
const TOLD = { status: "model", model: "anna", sha256: "5b", classes: ["rest", "point"], rest_class: "rest", outputs: OUTPUTS };

test("the model is the one that the stream told last, then the source's, with what is known of it", () => {
  const known = (name) => (name === "anna" ? ANNA : null);
  const health = { model: STARTED };
  assert.equal(readBy(health, { model: null }, undefined, known), null);
  assert.equal(readBy(health, { model: "anna" }, undefined, known), ANNA); // /health has the one it started with
  assert.equal(readBy(health, { model: "m" }), STARTED);
  assert.equal(readBy(health, null), STARTED); // push mode, before the first source
  assert.deepEqual(readBy(health, { model: "m" }, TOLD, known), { ...ANNA, outputs: OUTPUTS }); // the poll is late
  assert.equal(readBy(health, { model: "anna" }, { ...TOLD, model: null }, known), null);
  const newer = readBy(health, { model: "anna" }, { ...TOLD, sha256: "77", classes: ["rest", "fist"] }, known);
  assert.deepEqual([newer.version, newer.sha256, newer.classes], [undefined, "77", ["rest", "fist"]]);
});

test("a frame of another model is not taken for one of this model", () => {
  const classes = ["rest", "fist", "point"];
  assert.ok(isOf(classes, { prediction: 1, label: "fist", probabilities: [0, 1, 0] }));
  assert.ok(!isOf(classes, { prediction: 1, label: "grasp", probabilities: [0, 1, 0] })); // as many, with other names
  assert.ok(!isOf(classes, { prediction: 0, label: "rest", probabilities: [1, 0] }));
  assert.ok(!isOf(classes, {}));
});

test("what was rest to the model of then stays rest in the strip, and no other model's gesture becomes it", () => {
  const segments = new Segments();
  segments.push(0, 10, "relax", "rest");
  segments.push(10, 20, "relax");
  segments.push(20, 30, "relax");
  assert.deepEqual(segments.runs, [{ start: 0, end: 10, label: "relax", kind: "rest" }, { start: 10, end: 30, label: "relax" }]);
});

test("a change of the model is written down once, however often the stream tells it", () => {
  const log = new EventLog();
  const chronicle = new Chronicle(log);
  const told = { ...TOLD, from_sample: 48210, timestamp: 1 };
  chronicle.event({ ...told, model: "m", from_sample: 0 }); // after a cut connection: it has been there from the start
  chronicle.event(told);
  chronicle.event(told); // after a cut connection
  chronicle.event({ ...told, model: null, sha256: null, classes: [], outputs: null, from_sample: 50000 });
  assert.deepEqual(
    log.entries.map(({ kind, text }) => [kind, text]),
    [
      ["source", "read by anna from sample 48,210 on; 2 classes: rest, point"],
      ["source", "read by no model from sample 50,000 on"],
    ],
  );
});

test("why a model was not changed is said, and where that is not known, that", () => {
  const refused = (status, detail, errors) => whyNot(new ServerError(status, { detail, errors }));
  const busy = "another change of a model is under way; try again";
  assert.equal(refused(409, busy), `Nothing has changed: ${busy}.`);
  assert.equal(refused(422, "model: no", { model: ["there is no model 'bea'"] }), "Nothing has changed: there is no model 'bea'.");
  assert.equal(refused(503, "its folder is damaged"), "Nothing has changed: its folder is damaged.");
  assert.equal(whyNot(new ConnectionError("the server cannot be reached")), "It is not known whether it has changed: The server cannot be reached.");
});

test("a model says in a line what it tells apart, of whom it is and how it reads the source", () => {
  const sources = [{ source: "arm", fits: true, how: "as it is" }];
  const model = { version: "1.2.0", classes: ["rest", "open_hand"], outputs: OUTPUTS, lineage: { person: "Anna" }, sources };
  assert.equal(aboutModel(model, fitOf(model, "arm")), "version 1.2.0 · 2 classes: rest, open hand · of Anna · as it is");
  assert.equal(fitOf(model, "new").fits, false);
  assert.equal(toldBy({ classes: [], outputs: { values: [{ name: "grip" }] } }), "1 value: grip");
  assert.equal(toldBy({ classes: ["rest"], outputs: OUTPUTS }), "1 class: rest");
  assert.equal(toldBy({ classes: Array.from({ length: 9 }, (_, k) => `g${k}`), outputs: OUTPUTS }), "9 classes");
});

test("a profile says in a line whose it is and what is its own", () => {
  const rule = { votes: 5, min_confidence: 0.6, enter: null, leave: 0, change: null };
  const anna = { person: "S01", model: "few", montage: "3-8,1,2", decision: rule, notes: "left forearm" };
  assert.equal(aboutProfile(anna), "of S01 · model few · channels 3-8,1,2 · votes 5, min confidence 0.6 · left forearm");
  assert.equal(aboutProfile({ person: null, model: null, montage: null, decision: null, notes: "" }), "the model of now");
});
