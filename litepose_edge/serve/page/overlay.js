// Draws people over the picture: trails lowest, then boxes, skeletons, labels, as
// litepose_edge/drawing/people.py does.

import { Labels } from "./labels.js";
import { DOT, EDGE, boneColours, colourOf, css, numberOf } from "./palette.js";

const MANY_KEYPOINTS = 40; // as on hands and faces: lines and dots are thin
const BOX_LINE = 400; // pixels of the picture's short side for one of a box's line
const TEXT = 24; // and of a letter
const LEAST_TEXT = 12; // pixels of the page

export class Overlay {
  /**
   * @param skeleton { bones, left, right, keypoint_names }
   * @param least score of a keypoint that is drawn
   */
  constructor(skeleton, least) {
    this.skeleton = skeleton;
    this.least = least;
    this.sides = boneColours(skeleton);
  }

  /**
   * @param pen of the canvas
   * @param place where the picture lies on it (stage.js)
   * @param poses a message of the server
   * @param trails of the same frame
   * @param layers { skeletons, boxes, ids, trails, palette }
   */
  draw(pen, place, poses, trails, layers) {
    const { people } = poses;
    const shortSide = Math.min(place.imageWidth, place.imageHeight);
    const line = Math.max(Math.round(shortSide / BOX_LINE) * place.scale, 1.5 * place.pixel);
    const boxes = people.map((person) => place.box(person.box_xyxy));
    pen.lineCap = pen.lineJoin = "round";
    if (layers.trails) this.#trails(pen, place, trails, 2 * line);
    if (layers.boxes) {
      pen.lineWidth = line;
      boxes.forEach(([x1, y1, x2, y2], i) => {
        pen.strokeStyle = css(colourOf(numberOf(people[i], i)));
        pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      });
    }
    if (layers.skeletons) people.forEach((person, i) => this.#person(pen, place, person, i, layers));
    if (layers.ids) {
      const size = Math.max((shortSide / TEXT) * place.scale, LEAST_TEXT * place.pixel);
      const labels = new Labels(pen, place.area, size);
      people.forEach((person, i) => {
        if (person.track_id !== null) {
          labels.write(`#${person.track_id}`, boxes[i], colourOf(person.track_id));
        }
      });
    }
  }

  #trails(pen, place, trails, width) {
    for (const { id, from, to, strength } of trails.pieces()) {
      pen.strokeStyle = css(colourOf(id));
      pen.lineWidth = Math.max(width * strength, place.pixel);
      stroke(pen, place.point(...from), place.point(...to));
    }
  }

  #person(pen, place, { keypoints, ...person }, number, layers) {
    const seen = keypoints.map(([, , score]) => score >= this.least);
    const points = keypoints.map(([x, y]) => place.point(x, y));
    const own = colourOf(numberOf(person, number));
    const thickness = Math.max(this.#thickness(keypoints, seen, place) * place.scale, 1.5 * place.pixel);
    const rim = Math.max(place.scale, 0.75 * place.pixel);
    this.skeleton.bones.forEach(([first, second], i) => {
      if (!seen[first] || !seen[second]) return;
      const colour = layers.palette === "person" ? own : this.sides[i];
      for (const [shade, width] of [[EDGE, thickness + 2 * rim], [colour, thickness]]) {
        pen.strokeStyle = css(shade);
        pen.lineWidth = width;
        stroke(pen, points[first], points[second]);
      }
    });
    const radius = (thickness + rim) * 0.8;
    points.forEach((point, i) => {
      if (!seen[i]) return;
      for (const [shade, size] of [[EDGE, radius + rim], [DOT, radius]]) {
        pen.fillStyle = css(shade);
        pen.beginPath();
        pen.arc(...point, size, 0, 2 * Math.PI);
        pen.fill();
      }
    });
  }

  /** In pixels of the picture: by the person's extent, within bounds that grow with the picture. */
  #thickness(keypoints, seen, place) {
    const shown = keypoints.filter((_, i) => seen[i]);
    const extent = shown.length ? Math.max(reach(shown, 0), reach(shown, 1)) : 0;
    const shortSide = Math.min(place.imageWidth, place.imageHeight);
    const least = Math.max(1, Math.round(shortSide / 800));
    const most = keypoints.length > MANY_KEYPOINTS ? least : Math.max(8, Math.round(shortSide / 120));
    return Math.min(Math.max(Math.round(extent / 90), least), most);
  }
}

function reach(points, axis) {
  const values = points.map((point) => point[axis]);
  return Math.max(...values) - Math.min(...values);
}

function stroke(pen, from, to) {
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}
