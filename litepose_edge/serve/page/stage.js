// The canvas: a picture and the people of the same frame, drawn together.

import { GROUND, css } from "./palette.js";
import { Overlay } from "./overlay.js";

const MOST_PIXELS = 2560; // of the canvas's width; more is not seen and costs the viewer

/** Where a picture lies on the canvas: as large as fits, in the middle, mirrored or not. */
class Place {
  constructor(canvas, image, mirror, pixel) {
    this.imageWidth = image.width;
    this.imageHeight = image.height;
    this.mirror = mirror;
    this.pixel = pixel; // pixels of the canvas for one of the page
    this.scale = Math.min(canvas.width / image.width, canvas.height / image.height);
    this.width = image.width * this.scale;
    this.height = image.height * this.scale;
    this.left = (canvas.width - this.width) / 2;
    this.top = (canvas.height - this.height) / 2;
  }

  /** A place in the picture on the canvas. Pixel centres of pictures are whole numbers. */
  point(x, y) {
    const across = (x + 0.5) * this.scale;
    return [
      this.left + (this.mirror ? this.width - across : across),
      this.top + (y + 0.5) * this.scale,
    ];
  }

  /** A box on the canvas, cut at the picture's edges: left, top, right, bottom. */
  box([x1, y1, x2, y2]) {
    const column = (x) => Math.min(Math.max(x, 0), this.imageWidth - 1);
    const row = (y) => Math.min(Math.max(y, 0), this.imageHeight - 1);
    const [a, top] = this.point(column(x1), row(y1));
    const [b, bottom] = this.point(column(x2), row(y2));
    return [Math.min(a, b), top, Math.max(a, b), bottom];
  }

  get area() {
    const { left, top, width, height } = this;
    return { left, top, right: left + width, bottom: top + height };
  }
}

export class Stage {
  #overlay = null;
  #shown = null; // { poses, picture, trails }

  /**
   * @param canvas drawn on
   * @param layers { skeletons, boxes, ids, trails, palette }, read at each drawing
   */
  constructor(canvas, layers) {
    this.canvas = canvas;
    this.layers = layers;
    this.mirror = false; // as the board's status has it: a frame under way may still say otherwise
    this.pen = canvas.getContext("2d");
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param model { skeleton, min_keypoint_score } */
  set model({ skeleton, min_keypoint_score: least }) {
    this.#overlay = new Overlay(skeleton, least);
  }

  get empty() {
    return this.#shown === null;
  }

  /** Shows a frame until the next one; picture is an ImageBitmap, or null for people alone. */
  show(poses, picture, trails) {
    if (this.#shown?.picture && this.#shown.picture !== picture) this.#shown.picture.close();
    this.#shown = { poses, picture, trails };
    this.draw();
    const now = performance.timeOrigin + performance.now();
    const detail = { ...poses, mirror: this.mirror, drawn_unix_ms: now };
    this.canvas.dispatchEvent(new CustomEvent("shown", { detail }));
  }

  /** Draws what is shown anew: after a change of size, layers or mirror. */
  draw() {
    const { canvas, pen } = this;
    const pixel = this.#fit();
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.#shown) return;
    const { poses, picture, trails } = this.#shown;
    const place = new Place(canvas, poses.image, this.mirror, pixel);
    pen.save();
    pen.beginPath();
    pen.rect(place.left, place.top, place.width, place.height);
    pen.clip();
    this.#picture(picture, place);
    this.#overlay?.draw(pen, place, poses, trails, this.layers);
    pen.restore();
  }

  #picture(picture, place) {
    const { pen } = this;
    const { left, top, width, height } = place;
    if (!picture) {
      pen.fillStyle = css(GROUND);
      pen.fillRect(left, top, width, height);
      return;
    }
    pen.save();
    pen.imageSmoothingQuality = "high";
    pen.translate(place.mirror ? left + width : left, top);
    if (place.mirror) pen.scale(-1, 1);
    pen.drawImage(picture, 0, 0, width, height);
    pen.restore();
  }

  /** Gives the canvas as many pixels as the screen shows of it; returns how many for one of the page. */
  #fit() {
    const { clientWidth, clientHeight } = this.canvas;
    const most = MOST_PIXELS / Math.max(clientWidth, 1);
    const pixel = Math.min(globalThis.devicePixelRatio || 1, Math.max(most, 1));
    const width = Math.max(Math.round(clientWidth * pixel), 1);
    const height = Math.max(Math.round(clientHeight * pixel), 1);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    return pixel;
  }
}
