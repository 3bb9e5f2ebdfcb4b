// Says to screen readers what has changed, and is no chatterbox: only what has lasted, and seldom.

const LASTS_MS = 2_000;
const PAUSE_MS = 6_000;

export class Announcer {
  #said = "";
  #heard = "";
  #since = 0;
  #last = -Infinity;

  /** @param element a live region */
  constructor(element) {
    this.element = element;
  }

  /** Call it now and then with what is the case. */
  update(text, now = performance.now()) {
    if (text !== this.#heard) {
      this.#heard = text;
      this.#since = now;
    }
    if (text === this.#said || now - this.#since < LASTS_MS || now - this.#last < PAUSE_MS) return;
    this.#said = text;
    this.#last = now;
    this.element.textContent = text;
  }
}
