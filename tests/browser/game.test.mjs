import assert from "node:assert/strict";
import { test } from "node:test";
import { Gates, LIVES, REACH } from "../../examples/game/gates.js";
import { poseOf } from "../../examples/game/hand.js";
import { HandState, SILENT_MS } from "../../examples/game/hand_state.js";

const FRAME = { prediction: 1, decision_label: "fist", strength: 0.25 };
const told = (phase, id, more = {}) => ({ gesture: "fist", phase, id, strength: 0.5, held_s: 1, ...more });

function hand() {
  const said = [];
  return [new HandState(({ phase, id, reason }) => said.push([phase, id, reason])), said];
}

test("a gesture goes from onset to release", () => {
  const [state, said] = hand();
  state.take(FRAME, 0);
  assert.deepEqual([state.decision, state.strength, state.live], ["fist", 0.25, true]);
  state.take(told("onset", 7), 10);
  assert.equal(state.gesture.gesture, "fist");
  state.take(told("hold", 7, { strength: 0.75 }), 20);
  assert.equal(state.strength, 0.75);
  state.take(told("release", 7, { reason: "rest" }), 30);
  assert.equal(state.gesture, null);
  assert.deepEqual(said, [["onset", 7, undefined], ["hold", 7, undefined], ["release", 7, "rest"]]);
});

test("silence ends what is held, and what is held still begins again", () => {
  const [state, said] = hand();
  state.take(told("onset", 7), 0);
  state.tick(SILENT_MS);
  assert.equal(state.live, true);
  state.tick(SILENT_MS + 1);
  assert.deepEqual([state.live, state.gesture, state.strength], [false, null, 0]);
  state.take(told("hold", 7), 500);
  state.take({ status: "stalled" }, 600);
  state.take(told("release", 7, { reason: "stalled" }), 601);
  assert.deepEqual(said.map(([phase, , reason]) => [phase, reason]), [
    ["onset", undefined], ["release", "silence"], ["onset", undefined], ["release", "stalled"],
  ]);
});

test("whatever is heard, no gesture begins while another is held, and none is stuck", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 500; round += 1) {
    const [state, said] = hand();
    let now = 0;
    for (let k = 0; k < 20; k += 1) {
      now += 400 * random();
      const phase = ["onset", "hold", "release"][Math.floor(3 * random())];
      const event = [FRAME, { status: "stalled" }, { status: "model", classes: [] }, told(phase, Math.floor(3 * random()))][Math.floor(4 * random())];
      if (random() < 0.2) state.tick(now);
      else state.take(event, now);
    }
    state.tick(now + 1000);
    let held = null;
    for (const [phase, id] of said) {
      assert.equal(phase === "onset" ? null : id, held);
      held = phase === "release" ? null : id;
    }
    assert.equal(held, null);
  }
});

const gates = () => new Gates({ gestures: ["fist", "pinch"], travelS: 10, random: () => 0 });

test("a gate opens once it is near, while its gesture is held, and a strong one gives more", () => {
  const game = gates();
  assert.deepEqual(game.step(0.01, "fist", 1), []);
  game.step(10 * REACH - 0.02, "fist", 1);
  assert.equal(game.opened, 0); // not yet
  assert.equal(game.step(0.1, "pinch", 1).length, 0); // another gesture
  const [opened] = game.step(0.1, "fist", 0.5);
  assert.deepEqual([opened.gesture, opened.state, game.score, game.lives], ["fist", "opened", 15, LIVES]);
});

test("a gate that nobody opens costs a life, and without lives the game is over", () => {
  const game = gates();
  let missed = 0;
  for (let k = 0; k < 1000 && !game.over; k += 1) missed += game.step(0.1, null, 0).length;
  assert.deepEqual([missed, game.lives, game.over, game.score], [LIVES, 0, true, 0]);
  assert.deepEqual(game.step(1, "fist", 1), []);
});

test("the same gesture does not come twice in a row, and they come faster with each that opened", () => {
  const game = new Gates({ gestures: ["fist", "pinch", "point"], travelS: 10 });
  const came = [];
  let [now, last] = [0, 0];
  const between = [];
  for (let k = 0; k < 20000 && came.length < 20; k += 1, now += 0.01) {
    const next = game.next;
    for (const { gesture } of game.step(0.01, next?.gesture, 0)) {
      came.push(gesture);
      between.push(now - last);
      last = now;
    }
  }
  came.slice(1).forEach((gesture, k) => assert.notEqual(gesture, came[k]));
  assert.ok(between.at(-1) < between[1]);
});

test("a strong fist closes more than a weak one, and rest not at all", () => {
  const curl = (gesture, strength) => poseOf(gesture, strength).curl[2];
  assert.ok(curl("fist", 1) > curl("fist", 0.2));
  assert.ok(curl("fist", 0.2) > curl(null, 0));
  assert.equal(curl("rest", 1), curl(null, 0));
  assert.ok(curl("no such gesture", 1) > curl(null, 0));
  assert.ok(poseOf("flexion", 1).bend > 0 && poseOf("extension", 1).bend < 0);
});
