// Drives a browser for tests in Python (chromium.py): one JSON command a line, one answer a line.
// Runs in a folder whose node_modules has playwright-core.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { chromium } = createRequire(`${process.cwd()}/`)("playwright-core");
const AsyncFunction = (async () => {}).constructor;
const WAIT_MS = 40_000; // on a busy machine; else none waits for long
const pages = new Map();
let browser;

const commands = {
  async launch({ file, args }) {
    browser = await chromium.launch({ executablePath: file, args });
    return browser.version();
  },
  async open({ page: name, options }) {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(WAIT_MS);
    const page = await context.newPage();
    const seen = { requests: [], errors: [] };
    page.on("request", (request) => seen.requests.push(request.url()));
    page.on("websocket", (socket) => seen.requests.push(socket.url()));
    page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
    page.on("pageerror", (error) => seen.errors.push(String(error)));
    pages.set(name, { context, page, seen });
  },
  async run({ page: name, code, given }) {
    const { page, context } = pages.get(name);
    return new AsyncFunction("page", "context", "given", code)(page, context, given);
  },
  // Playwright's own waitForFunction evaluates strings in the page, which a strict policy forbids.
  async wait({ page: name, expression }) {
    const { page } = pages.get(name);
    const end = performance.now() + WAIT_MS;
    let error = "";
    // A page that is just being loaded anew answers with an error.
    while (!(await page.evaluate(expression).catch((found) => void (error = found)))) {
      if (performance.now() > end) throw new Error(`not so in ${WAIT_MS} ms: ${expression} ${error}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  async seen({ page: name }) {
    return pages.get(name).seen;
  },
  async close({ page: name }) {
    await pages.get(name).context.close();
    pages.delete(name);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command](options)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser?.close();
