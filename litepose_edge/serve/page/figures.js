// How the board is doing: frame rate, latency, load.

const FIGURES = {
  fps: (status) => fixed(status.fps, 1),
  p50: (status) => milliseconds(status.latency_ms?.p50),
  p95: (status) => milliseconds(status.latency_ms?.p95),
  dropped: ({ dropped, frames }) => {
    if (!known(dropped)) return null;
    const share = (100 * dropped) / Math.max(frames + dropped, 1);
    return dropped ? `${whole(dropped)} (${share.toFixed(share < 10 ? 1 : 0)} %)` : "0";
  },
  cpu: (status) => unit(status.cpu_percent, "%"),
  temperature: (status) => unit(status.temperature_c, "°C"),
  memory: (status) => unit(status.memory_mb, "MB"),
  viewers: (status) => (known(status.viewers) ? whole(status.viewers) : null),
};

const known = (value) => Number.isFinite(value);
const whole = (value) => Math.round(value).toLocaleString("en");
const fixed = (value, digits) => (known(value) ? value.toFixed(digits) : null);
const unit = (value, name) => (known(value) ? `${whole(value)} ${name}` : null);

function milliseconds(value) {
  if (!known(value)) return null;
  return `${value < 10 ? value.toFixed(1) : whole(value)} ms`;
}

/** Writes a status into the page; what the board cannot tell is a dash. */
export function showFigures(status) {
  for (const [id, text] of Object.entries(FIGURES)) {
    const element = document.getElementById(id);
    const value = text(status);
    if (element.dataset.value === `${value}`) continue;
    element.dataset.value = `${value}`;
    if (value === null) {
      element.replaceChildren(document.getElementById("unknown").content.cloneNode(true));
    } else {
      element.textContent = value;
    }
  }
}
