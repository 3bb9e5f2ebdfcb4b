// Requests to the board. Addresses are relative: the page also works behind a proxy's prefix.

const PATIENCE_MS = 30_000; // another model takes seconds to load on a small board
const QUICK_MS = 5_000;

/** The board said no; `message` is its sentence, `status` the HTTP status (0: it did not answer). */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(method, path, json, patience = PATIENCE_MS) {
  const options = { method, cache: "no-store", signal: AbortSignal.timeout?.(patience) };
  if (json !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(json);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refusal(0, "The board does not answer.");
  }
  if (!answer.ok) throw new Refusal(answer.status, await sentence(answer));
  return answer;
}

async function sentence(answer) {
  try {
    const { error } = await answer.json();
    if (typeof error === "string" && error) return error;
  } catch {
    // Not ours: a proxy's page, for one.
  }
  return `The board answered with status ${answer.status}.`;
}

const jsonOf = async (answer) => (await answer).json();

export const status = () => jsonOf(ask("GET", "v1/status", undefined, QUICK_MS));
export const login = (token) => ask("POST", "v1/login", { token });
export const control = (changes) => jsonOf(ask("POST", "v1/control", changes));
export const record = (on) => jsonOf(ask("POST", "v1/record", { on }));

/** A picture to keep: `{ blob, name }`; drawn upon in this palette, or as the camera saw it. */
export async function snapshot(palette) {
  const drawn = palette ? `?drawn=1&palette=${palette}` : "";
  const answer = await ask("POST", `v1/snapshot${drawn}`);
  const named = /filename="([\w.-]+)"/.exec(answer.headers.get("Content-Disposition") ?? "");
  return { blob: await answer.blob(), name: named ? named[1] : "snapshot.jpg" };
}

/** The address of the live socket. */
export function liveAddress(video) {
  const address = new URL(video ? "v1/live" : "v1/live?video=0", document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address;
}
