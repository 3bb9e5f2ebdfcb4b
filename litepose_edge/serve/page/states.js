// What is the matter, in words: of the connection first, then of the source.

const SOURCE = {
  running: { tone: "good", pill: "Live" },
  paused: { tone: "wait", pill: "Paused", chip: "Paused" },
  waiting: {
    tone: "wait",
    pill: "Waiting",
    title: "Waiting for the camera",
    text: "The picture comes by itself as soon as there is one.",
  },
  ended: {
    tone: "wait",
    pill: "Ended",
    title: "The film has ended",
    text: "Nothing more is read from it.",
  },
  failed: {
    tone: "bad",
    pill: "Failed",
    title: "The source cannot be read",
    text: "The terminal of litepose-edge serve says more.",
  },
};

/**
 * @param phase of the connection (connection.js)
 * @param status the board's last status, or null
 * @param shown { empty, people }: whether there is no picture yet, and how many people it shows
 * @returns { tone, pill, title, text, chip, retry }; a title stands over the picture
 */
export function describe(phase, status, shown) {
  if (phase.name === "connecting") {
    return { tone: "wait", pill: "Connecting", title: "Connecting to the board", text: "" };
  }
  if (phase.name === "token") return { tone: "wait", pill: "Token needed" };
  if (phase.name === "lost" && status?.state === "ended") {
    return { ...SOURCE.ended, text: "The service has ended with it.", retry: true };
  }
  if (phase.name === "lost") {
    const seconds = Math.max(Math.ceil((phase.until - performance.now()) / 1000), 0);
    const again = seconds ? `Trying again in ${seconds} s.` : "Trying again.";
    const text = [sentence(phase.reason), again].filter(Boolean).join(" ");
    return { tone: "bad", pill: "Connection lost", title: "Connection lost", text, retry: true };
  }
  const state = status?.state ?? "running";
  const known = SOURCE[state] ?? { tone: "wait", pill: state };
  if (known.title) return { ...known, text: sentence(status.reason) || known.text };
  if (shown.empty && state === "running") {
    return { ...known, title: "Waiting for the first picture", text: "" };
  }
  if (state === "running" && shown.people === 0) return { ...known, chip: "No people" };
  return known;
}

/** A reason as a sentence: "the source is gone" gets a capital and a full stop, a name stays. */
export function sentence(text) {
  if (!text) return "";
  const begun = text.replace(/^[a-z]+(?=[ ,'])/, (word) => word[0].toUpperCase() + word.slice(1));
  return begun + (/[.!?]$/.test(text) ? "" : ".");
}
