// Texts at people's boxes that do not cover each other where there is room.

import { css, textOn } from "./palette.js";

export class Labels {
  #taken = [];

  /**
   * @param pen of the canvas
   * @param area { left, top, right, bottom } that labels stay inside of
   * @param size of the letters, in pixels of the canvas
   */
  constructor(pen, area, size) {
    this.pen = pen;
    this.area = area;
    this.size = size;
    pen.font = `600 ${size}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
  }

  /** Writes a text above a box's left corner, or where that is taken beside it. */
  write(text, [x1, y1, x2, y2], colour) {
    const pad = this.size * 0.35;
    const width = this.pen.measureText(text).width + 2 * pad;
    const height = this.size + pad;
    const places = [
      [x1, y1 - height], [x2 - width, y1 - height], [x1, y1], [x1, y2], [x2 - width, y2],
      [x2, y1], [x1 - width, y1], [x1, y1 - 2 * height], [x1, y2 + height],
    ].map(([x, y]) => this.#inside(x, y, width, height));
    const covered = places.map((place) => this.#covered(place));
    const [left, top] = places[covered.indexOf(Math.min(...covered))];
    this.#taken.push([left, top, left + width, top + height]);
    this.pen.fillStyle = css(colour);
    this.pen.fillRect(left, top, width, height);
    this.pen.fillStyle = css(textOn(colour));
    this.pen.fillText(text, left + pad, top + height / 2 + this.size * 0.05);
  }

  #inside(x, y, width, height) {
    const { left, top, right, bottom } = this.area;
    const column = Math.max(Math.min(x, right - width), left);
    const row = Math.max(Math.min(y, bottom - height), top);
    return [column, row, column + width, row + height];
  }

  #covered([left, top, right, bottom]) {
    return this.#taken.reduce((sum, [x1, y1, x2, y2]) => {
      const width = Math.max(Math.min(right, x2) - Math.max(left, x1), 0);
      return sum + width * Math.max(Math.min(bottom, y2) - Math.max(top, y1), 0);
    }, 0);
  }
}
