"""Decoding in a process that may die: bad media cost one file, never the run.

A worker decodes one file at a time. What it sends are JSON headers and raw arrays over a pipe, never pickled objects:
a decoder that was taken over by a hostile file can hand over wrong numbers but no code. The pipe and a queue of
``prefetch`` clips are all that lies between decoder and model, so memory stays constant however long the file is.
A copy through the pipe costs about 1 ms per clip, against some 100 ms of decoding.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing import BufferTooShort
from queue import Queue
from threading import Lock, Thread, Timer
from types import ModuleType
from typing import Any

import torch

from avzoo.media import Clip, ClipSpec, Limits, MediaError, iter_clips, probe
from avzoo.media.errors import Reason


@dataclass(frozen=True)
class Durations:
    """Lengths in seconds as a file's header tells them; None where it does not, or where there is no such stream."""

    duration: float | None
    video_duration: float | None
    audio_duration: float | None


#: What a worker runs on a file, its specification, its limits and the options of `DecodeWorker.decode`: first what the
#: header tells, then the clips.
Decode = Callable[..., Iterator[Durations | Clip]]

_START_SECONDS = 120.0  # for a worker to come up, imports included
_GRACE_SECONDS = 5.0  # beyond the decoder's own time limit, before its process is killed
_MAX_HEADER = 2**20  # bytes
_MEMORY = 8 * 2**30  # bytes of data: a file that makes a decoder ask for more fails

_starting = Lock()


@dataclass(frozen=True)
class _Failure:
    """What a worker says of a file that it cannot read, or cannot read further."""

    reason: Reason
    detail: str


def decode(path: str, spec: ClipSpec, limits: Limits) -> Iterator[Durations | Clip]:
    """The lengths that the header of a file tells, then its clips.

    Raises:
        MediaError: The file cannot be read, or cannot be read further.
    """
    info = probe(path, limits)
    yield Durations(
        duration=info.duration,
        video_duration=info.video.duration if info.video else None,
        audio_duration=info.audio.duration if info.audio else None,
    )
    yield from iter_clips(path, spec, limits)


def prepare() -> None:
    """Lets the server that workers are forked from import its libraries, while the caller does something else."""
    from multiprocessing import forkserver  # not on every system

    with _starting, _without_main():
        forkserver.set_forkserver_preload([__name__])
        forkserver.ensure_running()


class WorkerStopped(Exception):
    """The worker was stopped while its file was being decoded: there is no result to speak of."""


class DecodeWorker:
    """One decode process, started when first needed and again after it died.

    Use it as a context manager, from one thread; `stop` may come from any.

    Args:
        prefetch: Clips that are decoded ahead of their use.
        timeout: Seconds that one clip may take to decode; a worker that exceeds them is killed.
        decode: What to run on a file; a function that the worker can import.
    """

    def __init__(self, prefetch: int, timeout: float, decode: Decode = decode) -> None:
        self.prefetch = prefetch
        self.limits = Limits(clip_timeout=timeout)
        self._decode = decode
        self._process: Any = None
        self._connection: Any = None
        self._late = False
        self._stopped = False

    def __enter__(self) -> DecodeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def stop(self) -> None:
        """Ends the process for good; a `decode` that is under way in another thread raises `WorkerStopped`."""
        self._stopped = True
        self._kill()

    def decode(self, path: str, spec: ClipSpec, **options: Any) -> Generator[Durations | Clip, None, None]:
        """Decodes a file in the worker; closing the generator before its end ends the process, too.

        Args:
            path: The file.
            spec: What its clips hold.
            options: What else the decode function takes, as JSON types.

        Yields:
            What the header tells, then the clips in order.

        Raises:
            MediaError: As the decoder raised it; also ``timeout`` and ``decoder_died``, after which the next file gets
                a new process.
            WorkerStopped: `stop` was called.
        """
        finished = False
        try:
            self._start()
            self._connection.send_bytes(json.dumps({"path": path, "spec": asdict(spec), "options": options}).encode())
            while (item := self._receive(self.limits.clip_timeout + _GRACE_SECONDS, spec)) is not None:
                if isinstance(item, _Failure):
                    finished = True
                    raise MediaError(item.reason, path, item.detail)
                yield item
            finished = True
        except (EOFError, OSError):
            if self._stopped:
                raise WorkerStopped from None
            raise self._obituary(path) from None
        finally:
            if not finished:
                self._drop()

    def _start(self) -> None:
        if self._stopped:
            raise WorkerStopped
        if self._process is not None and not self._process.is_alive():
            self._drop()  # it died between two files
        if self._process is not None:
            return
        prepare()
        context: Any = multiprocessing.get_context("forkserver")
        self._late = False
        with _starting, _without_main():
            self._connection, theirs = context.Pipe()
            arguments = (theirs, self._decode, self.limits, self.prefetch)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
        self._process = process
        if self._stopped:  # perhaps before there was a process to kill
            raise WorkerStopped
        try:
            self._receive(_START_SECONDS)
        except (EOFError, OSError) as error:
            if self._stopped:
                raise WorkerStopped from None
            raise RuntimeError("a decode worker did not start") from error

    def _receive(self, seconds: float, spec: ClipSpec | None = None) -> Durations | Clip | _Failure | None:
        """The next message, whole; None for one that only marks a beginning or an end.

        Raises:
            EOFError: The worker died, was killed for being late, or sent nonsense.
        """
        # Waiting for the first byte would not do: a worker can also stop in the middle of a message.
        watchdog = Timer(seconds, self._kill_late)
        watchdog.start()
        try:
            header = json.loads(self._connection.recv_bytes(_MAX_HEADER))
            match header.pop("kind"):
                case "clip" if spec is not None:
                    _check_shapes(header["frames"], header["samples"], spec, self.limits)
                    header["frames"] = self._receive_tensor(header["frames"], torch.uint8)
                    header["samples"] = self._receive_tensor(header["samples"], torch.float32)
                    return Clip(**header)
                case "durations":
                    return Durations(**header)
                case "failure":
                    return _Failure(**header)
            return None
        except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, BufferTooShort) as error:
            raise EOFError from error
        finally:
            watchdog.cancel()

    def _receive_tensor(self, shape: list[int] | None, dtype: torch.dtype) -> torch.Tensor | None:
        if shape is None:
            return None
        tensor = torch.empty(shape, dtype=dtype)
        flat = tensor.view(-1).view(torch.uint8).numpy()
        if self._connection.recv_bytes_into(flat) != flat.nbytes:
            raise EOFError
        return tensor

    def _kill_late(self) -> None:
        self._late = True
        self._kill()

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def _obituary(self, path: str) -> MediaError:
        """What to say of a worker whose pipe broke."""
        if self._late:
            return MediaError("timeout", path, f"a clip took more than {self.limits.clip_timeout:g} s to decode")
        self._process.join(1.0)
        self._kill()  # where it only sent nonsense
        self._process.join()
        code = self._process.exitcode
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return MediaError("decoder_died", path, f"the decoder ended its process ({cause})")

    def _drop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


