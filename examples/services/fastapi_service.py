"""A web service with one Estimator: python fastapi_service.py [port]

curl --data-binary @photo.jpg http://localhost:8000/poses

Needs: pip install fastapi uvicorn. Requests run in threads, which share the estimator; its
networks are opened by the first one. For several processes: uvicorn fastapi_service:app --workers 2
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from litepose_edge import Estimator, LitePoseError

MAX_BYTES, MAX_PIXELS = 20_000_000, 25_000_000


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with Estimator(max_pixels=MAX_PIXELS) as estimator:  # in the worker process, not before a fork
        app.state.estimator = estimator
        yield


app = FastAPI(title="poses", lifespan=lifespan)


@app.post("/poses")
async def poses(request: Request) -> Response:
    """The people in the picture that is the request's body, as JSON."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BYTES:
            raise HTTPException(413, f"pictures of at most {MAX_BYTES} bytes")
    try:
        found = await run_in_threadpool(request.app.state.estimator.predict, bytes(content))
    except LitePoseError as exc:
        raise HTTPException(422, str(exc)) from exc
    return Response(found.to_json(), media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]) if sys.argv[1:] else 8000)
