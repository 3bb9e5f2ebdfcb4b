// Where tracked people were in the last seconds, as litepose_edge/drawing/trails.py draws it.

const LENGTH_S = 2;

export class Trails {
  #paths = new Map();
  #now = 0;

  clear() {
    this.#paths.clear();
    this.#now = 0;
  }

  /** Adds where people are in the next frame; a film that begins again begins new trails. */
  update({ people, timestamp_s: now }) {
    if (now < this.#now) this.clear();
    this.#now = now;
    for (const { track_id: id, box_xyxy: [x1, y1, x2, y2] } of people) {
      if (id === null) continue;
      if (!this.#paths.has(id)) this.#paths.set(id, []);
      this.#paths.get(id).push([now, (x1 + x2) / 2, (y1 + y2) / 2]);
    }
    for (const [id, path] of this.#paths) {
      while (path.length && path[0][0] < now - LENGTH_S) path.shift();
      if (!path.length) this.#paths.delete(id);
    }
  }

  /** Pieces from old to new: `{ id, from: [x, y], to: [x, y], strength }`, strength 1 at the newest. */
  *pieces() {
    for (const [id, path] of this.#paths) {
      for (let i = 1; i < path.length; i++) {
        const [, ...from] = path[i - 1];
        const [time, ...to] = path[i];
        yield { id, from, to, strength: 1 - (this.#now - time) / LENGTH_S };
      }
    }
  }
}
