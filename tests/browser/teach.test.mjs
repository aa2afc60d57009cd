// The pure modules of the page "Teach".
import assert from "node:assert/strict";
import { test } from "node:test";
import { figuresOf, gainOf } from "../../app/static/teach/figures.js";
import { cursorAt, namesIn } from "../../app/static/teach/follow.js";
import { labelOf, LIBRARY } from "../../app/static/teach/gestures.js";
import { languageOf, TEXTS } from "../../app/static/teach/language.js";
import { Lesson } from "../../app/static/teach/lesson.js";
import { Levels, levelOf } from "../../app/static/teach/levels.js";
import { nameOf, planOf, secondsOf, stepsOf } from "../../app/static/teach/plan.js";
import { PromptClock } from "../../app/static/teach/prompts.js";
import { byProblem, checksOf, levelOfProblems } from "../../app/static/teach/worn.js";

const PLAN = planOf({ gestures: ["fist", "point"], repetitions: 2, seconds: 3 });

test("both languages say the same things, with the same values", () => {
  const shape = (texts) => Object.fromEntries(Object.entries(texts).map(([name, entry]) => [name, typeof entry === "function" ? entry.length : "text"]));
  assert.deepEqual(shape(TEXTS.de), shape(TEXTS.en));
  for (const label of LIBRARY) for (const kind of ["gesture", "how"]) assert.ok(TEXTS.de[`${kind}.${label}`], label);
});

test("the language is the first of the reader's that there is", () => {
  assert.equal(languageOf(["", "fr-FR", "de-AT", "en"]), "de");
  assert.equal(languageOf(["pt-BR"]), "en");
});

test("a name that a gesture of the library has is that gesture, any other one's own", () => {
  assert.deepEqual(["Open Hand", "open_hand", "wave"].map(labelOf), ["open_hand", "open_hand", "wave"]);
});

test("a plan has rest between all gestures, and its length is known before", () => {
  assert.deepEqual(stepsOf(PLAN).map(({ label, repetition }) => `${label} ${repetition}`), ["fist 1", "rest 1", "point 1", "rest 2", "fist 2", "rest 2", "point 2"]);
  assert.equal(secondsOf(PLAN), 3 + 4 * 3 + 3 * 2);
  assert.equal(nameOf("S01", new Date(2026, 10, 3, 4, 5, 6)), "S01-20261103-040506");
});

test("a prompt counts down between two answers, and goes on by itself to what comes next", () => {
  const clock = new PromptClock(stepsOf(PLAN));
  assert.equal(clock.at(0), null);
  clock.told({ label: "fist", next_label: "rest", seconds_left: 0.5, step: 1, steps: 7, total_seconds_left: 18.5 }, 1000);
  const now = clock.at(1200);
  assert.deepEqual([now.label, now.next, now.seconds, now.total.toFixed(1), now.over], ["fist", "rest", 3, "18.3", false]);
  assert.equal(now.left.toFixed(1), "0.3");
  const then = clock.at(1600);
  assert.deepEqual([then.label, then.next, then.left.toFixed(1), then.seconds], ["rest", "point", "1.9", 2]);
});

test("a prompt that is paused stands still, and the last one ends", () => {
  const clock = new PromptClock([]);
  const prompt = { label: "fist", next_label: null, seconds_left: 2, step: 3, steps: 3, seconds: 3 };
  clock.told({ ...prompt, next_label: "fist", seconds_left: 0, paused: true, total_seconds_left: 9 }, 0);
  assert.deepEqual([clock.at(60_000).label, clock.at(60_000).next, clock.at(60_000).total], [null, "fist", 9]);
  clock.told(prompt, 0);
  assert.deepEqual([clock.at(1000).over, clock.at(2500).over], [false, true]);
});

test("rest is the quiet part of the last seconds, and a fist is told as a multiple of it", () => {
  const levels = new Levels();
  for (let k = 0; k < 30; k += 1) levels.push(2, k / 30);
  assert.equal(levels.rest, null); // for one second nobody knows
  for (let k = 30; k < 300; k += 1) levels.push(k > 200 ? 20 : 2, k / 30);
  assert.ok(Math.abs(levels.rest - 2) < 0.01);
  assert.ok(Math.abs(levels.rise - 10) < 0.5);
  assert.equal(levelOf([[1, -3], [2, -2]]), 2);
});

test("what is wrong with the electrodes is grouped, what carries no signal first", () => {
  const channels = [["hum"], [], ["weak", "railed"], ["hum"]].map((problems, channel) => ({ channel, problems }));
  assert.deepEqual(byProblem(channels), [["railed", [2]], ["hum", [0, 3]]]);
  assert.deepEqual([[], ["hum"], ["flat"]].map(levelOfProblems), ["ok", "warn", "bad"]);
});

