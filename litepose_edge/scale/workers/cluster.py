"""Units by Ray Data: an autoscaling pool of actors, each with a worker process of its own.

An actor's own process never opens a file of the archive: what ends a worker natively costs a
process that starts in a second, not an actor, and is found and recorded as it is without Ray.
Names go to the actors and shards come back; frames never enter the object store.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Any

from litepose_edge.errors import BackendUnavailableError, SourceError, install_hint
from litepose_edge.scale.units import Failure, Unit
from litepose_edge.scale.work import Done, UnitResult
from litepose_edge.scale.workers.process import Opener, WorkerProcess

AUTO, LOCAL = "auto", "local"
# Units of one Ray dataset. Between two of them the pool is made anew: some seconds in an hour.
UNITS_A_WAVE = 4096
# A unit whose workers were lost so often, each time after Ray's own retries, is given up.
ROUNDS = 3
# No usage statistics, nothing that Ray prints between our lines; processes it starts inherit this.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # An old PC that is busy takes longer than the usual 30 s to start a node.
    "RAY_raylet_start_wait_time_s": "120",
}
# Before a unit's result is fetched, at most so many wait for an actor.
IN_FLIGHT = 2
# Actors that die one after the other before they have started, before the run ends.
INIT_DEATHS = 10
# For a cluster's first answer.
ANSWER_S = 10.0


def run_on_ray(
    units: Iterator[Unit],
    job: Opener,
    address: str,
    workers: int | None,
    done: Done,
    started: Callable[[str], None],
) -> Generator[UnitResult, None, None]:
    """Units by a Ray cluster, results as they come.

    Args:
        units: Read a wave at a time.
        job: What to do.
        address: Of a cluster, or `"auto"`: the one that runs here, else one that is started for
            this run and stopped after it.
        workers: Actors at most, one CPU each; as many as the cluster has CPUs unless given.
        done: Told the people of each frame when its unit is done.
        started: Told what runs, once it does.

    Raises:
        BackendUnavailableError: Ray is not installed.
        SourceError: No cluster answers at the address.
        LitePoseError: What no input is to blame for.
    """
    with cluster(address, workers) as ray:
        cpus = cpus_of(ray)
        nodes = sum(1 for node in ray.nodes() if node["Alive"])
        started(f"Ray {ray.__version__}: {nodes} node{'s' * (nodes != 1)}, {cpus} CPUs")
        while wave := list(islice(units, UNITS_A_WAVE)):
            for result in _wave(ray, wave, job, workers):
                for frame in range(result.frames):
                    done(0 if frame else result.people)
                yield result


@contextlib.contextmanager
def cluster(address: str, cpus: int | None = None) -> Iterator[Any]:
    """Join a cluster, or start one for the time of the block; usage statistics stay off.

    Args:
        address: As `run_on_ray` takes it; `"local"` starts one whether another runs here or not.
        cpus: Of a cluster that is started here; all there are unless given.

    Raises:
        BackendUnavailableError: Ray is not installed.
        SourceError: No cluster answers.
    """
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        try:
            import ray
            import ray.data
        except ImportError as exc:
            raise BackendUnavailableError(f"Ray is not installed. {install_hint('scale')}") from exc
        if ray.is_initialized():  # the caller's own, who also ends it
            yield ray
            return
        with _same_signals():
            _join(ray, address, cpus)
        try:
            yield ray
        finally:
            ray.shutdown()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _join(ray: Any, address: str, cpus: int | None) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address not in (AUTO, LOCAL):
        _check_answer(address)
    try:
        if address != LOCAL:
            try:
                ray.init(address=address, **quiet)
                return
            except ConnectionError:
                if address != AUTO:
                    raise
        # Only for this machine, and only while the run lasts.
        ray.init(address=LOCAL, num_cpus=cpus, include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        what = "start a Ray cluster" if address == LOCAL else f"join the Ray cluster at {address}"
        raise SourceError(f"cannot {what}: {exc}") from exc


def _check_answer(address: str) -> None:
    """Whether anything answers there; Ray itself would wait for minutes.

    Raises:
        SourceError: Nothing does, or it is no address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise SourceError(
            f"expected the address of a Ray cluster, such as 192.168.0.10:6379, or auto, got "
            f"'{address}'"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as exc:
        raise SourceError(
            f"no Ray cluster answers at {address}: {exc} (on its first machine run: ray start "
            "--head)"
        ) from exc


@contextlib.contextmanager
def _same_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it joins; the command's own handler stays."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if main and before is not None:
            signal.signal(signal.SIGTERM, before)


class UnitActor:
    """What an actor of the pool does with a batch of one unit.

    Args:
        job: What to do.
    """

    def __init__(self, job: Opener) -> None:
        self._worker = WorkerProcess(job)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """A row a unit in, its result out; an error that is no input's fault travels as one."""
        found: list[bytes] = []
        for content in batch["unit"]:
            try:
                result: Any = self._worker.run(pickle.loads(content), lambda _: None)
            except Exception as exc:  # noqa: BLE001 - raised by the driver
                result = exc
            found.append(pickle.dumps(result))
        return {"result": found}


def _wave(
    ray: Any, wave: list[Unit], job: Opener, workers: int | None
) -> Generator[UnitResult, None, None]:
    missing = {unit.name: unit for unit in wave}
    for attempt in range(ROUNDS):
        if not missing:
            return
        reason = "Ray gave no result"
        try:
            for result in _once(ray, list(missing.values()), job, workers):
                # A node that is lost after its result was fetched may do a unit again.
                if missing.pop(result.name, None) is not None:
                    yield result
        except ray.exceptions.RayError as exc:
            reason = f"{type(exc).__name__}: {' '.join(str(exc).split())[:300]}"
            if attempt == ROUNDS - 1 and len(missing) == len(wave):
                raise SourceError(f"the Ray cluster does no work: {reason}") from exc
    for unit in missing.values():
        yield _given_up(unit, reason)


def _once(
    ray: Any, units: list[Unit], job: Opener, workers: int | None
) -> Generator[UnitResult, None, None]:
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # A film may take an hour, a cluster may wait for a machine.
    context.execution_no_progress_timeout_s = -1
    # Lost for good: done once more by `_wave`.
    context.max_errored_blocks = -1
    context.max_consecutive_actor_init_deaths = INIT_DEATHS
    rows = [{"unit": pickle.dumps(unit)} for unit in units]
    most = max(min(workers or cpus_of(ray), len(units)), 1)
    with _current(DataContext, context):
        results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            UnitActor,
            batch_size=1,
            num_cpus=1,
            compute=ActorPoolStrategy(
                min_size=1,
                initial_size=most,
                # Machines that join while a wave runs are used.
                max_size=most if workers else None,
                max_tasks_in_flight_per_actor=IN_FLIGHT,
            ),
            fn_constructor_args=(job,),
        )
        for batch in results.iter_batches(batch_size=None, batch_format="numpy"):
            for content in batch["result"]:
                result = pickle.loads(content)
                if isinstance(result, Exception):
                    raise result
                yield result


@contextlib.contextmanager
def _current(data_context: Any, context: Any) -> Iterator[None]:
    """Ray Data's settings, and silence, while a wave runs; the caller's pipelines keep theirs."""
    before, logger = data_context.get_current(), logging.getLogger("ray.data")
    level = logger.level
    data_context._set_current(context)
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        data_context._set_current(before)
        logger.setLevel(level)


def cpus_of(ray: Any) -> int:
    """CPUs of the cluster as it is now."""
    return max(int(ray.cluster_resources().get("CPU", 1)), 1)


def _given_up(unit: Unit, reason: str) -> UnitResult:
    failures = tuple(
        Failure(source, "lost", f"its workers were lost {ROUNDS} times: {reason}")
        for source in unit.sources
    )
    return UnitResult(unit.name, None, failures, len(unit.sources), 0, 0)
