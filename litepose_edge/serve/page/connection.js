// The live socket, kept open: connects anew with pauses that grow, and rests with a hidden page.

import { liveAddress, status } from "./board.js";

const PAUSES_S = [0.5, 1, 2, 4, 8, 15];
const SILENCE_MS = 5_000; // a status comes each second; without one the connection is dead
const HIDDEN_MS = 10_000;
const INDEX_BYTES = 4;

export class Connection {
  #socket = null;
  #attempt = 0; // which of the attempts counts; older ones are let go
  #failures = 0;
  #greeted = false; // by the connection that is open
  #timers = {};

  /**
   * @param heard.phase called with { name: "connecting" | "live" | "lost" | "token", ... }
   * @param heard.message called with each JSON message
   * @param heard.picture called with (index, bytes of a JPEG)
   */
  constructor(heard) {
    this.heard = heard;
    this.video = true;
    addEventListener("online", () => this.#socket ?? this.open());
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  /** Connects now, whatever was before. */
  async open() {
    const attempt = this.#reset();
    if (document.hidden) this.#rest();
    try {
      await status(); // a browser does not tell why a socket was refused; this says it
    } catch (refusal) {
      if (attempt === this.#attempt) this.#refused(refusal);
      return;
    }
    if (attempt === this.#attempt) this.#listen();
  }

  /** Says that this frame was drawn; the server sends no more pictures than are seen. */
  seen(index) {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type: "seen", index }));
    }
  }

  #listen() {
    const socket = new WebSocket(liveAddress(this.video));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#greeted = false;
    const current = () => this.#socket === socket;
    socket.addEventListener("open", () => current() && this.#expect());
    socket.addEventListener("message", ({ data }) => current() && this.#received(data));
    socket.addEventListener("close", ({ reason }) => current() && this.#lost(reason || this.#guess()));
    this.#expect();
  }

  #received(data) {
    this.#expect();
    if (data instanceof ArrayBuffer) {
      if (data.byteLength <= INDEX_BYTES) return;
      const index = new DataView(data).getUint32(0, true);
      this.heard.picture(index, new Uint8Array(data, INDEX_BYTES));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "hello") {
      this.#failures = 0;
      this.#greeted = true;
      this.heard.phase({ name: "live" });
    }
    this.heard.message(message);
  }

  #refused(refusal) {
    if (refusal.status === 401) {
      this.heard.phase({ name: "token" });
    } else {
      this.#lost(refusal.status ? refusal.message : "");
    }
  }

  #lost(reason) {
    this.#reset();
    const longest = PAUSES_S[Math.min(this.#failures, PAUSES_S.length - 1)];
    this.#failures++;
    // Many viewers of one board must not come back in the same moment.
    const pause = longest * (0.75 + 0.5 * Math.random());
    this.heard.phase({ name: "lost", reason, until: performance.now() + pause * 1000 });
    this.#timers.retry = setTimeout(() => this.open(), pause * 1000);
  }

  /** Why, where no reason came: a browser does not tell how a socket was refused. */
  #guess() {
    return this.#greeted ? "" : "Too many watch already, or a proxy lets no WebSockets through.";
  }

  /** The board must say something before long. */
  #expect() {
    clearTimeout(this.#timers.silence);
    this.#timers.silence = setTimeout(() => this.#lost("Nothing was heard for 5 seconds."), SILENCE_MS);
  }

  #visibility() {
    clearTimeout(this.#timers.hidden);
    if (document.hidden) {
      this.#rest();
    } else if (!this.#socket) {
      this.open();
    }
  }

  #rest() {
    clearTimeout(this.#timers.hidden);
    this.#timers.hidden = setTimeout(() => this.#reset(), HIDDEN_MS);
  }

  #reset() {
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.silence);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    return ++this.#attempt;
  }
}
