"""Unpacks an ARM machine to emulate: Debian's arm64 Python and the runtime's aarch64 wheels.

    python tests/helpers/arm_machine.py FOLDER [--counting]

With --counting also an emulator that takes plug-ins, in FOLDER/counting: the static one of the
machine takes none. Needs no root and changes nothing outside FOLDER: packages are downloaded with a
package state of FOLDER's own and unpacked, not installed. Exit code 3: it cannot be had here,
stderr says why.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parent.parent.parent
EMULATOR = "qemu-aarch64-static"
# In the same package; `make test-avx2` uses it.
X86_EMULATOR = "qemu-x86_64-static"
# 1.30 and newer crash in Debian 12's emulator (QEMU 7.2) while they are imported; 1.27 runs.
PINS = {"onnxruntime": "1.27.0"}
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
COUNTING = "counting"
COUNTING_EMULATOR = "qemu-aarch64"
COUNTING_PACKAGES = ("qemu-user", "libcapstone4", "liburing2")
CANNOT = 3
READY = "machine.json"


class CannotPrepareError(RuntimeError):
    """The machine's parts cannot be had here."""


@dataclass(frozen=True, slots=True)
class ArmMachine:
    """An unpacked machine.

    Attributes:
        emulator: Path of the user-mode emulator.
        root: Where Debian's arm64 packages lie.
        python: Path of their Python.
        wheels: Folder of the runtime's dependencies for it.
        packages: Their versions, by name.
    """

    emulator: str
    root: str
    python: str
    wheels: str
    packages: dict[str, str]

    def command(self, cpu: str, *arguments: str | Path) -> list[str]:
        """What runs Python with these arguments on one of the emulator's processors."""
        # -S: Debian's own packages for Python are not wanted.
        emulated = [self.emulator, "-cpu", cpu, "-L", self.root, self.python, "-S"]
        return [*emulated, *(str(argument) for argument in arguments)]

    def environment(self) -> dict[str, str]:
        """The environment in which it finds the project's sources and the wheels."""
        path = os.pathsep.join([str(PROJECT), self.wheels])
        # Compiled files beside the sources belong to the real Python.
        return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def find(folder: Path) -> ArmMachine | None:
    """The machine in a folder, if it is complete and the folder was not moved since."""
    ready = folder / READY
    if not ready.exists():
        return None
    machine = ArmMachine(**json.loads(ready.read_text("utf-8")))
    return machine if Path(machine.emulator).exists() and Path(machine.python).exists() else None


def prepare(folder: Path) -> ArmMachine:
    """The machine in a folder, downloaded and unpacked unless it is there with these versions.

    Raises:
        CannotPrepareError: This is no x86-64 Debian, or a download failed.
    """
    packages = wanted()
    found = find(folder)
    if found is not None and found.packages == packages:
        return found
    _check_host()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = folder.resolve()
    root, wheels, apt = parts / "root", parts / "wheels", parts / "apt"
    for package in _download(apt):
        target = apt / "emulators" if package.stem.endswith("_amd64") else root
        _run(["dpkg", "-x", str(package), str(target)])
    # Where /lib is a link to /usr/lib, the package manager makes that link while it installs.
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    pythons = [p for p in (root / "usr" / "bin").iterdir() if re.fullmatch(r"python3\.\d+", p.name)]
    if len(pythons) != 1:
        raise CannotPrepareError(f"expected one Python in {root}, got {len(pythons)}")
    (python,) = pythons
    _install(wheels, python.name.removeprefix("python"), packages)
    machine = ArmMachine(
        emulator=shutil.which(EMULATOR) or _keep(apt / "emulators" / "usr" / "bin", parts),
        root=str(root),
        python=str(python),
        wheels=str(wheels),
        packages=packages,
    )
    _run(
        machine.command("max", "-c", "import cv2, litepose_edge, msgspec, numpy, onnxruntime"),
        machine.environment(),
    )
    shutil.rmtree(apt)
    (folder / READY).write_text(json.dumps(asdict(machine), indent=2) + "\n", "utf-8")
    return machine


