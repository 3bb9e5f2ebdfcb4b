"""What `predict` says on stderr while it works, and at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from litepose_edge.cli.console import messages, results
from litepose_edge.sources import SourceCounts


@dataclass(slots=True)
class Tally:
    """What a run has come to.

    Attributes:
        images: Pictures done.
        films: Films, cameras and streams done.
        frames: Their frames.
        people: In the pictures, and different ones in the films.
        failed: Inputs that gave an error.
        began_s: When the run began, on the monotonic clock.
    """

    images: int = 0
    films: int = 0
    frames: int = 0
    people: int = 0
    failed: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """The closing line: what was done, in how many seconds, and what failed."""
        seconds = max(time.monotonic() - self.began_s, 1e-6)
        done = self.images + self.frames
        parts = [_count(self.images, "image")] if self.images or not self.frames else []
        if self.films > 1:
            parts.append(_count(self.films, "film"))
        if self.frames:
            parts.append(_count(self.frames, "frame"))
        parts += [_count(self.people, "person", "people"), f"{seconds:.1f} s"]
        rate = f" ({done / seconds:.1f} a second)" if done > 1 else ""
        return ", ".join(parts) + rate + (f", {self.failed} failed" if self.failed else "")


@contextlib.contextmanager
def bar_of(
    total: int | None, unit: str, *, quiet: bool, name: str = "predict"
) -> Iterator[Callable[[int], None]]:
    """A bar with the rate and the people so far, on a stderr that is a terminal.

    Args:
        total: How many there will be; None where that is not known.
        unit: What is counted, such as `"images"`.
        quiet: Show nothing.
        name: Stands before the bar.

    Yields:
        A function that is told the people so far after each one.
    """
    if quiet or total == 1 or not messages.is_terminal:
        yield lambda people: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    whole = "" if total is None else f" of {total}"
    columns = (
        # A long name leaves room for the figures.
        TextColumn("{task.description}", table_column=Column(max_width=24, no_wrap=True)),
        BarColumn(bar_width=None, table_column=Column(ratio=1, max_width=40)),
        TextColumn(
            f"{{task.completed:.0f}}{whole} {unit}, {{task.fields[rate]:.1f}} a second, "
            "people: {task.fields[people]}",
            table_column=Column(no_wrap=True),
        ),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=messages.rich,
        transient=True,
        expand=True,
        # Results that go to a file or a pipe are none of the bar's business.
        redirect_stdout=results.is_terminal,
    ) as bar:
        task = bar.add_task(name, total=total, rate=0.0, people=0)
        began_s, done = time.monotonic(), 0

        def advance(people: int) -> None:
            nonlocal done
            done += 1
            rate = done / max(time.monotonic() - began_s, 1e-6)
            bar.update(task, completed=done, rate=rate, people=people)

        yield advance


def counted(counts: SourceCounts) -> str:
    """What happened to a source, where anything did."""
    named = {
        "dropped": counts.dropped,
        "unreadable": counts.unreadable,
        "reconnected": counts.reconnected,
    }
    return "".join(f", {number} {what}" for what, number in named.items() if number)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
