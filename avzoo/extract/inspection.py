"""What is wrong with media files, found by decoding each once in a process that may die."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Literal

import torch

from avzoo.checkpoints.hashes import sha256_of
from avzoo.errors import AvzooError
from avzoo.extract.workers import DecodeWorker, Durations, WorkerStopped
from avzoo.media import Clip, ClipSpec, MediaError

#: ``undecodable``: cannot be read, or not to its end in the time that it gets. ``no_picture``, ``no_sound``: a stream
#: is missing. ``short``: what is wanted does not last long enough. ``muted``: there is sound, and it is silent.
#: ``still``: there are pictures, all the same. ``duplicate``: another file has the same content, byte by byte.
Problem = Literal["undecodable", "no_picture", "no_sound", "short", "muted", "still", "duplicate"]

#: Problems that keep a file from being used.
FATAL: frozenset[Problem] = frozenset({"undecodable", "no_picture", "no_sound", "short"})

# Two frames a second at 32 pixels, in windows of 4 s: enough to tell a still picture, and cheap beside decoding.
_SPEC = ClipSpec(fps=2, num_frames=8, sample_rate=8000, short_side=32)
_SILENCE = -120.0  # dB of nothing at all
_PREFETCH = 4  # windows


@dataclass(frozen=True)
class Checks:
    """What files must be.

    Attributes:
        video: Whether they must have a picture.
        audio: Whether they must have sound.
        min_duration: Seconds for which they must have what they must have.
        silence: Loudness in dB below full scale (root mean square of the whole file) up to which sound is silent.
        stillness: Largest mean change between two pictures half a second apart, in grey levels of 255, of a still
            one. Recompression alone changes less; a talking head in front of a wall changes by more than 1.
        timeout: Seconds that a file may take.
    """

    video: bool = True
    audio: bool = True
    min_duration: float = 1.1
    silence: float = -60.0
    stillness: float = 0.5
    timeout: float = 120.0

    def __post_init__(self) -> None:
        if not (self.video or self.audio):
            raise AvzooError("neither picture nor sound is to be checked; ask for at least one")
        if self.timeout <= 0 or self.min_duration < 0:
            raise AvzooError("the time limit must be positive and the shortest duration not negative")


@dataclass(frozen=True)
class Finding:
    """What is known of a file.

    Attributes:
        path: The file.
        problems: What is wrong with it.
        detail: More about it, in words; empty where there is no more to say.
        video_seconds: Seconds of picture that were decoded; None without picture.
        audio_seconds: Seconds of sound that were decoded; None without sound.
        loudness: dB below full scale, at least -120; None without sound.
        motion: Largest mean change between two pictures half a second apart; None without picture.
    """

    path: Path
    problems: tuple[Problem, ...]
    detail: str = ""
    video_seconds: float | None = None
    audio_seconds: float | None = None
    loudness: float | None = None
    motion: float | None = None

    @property
    def usable(self) -> bool:
        """Whether training could use the file."""
        return not FATAL & set(self.problems)


class _Measures:
    """Running measures of one file."""

    def __init__(self) -> None:
        self.video_seconds: float | None = None
        self.audio_seconds: float | None = None
        self.motion = 0.0
        self._told = Durations(None, None, None)
        self._last: torch.Tensor | None = None
        self._energy = 0.0
        self._samples = 0

    def add(self, item: Durations | Clip) -> None:
        if isinstance(item, Durations):
            self._told = item
            return
        if item.frames is not None:
            frames = item.frames.float()
            if self._last is not None:
                frames = torch.cat([self._last, frames])
            changes = (frames[1:] - frames[:-1]).abs().mean(dim=(1, 2, 3))
            self.motion = max([self.motion, *changes.tolist()])
            self._last = frames[-1:]
            self.video_seconds = _until(self._told.video_duration, item.end)
        if item.samples is not None:
            self._energy += item.samples.square().sum().item()
            self._samples += len(item.samples)
            self.audio_seconds = _until(self._told.audio_duration, item.end)

    @property
    def loudness(self) -> float:
        power = self._energy / max(self._samples, 1)
        return 10 * math.log10(power) if power > 10 ** (_SILENCE / 10) else _SILENCE


def _until(told: float | None, decoded: float) -> float:
    """Seconds of a stream of which something was decoded up to a time."""
    return decoded if told is None else min(told, decoded)


def inspect_file(path: Path, checks: Checks, worker: DecodeWorker) -> Finding:
    """Decodes a file from its beginning to its end and says what is wrong with it.

    Raises:
        WorkerStopped: The worker was stopped.
    """
    spec = ClipSpec(**{**vars(_SPEC), "video": checks.video, "audio": checks.audio})
    measures, detail = _Measures(), ""
    deadline = time.monotonic() + checks.timeout
    clips = worker.decode(str(path), spec)
    try:
        for item in clips:
            measures.add(item)
            if time.monotonic() > deadline:
                detail = f"takes longer than {checks.timeout:g} s to decode"
                break
    except MediaError as error:
        detail = error.detail
    finally:
        clips.close()
    return _judge(path, checks, measures, detail)


def _judge(path: Path, checks: Checks, measures: _Measures, detail: str) -> Finding:
    video, audio = measures.video_seconds, measures.audio_seconds
    seconds = min(s or 0.0 for s, wanted in ((video, checks.video), (audio, checks.audio)) if wanted)
    found: dict[Problem, bool] = {"undecodable": bool(detail)}
    if not detail:
        found["no_picture"] = checks.video and video is None
        found["no_sound"] = checks.audio and audio is None
        found["short"] = not any(found.values()) and seconds < checks.min_duration
        found["muted"] = audio is not None and measures.loudness <= checks.silence
        found["still"] = video is not None and measures.motion <= checks.stillness
        detail = f"has {seconds:.2f} s" if found["short"] else ""
    return Finding(
        path,
        tuple(name for name, is_so in found.items() if is_so),
        detail,
        video,
        audio,
        None if audio is None else round(measures.loudness, 1),
        None if video is None else round(measures.motion, 2),
    )


def inspect_files(
    paths: Sequence[Path], checks: Checks, workers: int, on_progress: Callable[[int], None] = lambda _: None
) -> list[Finding]:
    """Inspects files side by side, then compares their contents.

    Args:
        paths: The files.
        checks: What they must be.
        workers: Decode processes.
        on_progress: Told how many files are done, in this thread.

    Returns:
        One finding per file, in their order.
    """
    todo: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, Finding] | BaseException] = SimpleQueue()
    for index in range(len(paths)):
        todo.put(index)
    stop = Event()
    pool = [DecodeWorker(_PREFETCH, checks.timeout) for _ in range(min(workers, len(paths)))]
    lanes = [Thread(target=_lane, args=(worker, paths, checks, todo, done, stop)) for worker in pool]
    for lane in lanes:
        lane.start()
    findings: dict[int, Finding] = {}
    try:
        while len(findings) < len(paths):
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            findings[result[0]] = result[1]
            on_progress(len(findings))
    finally:
        stop.set()
        for worker in pool:
            worker.stop()
        for lane in lanes:
            lane.join()
    originals = duplicates(paths)
    return [_with_duplicate(findings[index], originals.get(path)) for index, path in enumerate(paths)]


def _lane(
    worker: DecodeWorker,
    paths: Sequence[Path],
    checks: Checks,
    todo: SimpleQueue[int],
    done: SimpleQueue[tuple[int, Finding] | BaseException],
    stop: Event,
) -> None:
    try:
        with worker:
            while not stop.is_set():
                index = todo.get_nowait()
                done.put((index, inspect_file(paths[index], checks, worker)))
    except (Empty, WorkerStopped):
        return
    except BaseException as error:  # raised again in the caller's thread
        done.put(error)


def _with_duplicate(finding: Finding, original: Path | None) -> Finding:
    if original is None:
        return finding
    detail = "; ".join(filter(None, (finding.detail, f"same content as {original}")))
    return Finding(**{**vars(finding), "problems": (*finding.problems, "duplicate"), "detail": detail})


def duplicates(paths: Iterable[Path]) -> dict[Path, Path]:
    """Files with the same content as an earlier one, and that one. Only files of equal size are read."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            by_size[os.stat(path).st_size].append(path)
        except OSError:
            continue
    found: dict[Path, Path] = {}
    for size, group in by_size.items():
        originals: dict[str, Path] = {}
        for path in group if len(group) > 1 and size else ():
            try:
                digest = sha256_of(path)
            except OSError:
                continue
            original = originals.setdefault(digest, path)
            if original != path:
                found[path] = original
    return found
