"""What a manifest's fields must be to each other, and what its JSON must be before it is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from litepose_edge.skeletons import Skeleton

# Manifests of ours have 2 to 5 KB; the names of thousands of float layers would fit as well.
MAX_JSON_BYTES = 1 << 20
MAX_KEYPOINTS = 1000
MAX_REASON = 300
MIN_SIGMA, MAX_SIGMA = 1e-4, 10.0


def check_json(text: str | bytes) -> bytes:
    """The text as UTF-8, once it is JSON that means one thing and can be read safely.

    Raises:
        ValueError: It is too long, no UTF-8, nested too deeply, or names a key twice.
    """
    if len(text) > MAX_JSON_BYTES:
        raise ValueError(f"expected at most {MAX_JSON_BYTES} bytes, got {len(text)}")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        encoded = decoded.encode()
    except UnicodeError as exc:
        raise ValueError(f"expected UTF-8: {exc}") from exc
    try:
        json.loads(decoded, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise ValueError("expected JSON of a few levels, it is nested too deeply") from None
    return encoded


def shortened(reason: object) -> str:
    """What is wrong, in a line: a file's own text may be in it, of any length."""
    text = " ".join(str(reason).split())
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} ..."


def check_skeleton(skeleton: Skeleton) -> None:
    """Whether names, bones, flip pairs and sigmas fit each other.

    Raises:
        ValueError: They do not; says which and how.
    """
    names, count = skeleton.keypoint_names, len(skeleton)
    if not 1 <= count <= MAX_KEYPOINTS:
        raise ValueError(f"`keypoint_names` must hold 1 to {MAX_KEYPOINTS} names, got {count}")
    check_unique("keypoint_names", names)
    for field, pairs in (("bones", skeleton.bones), ("flip_pairs", skeleton.flip_pairs)):
        for pair in pairs:
            if not all(0 <= index < count for index in pair):
                raise ValueError(
                    f"`{field}` must hold indices from 0 to {count - 1}, got {list(pair)}"
                )
    partners: dict[int, int] = {}
    for left, right in skeleton.flip_pairs:
        if partners.setdefault(left, right) != right or partners.setdefault(right, left) != left:
            raise ValueError(
                f"`flip_pairs` must exchange keypoints two by two, {[left, right]} gives one of "
                "them a second partner"
            )
    sigmas = skeleton.oks_sigmas
    if len(sigmas) != count:
        raise ValueError(
            f"`oks_sigmas` must hold {count} numbers, one a keypoint, got {len(sigmas)}"
        )
    wrong = [sigma for sigma in sigmas if not MIN_SIGMA <= sigma <= MAX_SIGMA]
    if wrong:
        raise ValueError(
            f"`oks_sigmas` must lie between {MIN_SIGMA} and {MAX_SIGMA:g}, got {wrong[0]}"
        )


def check_odd(field: str, value: int) -> None:
    """Whether a window has a middle.

    Raises:
        ValueError: It has none.
    """
    if value % 2 == 0:
        raise ValueError(f"`{field}` must be odd, got {value}")


def check_unique(field: str, names: Sequence[str]) -> None:
    """Whether names are there and differ.

    Raises:
        ValueError: One is empty, or there twice.
    """
    if not all(names):
        raise ValueError(f"`{field}` must not hold an empty name")
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise ValueError(f"`{field}` names '{name}' {times} times")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        key, times = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key '{key}' is there {times} times")
    return found
