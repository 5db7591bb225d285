"""What a measurement ran on, so that no figure is read without it."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

import ingress
from benchmarks.capacity.result import Machine

PACKAGES = ("ray", "faster-whisper", "ctranslate2", "hibari-tts", "onnxruntime", "numpy", "uvloop")
COMMAND_DEADLINE_S = 10.0


def this_machine() -> Machine:
    """Describe the machine and the versions of what matters."""
    return Machine(
        name=platform.system(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        gpus=_gpus(),
        python=", ".join([f"Python {platform.python_version()}", *_versions()]),
    )


def raymal_version() -> str:
    """Return the version, and the commit if this is a working copy (`+`: with changes)."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    commit = _output(command, Path(ingress.__file__).parent)
    return version("raymal") + (f" ({commit})" if commit else "")


def _versions() -> list[str]:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _gpus() -> tuple[str, ...]:
    return tuple(_output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], Path("/")).splitlines())


def _output(command: list[str], folder: Path) -> str:
    """Return what a command says; nothing if it is not there or fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=COMMAND_DEADLINE_S
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
