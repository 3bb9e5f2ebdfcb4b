// The board's settings: one of them changes here, and the board's answer is what stands here.

import { control } from "./board.js";

const WAIT_MS = 150; // a slider's or arrow key's steps become one request
const MODELS = { n: "light", s: "balanced", m: "accurate" };

const byId = (id) => document.getElementById(id);

export class Settings {
  #values = {}; // the board's
  #changing = new Map(); // by name: the timer or request under way
  #dirty = new Set(); // being typed
  #models = [];
  #widgets = {
    min_score: {
      element: byId("min-score"),
      read: (element) => Number(element.value),
      write: (element, value) => {
        element.value = value;
        this.#showScore();
      },
    },
    detect_every: {
      element: byId("detect-every"),
      read: (element) => Number(element.value),
      write: (element, value) => {
        element.value = value;
      },
    },
    mirror: {
      element: byId("mirror"),
      read: (element) => element.checked,
      write: (element, value) => {
        element.checked = value;
      },
    },
    model: {
      element: byId("models"),
      read: (element) => element.querySelector("input:checked")?.value,
      write: (element, value) => this.#chooseModel(value),
    },
  };

  /**
   * @param heard.status called with the board's answer
   * @param heard.problem called with what went wrong, or with null when it went well
   */
  constructor(heard) {
    this.heard = heard;
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
    byId("min-score").addEventListener("input", () => this.#showScore());
    for (const [name, { element }] of Object.entries(this.#widgets)) {
      element.addEventListener("input", () => this.#dirty.add(name));
      element.addEventListener("change", () => this.#changed(name));
      element.addEventListener("focusout", () => this.#dirty.delete(name));
    }
  }

  set enabled(enabled) {
    for (const { element } of Object.values(this.#widgets)) element.disabled = !enabled;
  }

  set models(names) {
    // A list that is the same keeps the focus of whoever chooses just now.
    if (this.#models.join() === names.join()) return;
    this.#models = names;
    const choices = names.map((name) => {
      const choice = byId("model-choice").content.firstElementChild.cloneNode(true);
      const size = /^lrpose-([nsm])$/.exec(name)?.[1];
      choice.querySelector("input").value = name;
      choice.querySelector(".name").textContent = size ? size.toUpperCase() : name;
      choice.querySelector(".hint").textContent = MODELS[size] ?? "";
      return choice;
    });
    byId("model-choices").replaceChildren(...choices);
  }

  /** Shows what the board says, but for what is being changed just now. */
  apply(values) {
    this.#values = values;
    for (const [name, { element, write }] of Object.entries(this.#widgets)) {
      if (values[name] === undefined || this.#changing.has(name) || this.#dirty.has(name)) continue;
      write(element, values[name]);
    }
  }

  #changed(name) {
    const { element } = this.#widgets[name];
    this.#dirty.delete(name);
    if (!element.reportValidity()) {
      this.#dirty.add(name);
      return;
    }
    clearTimeout(this.#changing.get(name)?.timer);
    const change = {};
    change.timer = setTimeout(() => this.#send(name, change), WAIT_MS);
    this.#changing.set(name, change);
    element.setAttribute("aria-busy", "true");
  }

  async #send(name, change) {
    const { element, read } = this.#widgets[name];
    try {
      const status = await control({ [name]: read(element) });
      this.#done(name, change);
      this.heard.problem(null);
      this.heard.status(status);
    } catch (refusal) {
      this.#done(name, change);
      this.apply(this.#values);
      this.heard.problem(refusal.message);
    }
  }

  /** Unless something newer is under way. */
  #done(name, change) {
    if (this.#changing.get(name) !== change) return;
    this.#changing.delete(name);
    this.#widgets[name].element.removeAttribute("aria-busy");
  }

  #chooseModel(value) {
    if (!this.#models.includes(value)) this.models = [...this.#models, value];
    for (const input of byId("models").querySelectorAll("input")) {
      input.checked = input.value === value;
    }
  }

  #showScore() {
    byId("min-score-text").textContent = Number(byId("min-score").value).toFixed(2);
  }
}
