// Pairs poses and pictures of the same index, decodes pictures, and hands frames on to be drawn.

import { Trails } from "./trails.js";

const MOST_WAITING = 300; // poses whose picture has not come; ten seconds of a usual camera

const repaint = () => new Promise((resolve) => requestAnimationFrame(resolve));

async function decoded(jpeg) {
  try {
    return await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  } catch {
    return null; // damaged on the way: the next one comes
  }
}

export class Frames {
  #poses = []; // in the order they came
  #next = null; // the newest picture, or poses without one, that waits to be drawn
  #busy = false;
  #trails = new Trails();

  /**
   * @param heard.shown called with (poses, picture or null, trails), to be drawn at once
   * @param heard.seen called with the index, when it was drawn or could not be
   */
  constructor(heard) {
    this.heard = heard;
    this.video = true;
  }

  /** Forgets all: a new connection begins. */
  clear() {
    this.#poses = [];
    this.#next = null;
    this.#trails.clear();
  }

  addPoses(message) {
    this.#poses.push(message);
    if (this.#poses.length > MOST_WAITING) this.#trails.update(this.#poses.shift());
    if (!this.video) this.#follow({ index: message.index, jpeg: null });
  }

  addPicture(index, jpeg) {
    if (this.video) this.#follow({ index, jpeg });
  }

  /** Draws the newest; what comes while one is decoded replaces what waits. */
  async #follow(next) {
    this.#next = next;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next) {
      const { index, jpeg } = this.#next;
      this.#next = null;
      const picture = jpeg && (await decoded(jpeg));
      await repaint();
      const poses = this.#take(index);
      if (poses && (picture || !jpeg)) this.heard.shown(poses, picture, this.#trails);
      else picture?.close();
      if (jpeg) this.heard.seen(index);
    }
    this.#busy = false;
  }

  /** The poses of an index; older ones go, after they have left their trail. */
  #take(index) {
    const place = this.#poses.findIndex((poses) => poses.index === index);
    if (place < 0) return null;
    const past = this.#poses.splice(0, place + 1);
    past.forEach((poses) => this.#trails.update(poses));
    return past[place];
  }
}
