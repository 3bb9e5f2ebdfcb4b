"""Treats pictures in an asyncio program: python asyncio_images.py a.jpg b.jpg ...

The event loop goes on while networks run in threads; a semaphore keeps memory bounded.
"""

from __future__ import annotations

import asyncio
import sys

from litepose_edge import Estimator, LitePoseError

AT_ONCE = 4


async def report(estimator: Estimator, path: str, free: asyncio.Semaphore) -> str:
    async with free:
        try:
            poses = await asyncio.to_thread(estimator.predict, path)
        except LitePoseError as exc:
            return f"{path}: {exc}"
    return f"{path}: {len(poses)} people"


async def main(paths: list[str]) -> None:
    free = asyncio.Semaphore(AT_ONCE)
    with Estimator() as estimator:
        reports = [report(estimator, path, free) for path in paths]
        for next_one in asyncio.as_completed(reports):
            print(await next_one)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or sys.exit(__doc__)))
