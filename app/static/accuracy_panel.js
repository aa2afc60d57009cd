/** Running accuracy and a confusion matrix, where the source has labels. */

import { byId, make, setText, spaced } from "./elements.js";

const tenths = (share) => (share === null ? "–" : `${(share * 100).toFixed(1)} %`);

/** Shows the scores of a stream. */
export class AccuracyPanel {
  #cells = [];
  #counts = [];

  /** @param {import("./scores.js").Scores} scores */
  configure(scores) {
    this.scores = scores;
    const names = scores.classes.map(spaced);
    const corner = make("td", { class: "corner" }, "true ↓ decided, % →");
    const column = (name) => make("th", { scope: "col", class: "upright" }, make("span", {}, name));
    const head = make("tr", {}, corner, ...names.map(column), make("th", { scope: "col", class: "count", title: "frames with this truth" }, "n"));
    this.#cells = names.map(() => names.map(() => make("td")));
    this.#counts = names.map(() => make("td", { class: "count" }));
    const rows = names.map((name, k) => make("tr", {}, make("th", { scope: "row", title: name }, name), ...this.#cells[k], this.#counts[k]));
    const caption = make("caption", { class: "unseen" }, "Decisions by true gesture, in percent of each row; n: frames in the row");
    byId("matrix").replaceChildren(caption, make("thead", {}, head), make("tbody", {}, ...rows));
  }

  paint() {
    const { labelled, accuracy, rawAccuracy, seen, classes, truths } = this.scores;
    byId("accuracy-none").hidden = labelled > 0;
    byId("accuracy-some").hidden = labelled === 0;
    if (labelled === 0) return;
    setText(byId("accuracy"), tenths(accuracy));
    setText(byId("accuracy-raw"), tenths(rawAccuracy));
    setText(byId("accuracy-frames"), labelled.toLocaleString("en"));
    setText(byId("accuracy-seen"), `${seen} of ${classes.length}`);
    this.#counts.forEach((cell, k) => setText(cell, truths[k].toLocaleString("en")));
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
