/** The strength of the signal over the last seconds, as an outline that can be read from afar. */

const SPAN_S = 8;
const PAINT_MS = 45; // between two pictures; frames come no faster
const STILL_MS = 500; // the same for those who want less motion

/** Draws in the colour of the text around it. */
export class LevelTrace {
  #points = []; // [ms, level]
  #drawnAt = -Infinity;
  #most = 1e-9;

  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
  }

  clear() {
    this.#points = [];
    this.#most = 1e-9;
  }

  push(level, nowMs) {
    this.#points.push([nowMs, level]);
    while (this.#points[0][0] < nowMs - SPAN_S * 1000) this.#points.shift();
    this.#most = Math.max(level, this.#most * 0.995);
  }

  paint(nowMs) {
    if (nowMs - this.#drawnAt < (this.still.matches ? STILL_MS : PAINT_MS)) return;
    this.#drawnAt = nowMs;
    const { width, height } = this.#fit();
    const { context } = this;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(this.canvas).color;
    const place = ([ms, level]) => [width * (1 - (nowMs - ms) / (SPAN_S * 1000)), (level / this.#most) * height * 0.48];
    const places = this.#points.map(place);
    if (places.length < 2) return;
    context.beginPath();
    for (const [x, y] of places) context.lineTo(x, height / 2 - y - 1);
    for (const [x, y] of places.reverse()) context.lineTo(x, height / 2 + y + 1);
    context.fill();
  }

  #fit() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(this.canvas.clientWidth * ratio), Math.round(this.canvas.clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    return { width, height };
  }
}
