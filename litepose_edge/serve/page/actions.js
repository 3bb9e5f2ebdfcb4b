// Buttons that do something at once: pause, snapshot, record, full screen.

import { control, record, snapshot } from "./board.js";

const byId = (id) => document.getElementById(id);

export class Actions {
  #enabled = false;
  #paused = false;
  #recording = false;
  #since = 0; // when a recording was first seen here

  /**
   * @param layers of which a snapshot takes whether and how people are drawn
   * @param heard.status called with the board's answer
   * @param heard.problem called with what went wrong, or with null when it went well
   */
  constructor(layers, heard) {
    this.layers = layers;
    this.heard = heard;
    this.#does("pause", async () => heard.status(await control({ paused: !this.#paused })));
    this.#does("record", async () => heard.status(await record(!this.#recording)));
    this.#does("snapshot", async () => save(await snapshot(layers.drawn ? layers.palette : null)));
    this.#fullscreen();
    setInterval(() => this.#time(), 500);
  }

  set enabled(enabled) {
    this.#enabled = enabled;
    for (const id of ["pause", "record", "snapshot"]) byId(id).disabled = !enabled;
  }

  set recordable(allowed) {
    byId("record").hidden = !allowed;
  }

  apply({ paused, recording }) {
    this.#paused = paused;
    byId("pause").dataset.on = paused;
    byId("pause-text").textContent = paused ? "Resume" : "Pause";
    if (recording && !this.#recording) this.#since = performance.now();
    this.#recording = recording;
    byId("record").dataset.on = recording;
    byId("record-text").textContent = recording ? "Stop recording" : "Record";
    byId("recording").hidden = !recording;
    this.#time();
  }

  /** One press, one request; the button waits for the answer. */
  #does(id, act) {
    const button = byId(id);
    button.addEventListener("click", async () => {
      if (button.getAttribute("aria-busy") === "true") return;
      button.setAttribute("aria-busy", "true");
      try {
        await act();
        this.heard.problem(null);
      } catch (refusal) {
        this.heard.problem(refusal.message);
      } finally {
        button.removeAttribute("aria-busy");
        button.disabled = !this.#enabled;
      }
    });
  }

  #fullscreen() {
    const button = byId("fullscreen");
    button.hidden = !document.fullscreenEnabled;
    button.addEventListener("click", () => byId("stage").requestFullscreen());
  }

  #time() {
    const seconds = Math.floor((performance.now() - this.#since) / 1000);
    const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (this.#recording) byId("recording-time").textContent = text;
  }
}

function save({ blob, name }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
