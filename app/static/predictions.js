/** What a model makes of the signal: decision, accuracy and how often each class came. Empty where no model reads it. */

import { AccuracyPanel } from "./accuracy_panel.js";
import { Bars } from "./bars.js";
import { byId, percent, setText } from "./elements.js";
import { GesturePanel, isOf } from "./gesture.js";
import { Scores } from "./scores.js";
import { valuesOf } from "./source_facts.js";

/** Holds the panels that a model fills. */
export class Predictions {
  scores = new Scores([]);
  gesture = new GesturePanel();
  #accuracy = new AccuracyPanel();
  #distribution = new Bars(byId("distribution"));
  #known = null; // model, as text
  #changed = false; // since the start

  /** @param {object | null} model  as /health has it; gives the class that is rest */
  configure(model) {
    const rest = restOf(model);
    const key = JSON.stringify(model && [model.name, model.sha256 ?? null, model.classes, valuesOf(model)]);
    if (key === this.#known) return rest;
    this.#known = key;
    this.#since(this.scores.frames > 0 || this.#changed);
    this.scores = new Scores(model?.classes ?? []);
    this.gesture.configure(this.scores.classes, rest, valuesOf(model).length > 0);
    this.#accuracy.configure(this.scores);
    this.#distribution.configure(this.scores.classes);
    return rest;
  }

  clear() {
    this.#since(false);
    this.scores.clear();
    this.gesture.clear();
  }

  /** One frame; one without a prediction says nothing here. */
  push(frame) {
    if (isOf(this.scores.classes, frame)) this.scores.push(frame);
  }

  /** From when on is counted: classes of two models cannot be counted together. */
  #since(changed) {
    this.#changed = changed;
    for (const id of ["accuracy-since", "distribution-since"]) setText(byId(id), changed ? "since the model changed" : "since the start");
  }

  /** What is read rather than watched. */
  paint() {
    this.#accuracy.paint();
    const { predicted, frames } = this.scores;
    const common = Math.max(1, ...predicted);
    predicted.forEach((count, k) => this.#distribution.set(k, count / common, frames ? percent(count / frames) : "–", false));
  }
}

function restOf(model) {
  if (!model) return "rest";
  return model.rest_class ?? (model.classes.includes("rest") ? "rest" : (model.classes[0] ?? "rest"));
}
