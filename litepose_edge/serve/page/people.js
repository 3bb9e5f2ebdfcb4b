// The list of people: who, how sure, how many keypoints are seen.

import { colourOf, css, numberOf } from "./palette.js";

const EVERY_MS = 250; // figures that change faster cannot be read
const MOST_ROWS = 30;

const byId = (id) => document.getElementById(id);

export class People {
  #rows = new Map();
  #last = -Infinity;
  #waiting = null;
  least = 0; // score of a keypoint that is seen, the model's own

  /** Shows who is in a frame, at most four times a second. */
  show(people) {
    clearTimeout(this.#waiting);
    const wait = this.#last + EVERY_MS - performance.now();
    if (wait > 0) {
      this.#waiting = setTimeout(() => this.#write(people), wait);
    } else {
      this.#write(people);
    }
  }

  #write(people) {
    this.#last = performance.now();
    const numbered = people.map((person, place) => [numberOf(person, place), person]);
    numbered.sort(([a], [b]) => a - b);
    const shown = numbered.slice(0, MOST_ROWS);
    const numbers = new Set(shown.map(([number]) => number));
    for (const [number, row] of this.#rows) {
      if (!numbers.has(number)) {
        row.remove();
        this.#rows.delete(number);
      }
    }
    for (const [number, person] of shown) this.#fill(number, person);
    this.#rows = new Map([...this.#rows].sort(([a], [b]) => a - b));
    [...this.#rows.values()].forEach((row, place) => {
      const body = byId("people-rows");
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
    });
    byId("count").textContent = people.length;
    byId("people").hidden = !people.length;
    byId("people-none").hidden = people.length > 0;
    byId("people-more").hidden = people.length <= MOST_ROWS;
    byId("people-more").textContent = `and ${people.length - MOST_ROWS} more`;
  }

  #fill(number, person) {
    let row = this.#rows.get(number);
    if (!row) {
      row = byId("person-row").content.firstElementChild.cloneNode(true);
      row.querySelector(".swatch").style.backgroundColor = css(colourOf(number));
      row.querySelector(".name").textContent = person.track_id === null ? `${number + 1}` : `#${number}`;
      this.#rows.set(number, row);
    }
    const seen = person.keypoints.filter(([, , score]) => score >= this.least).length;
    row.querySelector(".bar").style.transform = `scaleX(${Math.min(Math.max(person.score, 0), 1)})`;
    write(row.querySelector(".score"), person.score.toFixed(2));
    write(row.querySelector(".seen"), `${seen} of ${person.keypoints.length}`);
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
