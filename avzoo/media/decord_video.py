"""The picture by decord, in a process that may die, for files on which decord is known to be exact."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import torch

from avzoo.errors import AvzooError

from .clips import ClipSpec
from .errors import MediaError
from .gate import MATROSKA, MP4
from .header import OpenMedia, demux, open_container
from .sampling import Times, WindowGrid, select_frames
from .video import last_duration, scale_down, stack_clip

_CONTAINERS = (MP4, MATROSKA)  # transport streams hang decord, program streams come out shifted
_CODECS = ("h264", "vp8", "vp9", "libvpx", "libvpx-vp9")  # frame-exact; HEVC is one frame off now and then
_MAX_FRAMES = 1_000_000
_MAX_RATE_FACTOR = 10  # times as many frames as length and rate make plausible
_BATCH = 8  # frames fetched at a time

Pixels = npt.NDArray[np.uint8]

_CHILD = Path(__file__).with_name("decord_child.py")


class DecordProcess:
    """One process with decord in it, which reads one file at a time."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._process: Any = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-P", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    @property
    def alive(self) -> bool:
        """Whether the process can take requests."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()

    def ask(self, path: Path, request: dict[str, Any], timeout: float) -> tuple[dict[str, Any], Pixels | None]:
        """Sends a request about ``path`` and returns the answer and the frames that follow it.

        Raises:
            MediaError: ``timeout``, ``decoder_died``, or ``decode_failed`` where decord raises.
        """
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._process.kill()

        watchdog = threading.Timer(max(timeout, 0), expire)
        watchdog.start()
        try:
            answer, pixels = self._exchange(request)
        except (BrokenPipeError, EOFError) as error:
            self.close()
            if expired.is_set():
                raise MediaError("timeout", path, "decord took too long over one clip") from error
            raise MediaError("decoder_died", path, "makes decord abort") from error
        except BaseException:  # interrupted: the rest of the answer would be taken for the next one
            self.close()
            raise
        finally:
            watchdog.cancel()
        if "error" in answer:
            raise MediaError("decode_failed", path, "decord cannot decode all of it")
        return answer, pixels

    def _exchange(self, request: dict[str, Any]) -> tuple[dict[str, Any], Pixels | None]:
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        header = self._process.stdout.readline()
        if not header.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(header)
        if "shape" not in answer:
            return answer, None
        pixels = np.empty(answer["shape"], dtype=np.uint8)
        if self._process.stdout.readinto(pixels.data.cast("B")) < pixels.nbytes:
            raise EOFError
        return answer, pixels


_idle: list[DecordProcess] = []  # start-up costs more than most clips, so processes are kept for the next file


@atexit.register
def _close_idle() -> None:
    while _idle:
        process = _idle.pop()
        if process.owner == os.getpid():  # a fork inherits the list, not the processes
            process.close()


@contextmanager
def decord_process() -> Iterator[DecordProcess]:
    """Lends a decord process of this process, started where none is idle.

    Raises:
        AvzooError: decord is not installed.
    """
    if importlib.util.find_spec("decord") is None:
        raise AvzooError("decord is not installed: pip install 'avzoo[decord]', or decode with pyav")
    process = None
    while _idle and process is None:
        idle = _idle.pop()
        process = idle if idle.owner == os.getpid() and idle.alive else None
    process = process or DecordProcess()
    try:
        yield process
    finally:
        if process.alive:
            _idle.append(process)


class DecordVideo:
    """The picture of one file by decord, behind the same contract as :class:`avzoo.media.video.PyAVVideo`.

    decord numbers frames and rounds their times to single precision. Their exact times come from the packets, so that
    both backends choose the same frames; these are equal to the bit for 8-bit H.264 of even size. A window in which
    decord fails gives no clip.

    Args:
        media: The open file.
        process: Where decord runs.
        grid: The windows that will be read, in ascending order.

    Raises:
        MediaError: ``unsuitable`` where decord is known to fail on files like this; else as :meth:`DecordProcess.ask`.
    """

    def __init__(self, media: OpenMedia, process: DecordProcess, grid: WindowGrid) -> None:
        _check_suitable(media)
        self._media = media
        self._process = process
        self._grid = grid
        self._times, self.end = _frame_times(media, grid.spec)
        self._frames: dict[int, torch.Tensor] = {}
        self.first: float | None = float(self._times[0])
        self.exhausted = True  # all times are known from the start
        self.failure: MediaError | None = None
        length = self._ask({"open": str(media.path.absolute())})[0]["length"]
        if length != len(self._times):
            detail = f"decord counts {length} frames where the file holds {len(self._times)}"
            raise MediaError("unsuitable", media.path, detail)

    @property
    def buffered(self) -> int:
        """Frames held in memory."""
        return len(self._frames)

    def read(self, index: int) -> torch.Tensor | None:
        """The frames of window ``index``, uint8 ``(T, 3, H, W)``; None where nothing is on screen in it."""
        spec = self._grid.spec
        chosen = select_frames(self._times, self.end, self._grid.times(index)).tolist()
        if not chosen or self._times[0] >= self._grid.start(index) + spec.spans["video"]:
            return None
        self._frames = {i: pixels for i, pixels in self._frames.items() if i >= chosen[0]}
        wanted = sorted(set(chosen) - set(self._frames))
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            pixels = torch.from_numpy(self._ask({"frames": batch})[1]).permute(0, 3, 1, 2)
            self._frames |= {
                i: scale_down(frame, spec.short_side).clone() for i, frame in zip(batch, pixels, strict=True)
            }
        return stack_clip([self._frames[i] for i in chosen], spec.num_frames)

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], Pixels | None]:
        return self._process.ask(self._media.path, request, self._media.deadline.remaining)


def _check_suitable(media: OpenMedia) -> None:
    """Admits what decord 0.6 reads exactly, and headers that do not lie about the number of frames."""
    codec = media.video.codec_context.name
    if media.kind not in _CONTAINERS or codec not in _CODECS:
        raise MediaError("unsuitable", media.path, f"decord does not read {codec} in {media.kind.name} frame by frame")
    if len(media.container.streams.video) > 1:
        raise MediaError("unsuitable", media.path, "decord may not take the main one of several video streams")
    rate = float(media.video.average_rate or media.video.guessed_rate or 0)
    plausible = _MAX_RATE_FACTOR * (media.duration(media.video) or 0) * rate
    if media.video.frames > min(_MAX_FRAMES, max(plausible, 1)):
        raise MediaError("unsuitable", media.path, f"its header claims {media.video.frames} frames")


def _frame_times(media: OpenMedia, spec: ClipSpec) -> tuple[Times, float]:
    """Start times of all frames, ascending, and the end of the last, in seconds, from the packets alone."""
    stream = media.video
    try:
        with open_container(media.path, media.kind, media.limits) as container:
            shown = []
            for packet in demux(container, [container.streams[stream.index]]):
                media.deadline.check()
                if packet.size and packet.pts is not None and not packet.is_discard:
                    shown.append((packet.pts, packet.duration))
    except av.error.FFmpegError as error:
        raise MediaError("decode_failed", media.path, f"its video is damaged ({error.strerror})") from error
    if not shown:
        raise MediaError("unsuitable", media.path, "its frames have no times")
    shown.sort()
    times = np.array([float(pts * stream.time_base - media.origin) for pts, _ in shown])
    return times, float(times[-1]) + last_duration(media, spec, shown[-1][1])