test("figures say how often each gesture is recognised, and what it is else taken for", () => {
  const confusion = { classes: ["rest", "fist", "point"], windows: [[10, 0, 0], [1, 6, 3], [0, 0, 0]] };
  const row = (who, accuracy, interval = null) => ({ who, model: null, accuracy, interval });
  const beside = [row("new", 0.8, [0.7, 0.9]), row("in_use", null), row("parent", 0.6, [0.5, 0.7]), row("lda", 0.7, [0.6, 0.8]), row("chance", 0.33)];
  const gestures = { rest: { windows: 10, repetitions: 4 }, fist: { windows: 10, repetitions: 2 }, point: { windows: 0, repetitions: 0 } };
  const found = figuresOf({ accuracy: 0.8, confusion, beside, tested: { windows: 20, repetitions: 2, gestures } });
  assert.deepEqual(found.each[1], { name: "fist", recall: 0.6, mistaken: { name: "point", share: 0.3 }, windows: 10, repetitions: 2 });
  assert.deepEqual([found.each[0].mistaken, found.each[2].recall, found.each[2].windows], [null, null, 0]);
  assert.deepEqual(found.beside.map(({ name }) => name), ["new", "parent", "lda", "chance"]);
  assert.deepEqual(found.beside[0].interval, [0.7, 0.9]);
});

test("the model in use is what the page calls the model of now", () => {
  const rows = [{ who: "in_use", model: "x", accuracy: 0.4, interval: [0.3, 0.5] }];
  assert.equal(figuresOf({ beside: rows }).beside[0].name, "before");
});

test("what was not judged is compared with nothing", () => {
  assert.deepEqual(figuresOf({ beside: [], tested: null }).beside, []);
});

test("the gain of another repetition is that between the two estimates", () => {
  const point = (repetitions, accuracy, estimated) => ({ repetitions, accuracy, estimated });
  assert.equal(gainOf([point(1, 0.8, false), point(2, 0.85, true), point(3, 0.88, true)]), 3);
  assert.equal(gainOf([point(1, 0.8, false)]), null);
});

test("a lesson is kept, and what is kept damaged is begun anew", () => {
  const kept = new Map();
  const store = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  new Lesson(store).set({ gestures: ["pinch"], job: "anna-1", step: "learn" });
  const back = new Lesson(store);
  assert.deepEqual([back.gestures, back.job, back.step], [["pinch"], "anna-1", "learn"]);
  back.anew();
  assert.deepEqual([back.gestures, back.job], [["pinch"], null]);
  kept.set("myostream-lesson", '{"gestures": "pinch", "repetitions": "many", "hand": "left"}');
  const damaged = new Lesson(store);
  assert.deepEqual([damaged.gestures, damaged.repetitions, damaged.hand], [["fist", "open_hand"], 3, "left"]);
});

test("who only rests, a little restlessly, is not told that their fist is too weak", () => {
  const said = (rise) => checksOf(null, [], { rest: 1, rise }, "uV").at(-1);
  assert.deepEqual(said(2.2), { state: "wait", said: TEXTS.en["signal.tense_wait"] });
  assert.deepEqual(said(2.7), { state: "wait", said: TEXTS.en["signal.tense_weak"]("2.7") });
  assert.deepEqual(said(12), { state: "good", said: TEXTS.en["signal.tense"]("12") });
});

test("joints are named with commas between, one to six, each once", () => {
  assert.deepEqual(namesIn(" wrist, rotation ,hand"), ["wrist", "rotation", "hand"]);
  assert.deepEqual(namesIn("grip"), ["grip"]);
  for (const list of ["", "wrist,,hand", "a,b,c,d,e,f,g", "wrist, wrist", "x".repeat(41)]) assert.equal(namesIn(list), null, list);
});

test("a cursor moves on between two answers, and waits where no more of it is known", () => {
  const said = { step_seconds: 0.5, ahead: { wrist: [0, 0.5, 1, 1, 0], grip: [0, 0, 0, 0, 0] } };
  assert.deepEqual(cursorAt(["grip", "wrist"], said, 0), [["grip", 0, 0], ["wrist", 0, 1]]);
  assert.deepEqual(cursorAt(["wrist", "grip"], said, 0.25)[0], ["wrist", 0.25, 1]);
  assert.deepEqual(cursorAt(["wrist", "grip"], said, 1.75)[0], ["wrist", 0.5, 0]);
  assert.deepEqual(cursorAt(["wrist", "grip"], said, 60)[0], ["wrist", 0, 0]);
});
