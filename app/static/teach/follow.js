/** Several joints at once: a cursor that the hand follows, and a model of values that is learned from it. */

import { byId, setText } from "../elements.js";
import { Poll } from "../poll.js";
import { duration, quote, text } from "./language.js";
import { nameOf } from "./plan.js";

const ASK_MS = 250;
const SOON_S = 1; // ahead: where the ring is
const MOST = 6;
const OVER = ["done", "failed", "cancelled"];

/** The names in a list with commas between; null where there are none, too many, or one twice. Pure. */
export function namesIn(list) {
  const names = list.split(",").map((name) => name.trim());
  const fine = names.length <= MOST && names.every((name) => name !== "" && name.length <= 40) && new Set(names).size === names.length;
  return fine ? names : null;
}

/** Where each of these joints should be so long after the server said that, and a second later: [name, now, soon]. Pure. */
export function cursorAt(names, { step_seconds: step, ahead }, sinceS) {
  const at = (values, seconds) => {
    const place = Math.min(Math.max(seconds / step, 0), values.length - 1);
    const before = Math.floor(place);
    const after = Math.min(before + 1, values.length - 1);
    return values[before] + (place - before) * (values[after] - values[before]);
  };
  return names.map((name) => [name, at(ahead[name], sinceS), at(ahead[name], sinceS + SOON_S)]);
}

/** The form in step 2, and the dialog over the page while the hand follows and the model is learned. */
export class Follow {
  #recording = null;
  #names = []; // in the order of the form; the server's answers have one of their own
  #job = null;
  #said = null; // [ms, cursor], newest
  #model = null;

