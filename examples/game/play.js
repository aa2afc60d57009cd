/** Gates: a game that is played by gestures. Listens to a server, and draws; the rules are in gates.js. */

import { streamInference } from "./client.js";
import { drawField, spaced } from "./field.js";
import { Gates, LIVES } from "./gates.js";
import { Hand } from "./hand.js";
import { HandState } from "./hand_state.js";
import { LessonCalls } from "./lesson_calls.js";
import { SimulatedPerson } from "./simulated_person.js";

const byId = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const LOGGED = 8; // events that are shown
const LONGEST_STEP_S = 0.1; // a tab that was hidden does not jump

const hand = new Hand();
const state = new HandState(tell);
// for those who want to look from the console, and for tests
const game = { state, hand, gates: null, person: null, gestures: [], events: [], running: false };
globalThis.game = game;
let leave = new AbortController();
let lastMs = performance.now();

function say(text, level = "") {
  byId("notice").textContent = text;
  byId("notice").dataset.level = level;
}

function tell(event) {
  game.events.unshift(event);
  game.events.length = Math.min(game.events.length, 50);
  const newest = byId("events").firstChild;
  const goesOn = event.phase === "hold" && newest?.dataset.phase === "hold"; // one line for how strong it is by now
  const line = goesOn ? newest : document.createElement("li");
  const more = event.phase === "release" ? `${event.held_s.toFixed(1)} s, ${event.reason}` : `${Math.round(100 * event.strength)} %`;
  const variant = event.variant === "single" ? "" : `${event.variant} `;
  line.textContent = `${event.phase} · ${variant}${spaced(event.gesture)} · ${more}`;
  line.dataset.phase = event.phase;
  byId("events").prepend(line);
  while (byId("events").children.length > LOGGED) byId("events").lastChild.remove();
}

async function connect() {
  const [url, apiKey] = [byId("server").value.replace(/\/+$/, ""), byId("key").value || undefined];
  leave.abort();
  game.person?.leave();
  [leave, game.person, game.running] = [new AbortController(), null, false];
  const { signal } = leave;
  say("Connecting …");
  try {
    const { sources, default: name } = await new LessonCalls({ url, apiKey }).once("GET", "/emg/sources");
    const source = sources.find((one) => one.name === name);
    if (!source?.model) throw new Error("No model reads the source of this server, so it knows no gestures.");
    if (source.name === "simulator") await driveByKeys({ url, apiKey });
    const options = { fps: 30, events: true };
    for await (const event of streamInference({ url, apiKey, options, signal, onState: heardOf })) {
      if (event.classes) learn(event.classes, event.rest_class);
      if (event.probabilities && game.gestures.length === 0) await ask({ url, apiKey });
      state.take(event, performance.now());
      if (event.error) say(event.error, "bad");
      if (signal.aborted) return;
    }
  } catch (error) {
    if (!signal.aborted) say(error.message, "bad");
  }
}

/** The classes of the model that reads the source. */
async function ask(call) {
  const calls = new LessonCalls(call);
  const { sources, default: name } = await calls.once("GET", "/emg/sources");
  const { models } = await calls.once("GET", "/models");
  const reads = sources.find((one) => one.name === name)?.model;
  const model = models.find((one) => one.name === reads);
  if (model?.classes) learn(model.classes, model.rest_class);
}

function learn(classes, rest) {
  game.gestures = classes.filter((name) => name !== rest);
  byId("keys").replaceChildren(
    ...game.gestures.slice(0, 9).map((name, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${k + 1} ${spaced(name)}`;
      button.onpointerdown = () => press(name);
      button.onpointerup = button.onpointerleave = () => press(null);
      button.disabled = game.person === null;
      return button;
    }),
  );
}

async function driveByKeys(call) {
  const person = new SimulatedPerson({ ...call, onTrouble: (error) => say(`The keys do not work: ${error.message}`, "bad") });
  try {
    await person.begin();
    game.person = person;
    byId("help").textContent = "Hold 1 to 9: the simulated person does it, a quarter of a second later.";
  } catch (error) {
    byId("help").textContent = `Nobody follows the keys: ${error.message}`;
  }
}

function heardOf({ state: now, reason }) {
  if (now === "open") say("Live. Space begins.", "good");
  if (now !== "waiting") return;
  state.rest("interrupted");
  say(`No news, so the game waits: ${reason}`, "bad");
}

function press(gesture) {
  game.person?.ask(gesture ?? "rest");
}

function begin() {
  if (game.gestures.length === 0 || game.running) return; // the space bar also presses the button that has the focus
  const travelS = Number(byId("pace").value);
  game.gates = new Gates({ gestures: game.gestures, travelS });
  game.running = true;
  say("Make each gate's gesture when it is near.", "good");
}

function step(nowMs) {
  const seconds = Math.min((nowMs - lastMs) / 1000, LONGEST_STEP_S);
  lastMs = nowMs;
  state.tick(nowMs);
  game.person?.tick();
  const held = state.gesture?.gesture ?? null;
  hand.follow(held, state.strength, seconds);
  if (game.running && state.live) game.gates.step(seconds, held, state.strength); // it waits while nothing is heard
  if (game.running && game.gates.over) {
    game.running = false;
    say(`Over: ${game.gates.score} points, ${game.gates.opened} gates. Space plays again.`);
  }
  paint(held);
  requestAnimationFrame(step);
}

function paint(held) {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "accent", "good", "bad", "skin", "edge", "sleeve"];
  const colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`)]));
  onCanvas("field", (context, width, height) => drawField(context, width, height, game.gates?.gates ?? [], held, colours));
  onCanvas("hand", (context, width, height) => hand.draw(context, width, height, colours));
  byId("strength").value = state.strength;
  byId("strength-figure").textContent = `${Math.round(100 * state.strength)} %`;
  byId("decision").textContent = state.decision === null ? "–" : spaced(state.decision);
  byId("score").textContent = game.gates?.score ?? 0;
  byId("lives").textContent = game.gates?.lives ?? LIVES;
}

function onCanvas(id, draw) {
  const canvas = byId(id);
  const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw(context, width, height);
}

function keyed(event, gesture) {
  if (event.repeat || event.target.matches("input, select") || !game.person) return;
  const name = game.gestures[Number(event.key) - 1];
  if (name) press(gesture ? name : null);
}

byId("server").value = query.get("server") ?? (location.protocol === "file:" ? "http://127.0.0.1:8000" : location.origin);
byId("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});
byId("begin").addEventListener("click", begin);
addEventListener("keydown", (event) => {
  if (event.key === " " && !event.target.matches("input, select, button")) {
    event.preventDefault();
    if (!game.running) begin();
  } else keyed(event, true);
});
addEventListener("keyup", (event) => keyed(event, false));
addEventListener("blur", () => press(null));
addEventListener("pagehide", () => game.person?.leave());
requestAnimationFrame(step);
if (query.has("server")) connect();
