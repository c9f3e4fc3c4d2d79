"""Official checkpoints are read in a process of their own; what comes back is safetensors and JSON."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avzoo.errors import AvzooError

SECONDS = 900  # of wall time and of processor time for one file
WEIGHTS, REPORT = "weights.safetensors", "report.json"

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
# One thread, also so that Linux lets the process leave the network.
_SET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class OfficialFileError(AvzooError):
    """An official file cannot be read; the message names it and says why."""


@dataclass(frozen=True)
class OfficialFile:
    """What an official file held.

    Attributes:
        weights: Safetensors file with the state dict, under the official names.
        left_out: What else a training checkpoint held, by name and kind, such as ``{"optimizer": "dict of 2"}``.
        network: What kept the process off the network: ``namespace``, the kernel, or ``hook``, the interpreter alone.
    """

    weights: Path
    left_out: dict[str, str]
    network: str


def read_official(source: Path, scratch: Path, seconds: float = SECONDS) -> OfficialFile:
    """Reads an official checkpoint in a process of its own (`avzoo.hub.read_official`, which says what confines it).

    Args:
        source: What `torch.save` wrote, in either of its formats (``.pth``, ``.pth.tar``, ``.pt``), or a zip with one
            such file in it (``.pth.tar.zip``).
        scratch: Existing empty folder on a disk with room for the weights; the result stays in it.
        seconds: Wall time that it may take.

    Raises:
        OfficialFileError: The file cannot be read, is refused, or takes more time or memory than it may.
    """
    if source.suffix == ".pkl":
        raise OfficialFileError(f"{source.name} is a Caffe2 file, which is never read; give the PyTorch file (.pth)")
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | _SET
    # Non-blocking, or a named pipe would be waited for.
    descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OfficialFileError(f"{source} is no regular file")
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-m", "avzoo.hub.read_official", str(scratch.absolute())],
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=scratch,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OfficialFileError(f"{source.name} took more than {seconds:g} s to read") from None
    report = _report(scratch / REPORT)
    if report is None:
        raise OfficialFileError(f"{source.name} ended the process that read it: {_cause(done)}")
    if "error" in report:
        raise OfficialFileError(f"{source.name} {report['error']}")
    return OfficialFile(scratch / WEIGHTS, report["left_out"], report["network"])


def _report(path: Path) -> dict[str, Any] | None:
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return report


def _cause(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    return done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"exit {done.returncode}"
