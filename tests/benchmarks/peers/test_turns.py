"""Ways in turns: each frame through all of them, and those that are not here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.peers import turns


@dataclass(frozen=True)
class Way:
    """Answers with its name and what it was given."""

    name: str
    seen: list[Any]
    missing: str = ""

    def open(self):
        if self.missing:
            raise turns.NotHereError(self.missing)
        return self.answer

    def answer(self, frame):
        self.seen.append((self.name, frame))
        return frame


def test_each_frame_goes_through_all_ways_that_are_here():
    # An untimed call before each timed one: twice as many are seen.
    seen = []
    ways = [Way("a", seen), Way("b", seen), Way("c", seen, "c.bin is not here")]
    frames = [(7, "first"), (7, "second"), (9, "third")]
    found = turns.measure(ways, frames, lambda image_id, answer: [{"id": image_id, "of": answer}])
    assert found["missing"] == {"c": "c.bin is not here"}
    assert found["images"] == [7, 9]
    assert [len(found[kind][name]) for kind in ("wall_ms", "cpu_ms") for name in "ab"] == [3] * 4
    assert found["results"]["a"] == found["results"]["b"]
    assert [entry["of"] for entry in found["results"]["a"]] == ["first", "second", "third"]
    assert set(seen) == {(way, frame) for way in "ab" for _, frame in frames}


def test_nothing_is_scored_without_labels_or_a_result(tmp_path):
    found = {"results": {"a": []}, "images": []}
    assert turns.accuracy(tmp_path / "none.json", found, "a") is None
    assert turns.accuracy(tmp_path, found, "b") is None
