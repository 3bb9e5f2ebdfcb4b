"""A headless browser, driven by playwright-core in Node; tests skip where there is none."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from javascript import browser, packages

ANSWER_S = 120
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # Everything but this machine is nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


class Page:
    """A page in a browser context of its own."""

    def __init__(self, chromium: Chromium, name: int) -> None:
        self._chromium, self._name = chromium, name

    def run(self, code: str, **given: Any) -> Any:
        """What the body of an async function of playwright's `page` and `context` returns.

        Args:
            code: JavaScript, run in Node: `await page.click("#pause")`.
            given: What it finds in `given`.
        """
        return self._chromium.ask("run", page=self._name, code=code, given=given)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression inside the page."""
        return self.run("return page.evaluate(given.expression)", expression=expression)

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true inside the page."""
        self._chromium.ask("wait", page=self._name, expression=expression)

    def requests(self) -> list[str]:
        """Every address asked for so far, those of WebSockets too."""
        found: list[str] = self._chromium.ask("seen", page=self._name)["requests"]
        return found

    def errors(self) -> list[str]:
        """What the console said was wrong, and exceptions."""
        found: list[str] = self._chromium.ask("seen", page=self._name)["errors"]
        return found


class Chromium:
    """One browser for many pages."""

    def __init__(self, folder: Path, file: str) -> None:
        self._process = subprocess.Popen(
            ["node", str(Path(__file__).with_suffix(".mjs"))],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._names = itertools.count()
        self.ask("launch", file=file, args=ARGUMENTS)

    def ask(self, command: str, **options: Any) -> Any:
        """The answer to a command of chromium.mjs.

        Raises:
            AssertionError: It failed there; with its message.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **options}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._answers.get(timeout=ANSWER_S))
        assert "error" not in answer, answer["error"]
        return answer["value"]

    @contextmanager
    def page(self, **options: Any) -> Iterator[Page]:
        """A new page; options are those of playwright's `newContext`."""
        name = next(self._names)
        self.ask("open", page=name, options=options)
        try:
            yield Page(self, name)
        finally:
            self.ask("close", page=name)

    def close(self) -> None:
        """End the browser and the process that drives it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser until the end of the block; the test skips where there is none."""
    folder, file = packages("playwright-core"), browser()
    opened = Chromium(folder, file)
    try:
        yield opened
    finally:
        opened.close()
