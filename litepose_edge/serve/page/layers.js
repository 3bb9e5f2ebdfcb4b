// What is drawn: choices of this viewer alone, kept in this browser. They cost the board nothing.

const KEY = "litepose-edge layers";
const CHOICES = { video: true, skeletons: true, boxes: true, ids: true, trails: true, palette: "side" };
const PALETTES = ["side", "person"];

export class Layers {
  /**
   * @param elements checkboxes and a select, of these names
   * @param changed called with the name of what was changed
   */
  constructor(elements, changed) {
    Object.assign(this, CHOICES, stored());
    for (const element of elements) {
      const { name } = element;
      if (element.type === "checkbox") element.checked = this[name];
      else element.value = this[name];
      element.addEventListener("change", () => {
        this[name] = element.type === "checkbox" ? element.checked : element.value;
        this.#store();
        changed(name);
      });
    }
  }

  /** Whether anything is drawn over the picture. */
  get drawn() {
    return this.skeletons || this.boxes || this.ids || this.trails;
  }

  #store() {
    const chosen = Object.keys(CHOICES).map((name) => [name, this[name]]);
    try {
      localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(chosen)));
    } catch {
      // A private window may forbid it: the choices last as long as the page.
    }
  }
}

/** The choices of the last visit, as far as they are sound. */
function stored() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return Object.fromEntries(Object.entries(kept).filter(([name, value]) => sound(name, value)));
  } catch {
    return {};
  }
}

function sound(name, value) {
  return name === "palette" ? PALETTES.includes(value) : typeof value === typeof CHOICES[name];
}
