"""`litepose-edge serve`: a live view of a source, and a small service, over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from litepose_edge import backends
from litepose_edge.cli import options
from litepose_edge.cli.console import messages, results
from litepose_edge.cli.options import BackendName
from litepose_edge.cli.predict.film_writer import FilmWriter
from litepose_edge.errors import BackendUnavailableError, SourceError, install_hint
from litepose_edge.estimator import Estimator
from litepose_edge.manifest import DetectorSpec
from litepose_edge.serve.stream.controls import MOST_DETECT_EVERY
from litepose_edge.sources import open_source
from litepose_edge.sources.kinds import Kind, kind_of, split_url
from litepose_edge.threads import available_threads

if TYPE_CHECKING:
    from litepose_edge.serve.options import WebOptions
    from litepose_edge.serve.stream.models import Loaded
    from litepose_edge.serve.stream.state import Condition

EXAMPLES = (
    "litepose-edge serve 0   # then open http://127.0.0.1:8080/",
    "litepose-edge serve rtsp://camera/1 --host 0.0.0.0 --token-file token.txt",
    "litepose-edge serve clip.mp4 --once",
)
NETWORK, VIEWERS = "Who is answered", "Viewers"
TOKEN_VARIABLE = "LITEPOSE_EDGE_TOKEN"
BUNDLED = ("lrpose-n", "lrpose-s", "lrpose-m")


def serve(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A camera's number or device, the URL of a stream, a GStreamer pipeline "
            "(gst:...), or a film.",
        ),
    ],
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen at; 0.0.0.0 is all of this machine's, and needs a token.",
            rich_help_panel=NETWORK,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="0 takes a free one.", rich_help_panel=NETWORK),
    ] = 8080,
    token: Annotated[
        str | None,
        typer.Option(
            help="What clients must know, 16 characters or more. Other users of this machine see "
            f"it: rather set {TOKEN_VARIABLE} or give --token-file.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="The file that holds the token.", rich_help_panel=NETWORK),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another name by which the service may be called; repeatable.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Origin of another web page that may ask, such as https://board.example; "
            "repeatable.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="End with the film or stream.", rich_help_panel=options.STREAMS
        ),
    ] = False,
    timeout: options.Timeout = 10.0,
    transport: options.Transport = None,
    low_latency: options.LowLatency = False,
    detect_every: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_DETECT_EVERY,
            help="Run the detector on every Nth frame.",
            rich_help_panel=options.STREAMS,
        ),
    ] = 10,
    smooth: options.Smooth = True,
    allow_record: Annotated[
        bool,
        typer.Option(
            "--allow-record", help="Viewers may record films here.", rich_help_panel=VIEWERS
        ),
    ] = False,
    record_folder: Annotated[
        Path,
        typer.Option(help="Where recordings go.", rich_help_panel=VIEWERS),
    ] = Path("recordings"),
    record_minutes: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=1440,
            callback=options.finite,
            help="A recording ends by itself after so long.",
            rich_help_panel=VIEWERS,
        ),
    ] = 60.0,
    video_fps: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=120,
            callback=options.finite,
            help="Pictures a second for viewers at most; streams of poses have every frame.",
            rich_help_panel=VIEWERS,
        ),
    ] = 12.0,
    quality: Annotated[
        int,
        typer.Option(min=1, max=100, help="Of the pictures, as JPEG.", rich_help_panel=VIEWERS),
    ] = 75,
    model: options.Model = "lrpose-s",
    detector: options.Detector = "default",
    detector_size: options.DetectorSize = None,
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    threads: options.Threads = None,
    flip_test: options.FlipTest = None,
    min_score: options.MinScore = 0.3,
    max_people: options.MaxPeople = 20,
    max_pixels: options.MaxPixels = 25_000_000,
) -> None:  # fmt: skip
    """Show a camera and its people in a browser, and answer other programs.

    The service answers at once and outlives its source: a camera that is lost is looked for until
    it returns, a film begins again. Ctrl-C ends it.
    """
    try:
        from litepose_edge.serve.web import server
    except ImportError as exc:
        raise BackendUnavailableError(
            f"serve needs Starlette, uvicorn and websockets, which are not installed. "
            f"{install_hint('serve')}"
        ) from exc
    from litepose_edge.serve.stream.capture import CaptureOptions
    from litepose_edge.serve.stream.controls import Controls
    from litepose_edge.serve.stream.models import Loaded, Models
    from litepose_edge.serve.stream.recorder import Recorder
    from litepose_edge.serve.stream.service import Service, ServiceOptions

    _check_source(source)
    web = _web_options(host, port, token, token_file, allow_host, allow_origin, max_pixels)
    threads = threads or available_threads()

    def load(name: str) -> Loaded:
        estimator = Estimator(
            name,
            detector=detector,
            detector_size=detector_size,
            backend=backend.value,
            precision=precision.value if precision else None,
            threads=threads,
            min_score=min_score,
            max_people=max_people,
            max_pixels=max_pixels,
            flip_test=flip_test,
        )
        found = backends.find_model(
            name,
            precision=precision.value if precision else None,
            backend=backend.value,
            threads=threads,
        )
        spec = found.manifest.model
        assert not isinstance(spec, DetectorSpec)  # an estimator refuses one
        return Loaded(name, estimator, spec.skeleton, spec.min_keypoint_score)

    models = BUNDLED if model in BUNDLED else (model, *BUNDLED)
    wanted = {"min_score": min_score, "detect_every": detect_every, "model": model}
    capture = CaptureOptions(
        source=source,
        open_source=lambda: open_source(
            source,
            max_pixels=max_pixels,
            timeout_s=timeout,
            transport=transport.value if transport else None,
            low_latency=low_latency,
        ),
        once=once,
        smooth=smooth,
        timeout_s=timeout,
    )
    service = Service(
        ServiceOptions(
            capture=capture,
            controls=Controls().changed(wanted, models),
            models=models,
            quality=quality,
            pictures_per_s=video_fps,
        ),
        Models(load, model),
        Recorder(record_folder, FilmWriter, 60 * record_minutes) if allow_record else None,
        _told,
    )
    listening = server.listen(host, port)
    url = server.url_of(listening)
    server.Server(service, web, listening, lambda: _say_where(url)).run()


def _check_source(source: str) -> None:
    """Refuse what can never be shown; a camera that is not there yet may come.

    Raises:
        SourceError: It is a picture, a folder of them, a malformed URL or nothing.
    """
    if source.startswith("/dev/"):
        return
    kind = kind_of(source)
    if kind is Kind.URL:
        split_url(source)
    if kind is Kind.IMAGES:
        raise SourceError(
            f"there is no film or camera {source}: give a camera's number or device, a film or a "
            "URL; predict is for pictures"
        )


def _web_options(
    host: str,
    port: int,
    token: str | None,
    token_file: Path | None,
    hosts: list[str] | None,
    origins: list[str] | None,
    max_pixels: int,
) -> WebOptions:
    from litepose_edge.serve.options import LEAST_TOKEN, Limits, WebOptions
    from litepose_edge.serve.web.auth import is_loopback

    if token is not None and token_file is not None:
        raise typer.BadParameter("give --token or --token-file, not both")
    if token_file is not None:
        try:
            token = token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise typer.BadParameter(f"cannot read {token_file}: {exc}") from exc
    elif token is None:
        token = os.environ.get(TOKEN_VARIABLE)
    if token is None and not is_loopback(host):
        raise typer.BadParameter(
            f"others can reach {host}: set {TOKEN_VARIABLE} or give --token-file, with a token "
            "such as `openssl rand -hex 16` writes",
            param_hint="--host",
        )
    if token is not None and not (len(token) >= LEAST_TOKEN and token.isascii()):
        raise typer.BadParameter(
            f"a token has {LEAST_TOKEN} ASCII characters or more: take one such as "
            "`openssl rand -hex 16` writes"
        )
    if token is not None and not (token.isprintable() and " " not in token):
        raise typer.BadParameter("a token has no blanks or control characters")
    for origin in origins or ():
        if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
            raise typer.BadParameter(
                f"an origin is a scheme, a name and perhaps a port, such as "
                f"https://board.example, got {origin!r:.100}",
                param_hint="--allow-origin",
            )
    return WebOptions(
        host=host,
        port=port,
        token=token,
        hosts=tuple(hosts or ()),
        origins=tuple(origins or ()),
        limits=Limits(pixels=min(max_pixels, Limits().pixels)),
    )


def _say_where(url: str) -> None:
    results.print(url)
    results.file.flush()


def _told(condition: Condition, reason: str | None) -> None:
    messages.print(f"{condition.value}: {reason}" if reason else condition.value)
