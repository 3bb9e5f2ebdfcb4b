"""A stand-in for `litepose-edge serve`: says to order what the page has to show.

It speaks the same messages without source, network or estimator. Tests of the page use it for
what a real server is seldom in: a camera that is gone, a refused control, silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mimetypes
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from litepose_edge.skeletons import COCO_17, side_of
from paths import ROOT

PAGE = ROOT / "litepose_edge" / "serve" / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
MODELS = ["lrpose-n", "lrpose-s", "lrpose-m"]
SKELETON = COCO_17
NAMES = SKELETON.keypoint_names


def person(
    keypoints: list[list[float]], *, track_id: int | None = None, score: float = 0.9
) -> dict[str, Any]:
    """A person of a poses message, with a box around the keypoints."""
    x, y = np.array(keypoints).T[:2]
    box = [float(x.min()), float(y.min()), float(x.max()), float(y.max())]
    return {"track_id": track_id, "score": score, "box_xyxy": box, "keypoints": keypoints}


class Board:
    """What the stand-in says and what it was asked.

    Attributes:
        status: Of the next status message; change it and it goes out.
        controls: What was asked of `/v1/control`.
        seen: Indices the page said were drawn.
        refusal: `(status, sentence)` that answers the next requests of change, or None.
        token: That is asked for, or None.
        version: Of the board's software.
        silent: Whether it keeps the connections and says nothing more.
        full: Whether it refuses live connections.
        videos: Of each live connection so far, whether it wanted pictures.
        open: How many live connections there are.
    """

    def __init__(self, *, token: str | None = None, allow_record: bool = False) -> None:
        self.token, self.allow_record, self.version = token, allow_record, "0.1.0"
        self.controls: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.seen: list[int] = []
        self.videos: list[bool] = []
        self.refusal: tuple[int, str] | None = None
        self.silent, self.full, self.open = False, False, 0
        self.status: dict[str, Any] = {
            "type": "status", "source": "camera 0", "state": "running", "reason": None,
            "fps": 29.97, "latency_ms": {"p50": 21.4, "p95": 34.2}, "frames": 4000, "dropped": 12,
            "people": 0, "viewers": 1, "cpu_percent": 62.0, "temperature_c": None,
            "memory_mb": 182.5,
            "controls": {
                "paused": False, "min_score": 0.35, "detect_every": 5, "model": "lrpose-s",
                "mirror": False, "recording": False,
            },
        }  # fmt: skip
        self._files = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.is_file()}
        self._index = 0
        self._frame: tuple[dict[str, Any], bytes | None] | None = None
        self._version = 0

    def reset(self) -> None:
        """Be as at first, for the next test; who is connected stays so."""
        connected = self.open
        self.__init__(token=self.token, allow_record=self.allow_record)
        self.open = connected

    def show(
        self, people: list[dict[str, Any]], image: NDArray[np.uint8], *, picture: bool = True
    ) -> int:
        """Send a frame to all pages; returns its index."""
        self._index += 1
        message = {
            "type": "poses", "index": self._index, "timestamp_s": self._index / 30,
            "image": {"width": image.shape[1], "height": image.shape[0]},
            "mirror": self.status["controls"]["mirror"], "people": people,
            "taken_unix_s": time.time(), "inference_ms": 1.0,
        }  # fmt: skip
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        jpeg = struct.pack("<I", self._index) + encoded.tobytes() if picture else None
        self._frame = (message, jpeg)
        self._version += 1
        return self._index

    def say(self, **changes: Any) -> None:
        """Change the status; those of `controls` under their names."""
        for name, value in changes.items():
            place = self.status["controls"] if name in self.status["controls"] else self.status
            place[name] = value
        self._version += 1

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/", self._page),
            Route("/page/{name}", self._page),
            Route("/v1/status", self._status),
            Route("/v1/login", self._login, methods=["POST"]),
            Route("/v1/control", self._control, methods=["POST"]),
            Route("/v1/record", self._record, methods=["POST"]),
            Route("/v1/snapshot", self._snapshot, methods=["POST"]),
            WebSocketRoute("/v1/live", self._live),
        ]
        return Starlette(routes=routes)

    async def _page(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in self._files:
            return JSONResponse({"error": "There is no such file."}, 404)
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return Response(
            self._files[name], headers=headers, media_type=mimetypes.guess_type(name)[0]
        )

    async def _status(self, request: Request) -> Response:
        return self._refused(request, change=False) or JSONResponse(self.status)

    async def _login(self, request: Request) -> Response:
        if (await request.json())["token"] != self.token:
            return JSONResponse({"error": "This is not the token of this board."}, 401)
        answer = Response(status_code=204)
        answer.set_cookie("litepose_token", self.token or "", httponly=True, samesite="strict")
        return answer

    async def _control(self, request: Request) -> Response:
        changes = await request.json()
        self.controls.append(changes)
        if refused := self._refused(request):
            return refused
        self.say(**changes)
        return JSONResponse(self.status)

    async def _record(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        self.say(recording=(await request.json())["on"])
        return JSONResponse(self.status)

    async def _snapshot(self, request: Request) -> Response:
        self.asked.append(str(request.url.query))
        if refused := self._refused(request):
            return refused
        assert self._frame is not None
        assert self._frame[1] is not None
        name = 'attachment; filename="litepose-20240501-120000.jpg"'
        headers = {"Content-Disposition": name}
        return Response(self._frame[1][4:], headers=headers, media_type="image/jpeg")

    def _refused(self, request: Request, *, change: bool = True) -> Response | None:
        if self.token is not None and request.cookies.get("litepose_token") != self.token:
            return JSONResponse({"error": "A token is needed."}, 401)
        if change and self.refusal is not None:
            return JSONResponse({"error": self.refusal[1]}, self.refusal[0])
        return None

    async def _live(self, websocket: WebSocket) -> None:
        if self.full or (
            self.token is not None and websocket.cookies.get("litepose_token") != self.token
        ):
            await websocket.close()
            return
        video = websocket.query_params.get("video") != "0"
        self.videos.append(video)
        self.open += 1
        await websocket.accept()
        sides = [side_of(name) for name in NAMES]
        skeleton = {
            "keypoint_names": NAMES, "bones": SKELETON.bones,
            "left": [i for i, side in enumerate(sides) if side == "left"],
            "right": [i for i, side in enumerate(sides) if side == "right"],
        }  # fmt: skip
        hello = {
            "type": "hello", "skeleton": skeleton, "min_keypoint_score": 0.3,
            "allow_record": self.allow_record, "models": MODELS, "version": self.version,
        }  # fmt: skip
        reader = asyncio.ensure_future(self._listen(websocket))
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await websocket.send_text(json.dumps(hello))
            await self._talk(websocket, video, reader)
        reader.cancel()
        self.open -= 1

    async def _talk(self, websocket: WebSocket, video: bool, reader: asyncio.Future[None]) -> None:
        version, frame, said = -1, None, 0.0
        while not reader.done():
            due = time.monotonic() - said >= 1 or version != self._version
            if due and not self.silent:
                version, said = self._version, time.monotonic()
                await websocket.send_text(json.dumps(self.status))
                if self._frame is not None and self._frame is not frame:
                    frame = self._frame
                    await websocket.send_text(json.dumps(frame[0]))
                    if video and frame[1] is not None:
                        await websocket.send_bytes(frame[1])
            await asyncio.sleep(0.01)

    async def _listen(self, websocket: WebSocket) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await websocket.receive_json()
                if message["type"] == "seen":
                    self.seen.append(message["index"])


@contextlib.contextmanager
def listening(board: Board, port: int = 0, prefix: str = "") -> Iterator[str]:
    """The address where a stand-in answers until the end of the block.

    Args:
        board: What answers.
        port: 0 takes a free one.
        prefix: Of all paths, as behind a proxy.
    """
    app = Starlette(routes=[Mount(prefix, app=board.app())]) if prefix else board.app()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{prefix}"
        finally:
            server.should_exit = True
            thread.join()
