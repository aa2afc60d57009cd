/** A canvas with as many pixels as the screen has for it. */

/** Follows the element's size; `onResize` says that all must be drawn anew. */
export class Surface {
  constructor(canvas, onResize) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.#fit(canvas.clientWidth, canvas.clientHeight);
    new ResizeObserver(([{ contentRect }]) => {
      if (this.#fit(contentRect.width, contentRect.height)) onResize();
    }).observe(canvas);
  }

  get width() {
    return this.canvas.width;
  }

  get height() {
    return this.canvas.height;
  }

  #fit(width, height) {
    this.ratio = Math.min(window.devicePixelRatio || 1, 2); // more is not seen, and costs
    const [w, h] = [Math.max(1, Math.round(width * this.ratio)), Math.max(1, Math.round(height * this.ratio))];
    if (w === this.canvas.width && h === this.canvas.height) return false;
    this.canvas.width = w;
    this.canvas.height = h;
    return true;
  }
}
