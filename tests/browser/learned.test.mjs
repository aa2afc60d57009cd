// What the dashboard says of a model that was learned from a recording.
import assert from "node:assert/strict";
import { test } from "node:test";
import { aheadOf, foundOn, toldOf } from "../../app/static/comparison.js";
import { stillThere } from "../../app/static/learned.js";

const beside = (ahead, why = null) => aheadOf({ model: "now", ahead, why });

test("a model is better, worse, or not surely so, by the interval of the difference", () => {
  assert.equal(beside([0.124, 0.3]), "Better than now, by 12 to 30 points.");
  assert.equal(beside([0.05, 0.05]), "Better than now, by 5 points.");
  assert.equal(beside([-0.3, -0.12]), "Worse than now, by 12 to 30 points.");
  assert.equal(beside([-0.03, 0.1]), "Not surely better than now: between 3 points worse and 10 better.");
  assert.equal(beside([0, 0]), "As good as now.");
});

test("what touches nothing is not surely better: 0 is within it", () => {
  assert.equal(beside([0.001, 0.2]), "Not surely better than now: between 0 points worse and 20 better.");
  assert.equal(beside([-0.2, -0.001]), "Not surely better than now: between 20 points worse and 0 better.");
});

test("what cannot be compared says why", () => {
  assert.equal(beside(null, "now reads 8 channels"), "It cannot be compared with now: now reads 8 channels.");
});

test("an accuracy stands with its interval and with how much it was judged by", () => {
  assert.equal(toldOf({ model: "mine", accuracy: 0.934, interval: [0.88, 0.97] }), "mine: 93 % right (88–97 %)");
  assert.equal(toldOf({ model: "mine", accuracy: null, interval: null }), "mine: not judged, there is one repetition of each gesture");
  assert.equal(foundOn({ windows: 1240, repetitions: 2 }), "On 1,240 windows of 2 repetitions of each gesture, each left out of learning in turn.");
});

test("a model that was deleted, or written anew by somebody else, is none that was learned", () => {
  const job = (model, sha256) => ({ result: { model, sha256 } });
  const models = [{ name: "a", sha256: "1" }, { name: "b", sha256: "9" }];
  assert.deepEqual(stillThere([job("a", "1"), job("b", "2"), job("c", "3")], models), [job("a", "1")]);
});