def _check_shapes(frames: list[int] | None, samples: list[int] | None, spec: ClipSpec, limits: Limits) -> None:
    """Raises ValueError for a clip that was not asked for, before memory is given to it."""
    if frames is not None:
        count, channels, height, width = frames
        short, long = sorted((height, width))
        largest = limits.max_pixels if spec.short_side is None else spec.short_side**2 * limits.max_aspect
        if (count, channels) != (spec.num_frames, 3) or not 0 < short * long <= largest or short < 0:
            raise ValueError(f"frames of shape {frames}")
    if samples is not None and samples != [spec.num_samples]:
        raise ValueError(f"samples of shape {samples}")


@contextmanager
def _without_main() -> Iterator[None]:
    """Hides the caller's script from the new process.

    Multiprocessing runs the main module of the caller again in every worker, which slows it down and, for a script
    without the ``if __name__ == "__main__"`` guard, starts workers without end. Ours need only this module.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(connection: Any, decode: Decode, limits: Limits, prefetch: int) -> None:
    """The life of a worker: decode the files that are asked for until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent, which then ends the workers
    torch.set_num_threads(1)
    _be_expendable()
    Thread(target=_die_with_parent, daemon=True).start()
    connection.send_bytes(b'{"kind":"ready"}')
    while True:
        try:
            job = json.loads(connection.recv_bytes())
        except EOFError:
            return
        outbox: Queue[Durations | Clip | _Failure | None] = Queue(prefetch)
        sender = Thread(target=_send, args=(connection, outbox))
        sender.start()
        try:
            for item in decode(job["path"], ClipSpec(**job["spec"]), limits, **job["options"]):
                outbox.put(item)
            outbox.put(None)
        except MediaError as error:
            outbox.put(_Failure(error.reason, error.detail))
        except Exception as error:  # whatever a file makes a decoder do, it costs this file alone
            outbox.put(_Failure("decoder_died", f"the decoder failed ({type(error).__name__}: {error})"))
        sender.join()


def _send(connection: Any, outbox: Queue[Durations | Clip | _Failure | None]) -> None:
    """Sends messages until one that ends the file."""
    kinds = {Durations: "durations", Clip: "clip", _Failure: "failure"}
    item: Durations | Clip | _Failure | None = Durations(None, None, None)
    while item is not None and not isinstance(item, _Failure):
        item = outbox.get()
        header: dict[str, Any] = {"kind": "end"} if item is None else {"kind": kinds[type(item)], **vars(item)}
        tensors = {name: value for name, value in header.items() if isinstance(value, torch.Tensor)}
        header |= {name: list(tensor.shape) for name, tensor in tensors.items()}
        try:
            connection.send_bytes(json.dumps(header).encode())
            for tensor in tensors.values():
                connection.send_bytes(tensor.contiguous().view(-1).view(torch.uint8).numpy())
        except OSError:  # nobody listens any more
            os._exit(1)


def _be_expendable() -> None:
    """Silences the decoders' own messages, bounds memory, and offers this process first where memory runs out."""
    with suppress(ValueError):  # the bound is lower already
        # Of data, not of addresses: many threads reserve many of these without using them.
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _die_with_parent() -> None:
    """Ends this process when its parent is gone, also in the middle of a decoder that never returns."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