  constructor(page) {
    [this.page, this.server, this.lesson] = [page, page.server, page.lesson];
    this.dialog = byId("follow");
    this.canvas = byId("follow-canvas");
    this.canvas.setAttribute("aria-label", text("follow.canvas"));
    byId("follow-progress").setAttribute("aria-label", text("follow.progress"));
    byId("follow-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#stop();
    });
    byId("follow-stop").addEventListener("click", () => this.#stop());
    byId("follow-use").addEventListener("click", () => this.#use());
    this.poll = new Poll(() => this.#look(), () => ASK_MS);
  }

  async #start() {
    const values = namesIn(byId("follow-names").value);
    const seconds = byId("follow-seconds");
    byId("follow-names").setAttribute("aria-invalid", String(values === null));
    seconds.setAttribute("aria-invalid", String(!seconds.validity.valid));
    quote(byId("follow-refused"), null);
    if (values === null || !seconds.validity.valid) return setText(byId("follow-refused"), text("follow.few"));
    const name = nameOf(this.lesson.person);
    const body = { name, source: this.page.source?.name ?? null, subject: this.lesson.person, follow: { values, seconds: Number(seconds.value) } };
    try {
      await this.server.post("/emg/recordings", body);
    } catch (error) {
      return quote(byId("follow-refused"), error);
    }
    [this.#recording, this.#names, this.#job, this.#said, this.#model] = [name, values, null, null, null];
    this.#show("follow", text("follow.waiting"));
    this.dialog.showModal();
    this.poll.wake();
    return requestAnimationFrame(() => this.#paint());
  }

  /** What the dialog says, and what can be done; `phase` is follow, learn or done. */
  #show(phase, said, error = null) {
    this.dialog.dataset.phase = phase;
    setText(byId("follow-title"), text(`follow.title_${phase}`));
    setText(byId("follow-lead"), phase === "follow" ? text("follow.how") : "");
    setText(byId("follow-said"), said);
    quote(byId("follow-error"), error);
    this.canvas.hidden = phase !== "follow";
    byId("follow-progress").hidden = phase === "done";
    byId("follow-use").hidden = phase !== "done" || this.#model === null;
    setText(byId("follow-stop"), text(phase === "done" ? "follow.close" : "follow.stop"));
  }

  async #look() {
    if (this.#job !== null) return this.#lookAtJob();
    if (this.#recording === null) return undefined;
    const state = await this.server.get(`/emg/recordings/${encodeURIComponent(this.#recording)}`).catch(() => null);
    if (state === null || this.#recording === null) return undefined; // it is asked again, or was stopped meanwhile
    if (state.state !== "recording") return this.#learn(state);
    if (state.cursor !== null) this.#said = [performance.now(), state.cursor];
    return undefined;
  }

  async #learn(state) {
    const name = this.#recording;
    this.#recording = null;
    if (state.state !== "complete") return this.#show("done", text("record.failed"), state.error);
    this.#show("learn", text("stage.queued"));
    const body = { recordings: [name], name, person: this.lesson.person, values: "trajectory", use: "no", source: this.page.source?.name ?? null };
    try {
      this.#job = (await this.server.post("/trainings", body)).id;
    } catch (error) {
      this.#show("done", text("learn.failed"), error);
    }
    return undefined;
  }

  async #lookAtJob() {
    const job = await this.server.get(`/jobs/${encodeURIComponent(this.#job)}`).catch(() => null);
    if (job === null || this.#job === null) return;
    byId("follow-progress").value = job.progress;
    if (!OVER.includes(job.state)) return setText(byId("follow-said"), text(`stage.${job.stage ?? "queued"}`));
    this.#job = null;
    this.#model = job.result?.model ?? null;
    if (this.#model === null) return this.#show("done", text(`learn.${job.state}`), job.error);
    const { r2, mae, beside } = job.result.metrics;
    this.#show("done", text("follow.figures", this.#model, percent(r2), percent(mae), percent(beside.linear.mae)));
    return byId("follow-use").focus();
  }

  async #use() {
    const source = this.page.source?.name;
    try {
      await this.server.put(`/emg/sources/${encodeURIComponent(source)}/model`, { model: this.#model }, 30_000);
    } catch (error) {
      return quote(byId("follow-error"), error);
    }
    setText(byId("follow-said"), text("follow.used", this.#model, source));
    byId("follow-use").hidden = true;
    return byId("follow-stop").focus();
  }

  /** Leave it: what was not followed to its end is of no use, and deleted. */
  async #stop() {
    const [recording, job] = [this.#recording, this.#job];
    [this.#recording, this.#job] = [null, null];
    this.dialog.close();
    const path = `/emg/recordings/${encodeURIComponent(recording)}`;
    try {
      if (recording !== null) {
        await this.server.post(`${path}/stop`);
        await this.server.delete(path);
      }
      if (job !== null) await this.server.delete(`/jobs/${encodeURIComponent(job)}`);
    } catch (error) {
      quote(byId("follow-refused"), error);
    }
  }

  #paint() {
    if (!this.dialog.open || this.#recording === null) return;
    if (this.#said !== null) {
      const [at, cursor] = this.#said;
      const since = (performance.now() - at) / 1000;
      const gone = cursor.position_seconds + since;
      byId("follow-progress").value = Math.min(gone / cursor.seconds, 1);
      setText(byId("follow-said"), text("follow.left", duration(cursor.seconds - gone)));
      this.#draw(cursorAt(this.#names, cursor, since));
    }
    requestAnimationFrame(() => this.#paint());
  }

  /** A track for each joint: the middle is rest, the dot is where to be, the ring where a second later. */
  #draw(joints) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [this.canvas.clientWidth * ratio, this.canvas.clientHeight * ratio].map(Math.round);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    [pen.fillStyle, pen.strokeStyle] = Array(2).fill(getComputedStyle(this.canvas).color);
    const row = height / joints.length;
    const radius = Math.min(row / 5, width / 30);
    const place = (value) => width / 2 + value * (width / 2 - 2 * radius);
    pen.font = `${Math.round(Math.min(row / 6, 22 * ratio))}px sans-serif`;
    joints.forEach(([name, now, soon], k) => {
      const y = row * (k + 0.6);
      pen.lineWidth = ratio;
      pen.globalAlpha = 0.5;
      for (const [from, to] of [[[place(-1), y], [place(1), y]], [[place(0), y - 1.3 * radius], [place(0), y + 1.3 * radius]]]) {
        pen.beginPath();
        pen.moveTo(...from);
        pen.lineTo(...to);
        pen.stroke();
      }
      pen.globalAlpha = 1;
      pen.fillText(name, place(-1), y - 1.5 * radius);
      pen.lineWidth = 2 * ratio;
      pen.beginPath();
      pen.arc(place(soon), y, radius * 0.8, 0, 2 * Math.PI);
      pen.stroke();
      pen.beginPath();
      pen.arc(place(now), y, radius, 0, 2 * Math.PI);
      pen.fill();
    });
  }
}

const percent = (share) => text("percent", Math.round(share * 100));
