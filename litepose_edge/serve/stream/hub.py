"""Hands each treated frame to its viewers: encoded once, never waiting for any of them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque

from litepose_edge.serve.stream.figures import StreamFigures
from litepose_edge.serve.stream.results import EncodingError, Message, Treated, jpeg, poses_text

# A viewer of pictures that says what it has seen gets nothing newer while it is more behind.
MOST_UNSEEN = 2

log = logging.getLogger(__name__)


class Viewer:
    """One viewer's place: the newest message, of which older ones make way.

    Changed by the event loop alone; the encoding thread asks whether it wants a picture.

    Args:
        video: Whether it wants pictures.
        status: Whether it wants to hear how the stream does.
        figures: Learn when it has seen a picture.

    Attributes:
        has_picture: Whether it was ever given one.
    """

    def __init__(self, video: bool, status: bool, figures: StreamFigures) -> None:
        self.video, self._wants_status = video, status
        self._figures = figures
        self._message: Message | None = None
        self._status: str | None = None
        self._changed = asyncio.Event()
        self._unseen: deque[tuple[int, float]] = deque()
        self._says_seen = False
        self._closed = False
        self._offered: int | None = None
        self.has_picture = False

    @property
    def wants_poses_alone(self) -> bool:
        """Whether it takes poses without their picture; a page draws both or neither."""
        return not (self.video and self.has_picture)

    @property
    def wants_picture(self) -> bool:
        """Whether it takes a picture now: none waits, and it is not behind."""
        waiting = self._message is not None and self._message.picture is not None
        return self.video and not waiting and len(self._unseen) <= MOST_UNSEEN

    def offer(self, message: Message) -> None:
        """Put the newest frame in the place of one that is still waiting.

        A frame that was offered before, and comes again for a new viewer, is taken only for the
        picture that was missing.
        """
        if message.picture is None and not self.wants_poses_alone:
            return
        adds_picture = message.picture is not None and self.video and not self.has_picture
        if message.index == self._offered and not adds_picture:
            return
        self._offered = message.index
        self._message = message
        self._changed.set()

    def offer_status(self, text: str) -> None:
        """Put the newest status in the place of the one before."""
        if not self._wants_status:
            return
        self._status = text
        self._changed.set()

    def seen(self, index: int) -> None:
        """Take the viewer's word that it has shown a picture."""
        self._says_seen = True
        while self._unseen and self._unseen[0][0] <= index:
            number, came_s = self._unseen.popleft()
            if number == index:
                self._figures.frame_seen(came_s)

    def close(self) -> None:
        """End it: `next` gives None from now on."""
        self._closed = True
        self._changed.set()

    async def next(self, patience_s: float | None = None) -> list[str | bytes] | None:
        """What to send next, in order; nothing after so long; None when it is over."""
        if not self._changed.is_set():
            if patience_s is None:
                await self._changed.wait()
            else:
                try:
                    await asyncio.wait_for(self._changed.wait(), patience_s)
                except asyncio.TimeoutError:
                    return []
        self._changed.clear()
        if self._closed:
            return None
        parts: list[str | bytes] = []
        if self._status is not None:
            parts.append(self._status)
            self._status = None
        message, self._message = self._message, None
        if message is not None:
            parts.append(message.text)
            # Checked anew: one that was offered when nothing was behind may find it behind now.
            if message.picture is not None and self.video and len(self._unseen) <= MOST_UNSEEN:
                parts.append(message.picture)
                self._remember(message)
        return parts

    def _remember(self, message: Message) -> None:
        self.has_picture = True
        self._unseen.append((message.index, message.came_s))
        # Of a viewer that never says so, the connection's own flow is all that is known.
        if not self._says_seen and len(self._unseen) > MOST_UNSEEN:
            self._unseen.popleft()


class Hub:
    """The newest frame, and everything that wants to hear of it.

    Args:
        figures: Counts what viewers have seen.
        quality: Of the pictures, 1 to 100.
        pictures_per_s: At most so many are encoded; without pictures every frame goes out.

    Attributes:
        encoded: How many pictures were.
    """

    def __init__(self, figures: StreamFigures, quality: int, pictures_per_s: float) -> None:
        self._figures, self._quality = figures, quality
        # Frames come neither early nor late to the microsecond.
        self._gap_s, self._pictured_s = 0.9 / pictures_per_s, -1e9
        self._loop: asyncio.AbstractEventLoop | None = None
        self._viewers: set[Viewer] = set()
        self._newest: Treated | None = None
        self._waiting: Treated | None = None
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self.encoded = 0

    @property
    def newest(self) -> Treated | None:
        """The frame treated last."""
        return self._newest

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._viewers)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand frames to viewers of this event loop from now on."""
        self._loop = loop
        self._thread = threading.Thread(target=self._encode, name="litepose-viewers", daemon=True)
        self._thread.start()

    def publish(self, treated: Treated) -> None:
        """Take a treated frame; called by the capturing thread, which never waits."""
        self._newest = treated
        if not self._is_wanted(treated):
            return
        with self._changed:
            self._waiting = treated
            self._changed.notify()

    def join(self, *, video: bool, status: bool = False) -> Viewer:
        """A place for a new viewer."""
        viewer = Viewer(video, status, self._figures)
        self._viewers.add(viewer)
        if self._newest is not None:
            # What stands still, as when paused, is seen at once as well.
            self.publish(self._newest)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)

    def tell_status(self, text: str) -> None:
        """Offer a status to all viewers."""
        for viewer in self._viewers:
            viewer.offer_status(text)

    def close(self) -> None:
        """End all viewers and the encoding thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        for viewer in self._viewers:
            viewer.close()

    def _encode(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._waiting is not None)
                if self._stopped:
                    return
                treated, self._waiting = self._waiting, None
            assert treated is not None
            assert self._loop is not None
            picture = None
            if self._picture_is_wanted(treated):
                picture = self._picture(treated)
                self._pictured_s = treated.came_s
            message = Message(poses_text(treated), picture, treated.index, treated.came_s)
            try:
                self._loop.call_soon_threadsafe(self._deliver, message)
            except RuntimeError:  # the loop has ended
                return

    def _is_wanted(self, treated: Treated) -> bool:
        """Whether any viewer takes something of a frame: waking a thread costs a tenth of it."""
        alone = any(viewer.wants_poses_alone for viewer in tuple(self._viewers))
        return alone or self._picture_is_wanted(treated)

    def _picture_is_wanted(self, treated: Treated) -> bool:
        waiting = [viewer for viewer in tuple(self._viewers) if viewer.wants_picture]
        due = treated.came_s - self._pictured_s >= self._gap_s
        # Whoever has just come waits for no turn.
        return bool(waiting) and (due or not all(viewer.has_picture for viewer in waiting))

    def _picture(self, treated: Treated) -> bytes | None:
        try:
            content = jpeg(treated.image, self._quality)
        except EncodingError as exc:
            log.warning("%s", exc)
            return None
        self.encoded += 1
        return (treated.index & 0xFFFFFFFF).to_bytes(4, "little") + content

    def _deliver(self, message: Message) -> None:
        for viewer in self._viewers:
            viewer.offer(message)
