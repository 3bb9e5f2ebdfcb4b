"""Inputs on servers and in object stores: by HTTP, or by fsspec where that is installed."""

from __future__ import annotations

import base64
import contextlib
import http.client
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from litepose_edge.errors import BackendUnavailableError, SourceError, install_hint
from litepose_edge.scale.units import is_input_name
from litepose_edge.sources.kinds import URL, split_url, without_password

TIMEOUT_S, TRIES, PAUSE_S = 30.0, 3, 1.0
# Worth another try: the server is busy or for a moment not there.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
CHUNK_BYTES = 1 << 20
HTTP = ("http", "https")
# Streams of cameras, which have no end.
LIVE = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp", "tcp", "mms"})


def is_remote(source: str) -> bool:
    """Whether fsspec is asked for it."""
    return bool(URL.match(source)) and _scheme(source) not in (*HTTP, *LIVE, "file")


def list_remote(source: str) -> Iterator[str]:
    """The inputs below a folder, of a pattern, or the one object, of an object store.

    Raises:
        SourceError: There is no such place, or it cannot be asked.
        BackendUnavailableError: fsspec is not installed.
    """
    try:
        with _store_errors(source):
            system, path = _file_system(source)
            if any(mark in path for mark in "*?["):
                found = sorted(map(str, system.glob(path)))
            elif system.isdir(path):
                names = (entry["name"] for entry in system.ls(path) if entry["type"] == "file")
                found = sorted(name for name in map(str, names) if is_input_name(name))
            else:
                found = [path]
    except (FileNotFoundError, TimeoutError, ConnectionError) as exc:
        raise SourceError(f"cannot list {without_password(source)}: {exc}") from exc
    if not found:
        raise SourceError(f"{without_password(source)} names no image or film")
    for name in found:
        yield str(system.unstrip_protocol(name))


@contextlib.contextmanager
def local_file(source: str, most_bytes: int) -> Iterator[Path]:
    """A file with a remote input's bytes, gone when the block ends.

    Args:
        source: A URL.
        most_bytes: A larger one is refused as soon as that is known.

    Raises:
        SourceError: It cannot be read, is larger, or no file: a camera's stream.
    """
    scheme, name = _scheme(source), without_password(source)
    if scheme in LIVE:
        raise SourceError(
            f"{name} is a stream without an end: record it first, or use litepose-edge predict"
        )
    suffix = PurePosixPath(split_url(source).path).suffix[:16]
    with tempfile.TemporaryDirectory(prefix="litepose-label-") as folder:
        target = Path(folder) / f"input{suffix if suffix.isascii() else ''}"
        for attempt in range(TRIES):
            try:
                with target.open("wb") as file:
                    if scheme in HTTP:
                        _by_http(source, name, file, most_bytes)
                    else:
                        _by_store(source, name, file, most_bytes)
                break
            except _Passing as exc:
                if attempt == TRIES - 1:
                    raise SourceError(f"cannot read {name}: {exc}") from exc
                time.sleep(PAUSE_S * 2**attempt)
        yield target


class _Passing(Exception):  # noqa: N818 - never seen outside
    """A fault that may be gone in a moment."""


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows redirects to other pages, and to nothing else."""

    def redirect_request(self, *arguments: Any) -> Any:
        target = arguments[-1]
        if _scheme(target) not in HTTP:
            arguments[1].close()
            raise SourceError(f"a server redirects to {without_password(target)}, no HTTP")
        return super().redirect_request(*arguments)


def _by_http(source: str, name: str, file: IO[bytes], most: int) -> None:
    try:
        opener = urllib.request.build_opener(_OnlyHttp)
        with opener.open(_request(source), timeout=TIMEOUT_S) as answer:
            _copy(answer, file, name, most)
            promised = answer.headers.get("Content-Length")
        if promised is not None and promised.isdecimal() and file.tell() < int(promised):
            raise _Passing(f"{file.tell()} of {promised} bytes came")
    except urllib.error.HTTPError as exc:
        exc.close()
        if exc.code in PASSING:
            raise _Passing(f"the server says {exc.code} {exc.reason}") from exc
        raise SourceError(f"cannot read {name}: the server says {exc.code} {exc.reason}") from exc
    except SourceError:
        raise
    except urllib.error.URLError as exc:
        raise _Passing(exc.reason) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise _Passing(exc) from exc
    except ValueError as exc:
        raise SourceError(f"cannot read {name}: {exc}") from exc


def _request(source: str) -> urllib.request.Request:
    """A URL's request; its user and password, which urllib takes for the host's, in a header."""
    parts = split_url(source)
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(
        parts._replace(netloc=host).geturl() if user else source,
        headers={"User-Agent": "litepose-edge"},
    )
    if user:
        basic = base64.b64encode(unquote_to_bytes(user)).decode()
        # A server that is redirected to does not get it.
        request.add_unredirected_header("Authorization", f"Basic {basic}")
    return request


def _by_store(source: str, name: str, file: IO[bytes], most: int) -> None:
    try:
        with _store_errors(source):
            system, path = _file_system(source)
            with system.open(path, "rb") as stored:
                _copy(stored, file, name, most)
    except FileNotFoundError as exc:
        raise SourceError(f"no such file: {name}") from exc
    except (TimeoutError, ConnectionError) as exc:
        raise _Passing(exc) from exc


def _copy(source: Any, target: IO[bytes], name: str, most: int) -> None:
    target.seek(0)
    target.truncate()
    while chunk := source.read(CHUNK_BYTES):
        if target.tell() + len(chunk) > most:
            raise SourceError(f"{name} has more than the {most} bytes that an image may have")
        target.write(chunk)


def _file_system(source: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as exc:
        raise BackendUnavailableError(f"fsspec is not installed. {install_hint('label')}") from exc
    if _scheme(source) not in fsspec.available_protocols():
        raise SourceError(f"{without_password(source)}: fsspec knows no '{_scheme(source)}://'")
    system, path = fsspec.core.url_to_fs(source)
    return system, str(path)


@contextlib.contextmanager
def _store_errors(source: str) -> Iterator[None]:
    """Whatever a store raises, a store cannot be read: each has errors of its own."""
    name = without_password(source)
    try:
        yield
    except (SourceError, FileNotFoundError, TimeoutError, ConnectionError, _Passing):
        raise
    except BackendUnavailableError:
        raise
    except ImportError as exc:  # s3fs and the like; its message names the package
        raise SourceError(f"cannot read {name}: {exc}") from exc
    except Exception as exc:
        raise SourceError(f"cannot read {name}: {type(exc).__name__}: {exc}") from exc


def _scheme(source: str) -> str:
    return source.partition("://")[0].lower()