def prepare_counting(folder: Path) -> Path:
    """The emulator that takes plug-ins, with its libraries beside it, downloaded unless there.

    Raises:
        CannotPrepareError: A download failed, or the emulator does not run here.
    """
    target = folder.resolve() / COUNTING
    emulator = target / COUNTING_EMULATOR
    if emulator.exists():
        return emulator
    _check_host()
    unpacked = folder.resolve() / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    apt = _apt(unpacked / "apt")
    _run([*apt, "update"])
    _run([*apt, "download", *(f"{name}:amd64" for name in COUNTING_PACKAGES)], folder=unpacked)
    for package in unpacked.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(unpacked)])
    kept = unpacked / COUNTING
    kept.mkdir()
    shutil.copy2(unpacked / "usr" / "bin" / COUNTING_EMULATOR, kept)
    for library in (unpacked / "usr" / "lib").glob("*/*.so.*"):
        shutil.copy2(library, kept)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(kept)}
    _run([str(kept / COUNTING_EMULATOR), "--version"], environment)
    kept.rename(target)
    shutil.rmtree(unpacked)
    return emulator


def wanted() -> dict[str, str]:
    """The runtime's dependencies in the versions installed here, but for those that crash."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.split(r"[<>=!~\[; ]", line)[0] for line in project["dependencies"]]
    return {name: PINS.get(name) or importlib.metadata.version(name) for name in names}


def _check_host() -> None:
    if not hasattr(os, "uname") or os.uname().machine != "x86_64":
        raise CannotPrepareError("the ARM machine is emulated on x86-64 Linux only")
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise CannotPrepareError(f"needs Debian's {tool}")


def _download(folder: Path) -> list[Path]:
    """Debian packages: an emulator for here, and Python with all it needs for ARM."""
    apt = _apt(folder)
    _run([*apt, "update"])
    packages = ["python3:arm64", "libstdc++6:arm64"]
    if shutil.which(EMULATOR) is None:
        packages.append("qemu-user-static:amd64")
    _run([*apt, "--yes", "--no-install-recommends", "--download-only", "install", *packages])
    return sorted((folder / "archives").glob("*.deb"))


def _apt(folder: Path) -> list[str]:
    """Debian's downloader, with a package state of the folder's own."""
    archives = folder / "archives"
    for path in (archives / "partial", folder / "lists" / "partial"):
        path.mkdir(parents=True)
    # Nothing is installed in this state, so everything that Python needs is downloaded.
    status = folder / "status"
    status.touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64,amd64",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
        "Dir::Cache": str(folder),
        "Dir::Cache::archives": str(archives),
        "Dir::State::Lists": str(folder / "lists"),
        "Dir::State::status": str(status),
    }
    return ["apt-get", "--quiet=2", *(f"-o{name}={value}" for name, value in options.items())]


def _keep(emulators: Path, folder: Path) -> str:
    """Copy the emulators that are needed out of a package of very many; the ARM one's path."""
    try:
        shutil.copy2(emulators / X86_EMULATOR, folder / X86_EMULATOR)
        return str(shutil.copy2(emulators / EMULATOR, folder / EMULATOR))
    except OSError as exc:
        raise CannotPrepareError(f"qemu-user-static lacks an emulator: {exc.strerror}") from exc


def _install(target: Path, python: str, packages: dict[str, str]) -> None:
    """Unpack aarch64 wheels for a version of Python."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    command += [f"--python-version={python}", "--implementation=cp", f"--target={target}"]
    _run([*command, *(f"{name}=={version}" for name, version in packages.items())])


def _run(
    command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None
) -> None:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no message"]
        raise CannotPrepareError(
            f"{Path(command[0]).name} failed with exit code {done.returncode}: {last[0]}"
        )


def main() -> int:
    try:
        folder = Path(sys.argv[1])
        machine = prepare(folder)
        if "--counting" in sys.argv[2:]:
            prepare_counting(folder)
    except CannotPrepareError as exc:
        print(f"no emulated ARM machine: {exc}", file=sys.stderr)
        return CANNOT
    print(f"{machine.python} under {machine.emulator}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
