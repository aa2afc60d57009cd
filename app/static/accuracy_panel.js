/** Running accuracy and a confusion matrix, where the source has labels. */

import { byId, make, setText, spaced } from "./elements.js";

const tenths = (share) => (share === null ? "–" : `${(share * 100).toFixed(1)} %`);

/** Shows the scores of a stream. */
export class AccuracyPanel {
  #cells = [];

  /** @param {import("./scores.js").Scores} scores */
  configure(scores) {
    this.scores = scores;
    const names = scores.classes.map(spaced);
    const corner = make("th", { scope: "col", class: "corner" }, "true ↓ as →");
    const head = make("tr", {}, corner, ...names.map((name) => make("th", { scope: "col", title: name }, short(name))));
    this.#cells = names.map(() => names.map(() => make("td")));
    const rows = names.map((name, k) => make("tr", {}, make("th", { scope: "row", title: name }, name), ...this.#cells[k]));
    const caption = make("caption", { class: "unseen" }, "Decisions by true gesture, in percent of each row");
    byId("matrix").replaceChildren(caption, make("thead", {}, head), make("tbody", {}, ...rows));
  }

  paint() {
    const { labelled, accuracy, rawAccuracy } = this.scores;
    byId("accuracy-none").hidden = labelled > 0;
    byId("accuracy-some").hidden = labelled === 0;
    if (labelled === 0) return;
    setText(byId("accuracy"), tenths(accuracy));
    setText(byId("accuracy-raw"), tenths(rawAccuracy));
    setText(byId("accuracy-frames"), labelled.toLocaleString("en"));
    this.#cells.forEach((row, truth) => row.forEach((cell, decision) => this.#cell(cell, truth, decision)));
  }

  #cell(cell, truth, decision) {
    const share = this.scores.share(truth, decision);
    const rounded = share === null ? 0 : Math.round(share * 100);
    setText(cell, rounded === 0 ? "" : String(rounded));
    if (cell.rounded === rounded) return;
    cell.rounded = rounded;
    cell.style.setProperty("--share", rounded / 100);
    cell.toggleAttribute("data-wrong", truth !== decision);
    cell.toggleAttribute("data-high", truth === decision && rounded >= 50);
  }
}

/** The first letters: "open hand" is "oph", "wrist flexion" is "wrf". */
function short(name) {
  const words = name.split(" ");
  return words.length === 1 ? name.slice(0, 3) : words[0].slice(0, 2) + words.at(-1).slice(0, 1);
}
