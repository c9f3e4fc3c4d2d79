"""Forward passes side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore

import torch

from avzoo.extract.embeddings import Vectors
from avzoo.extract.encoder import Encoder
from avzoo.media import Clip


class ForwardPool:
    """Embeds batches in threads: on the CPU several at once, on a GPU one after another.

    Each batch is computed by one CPU thread. Batches side by side use the cores better than one batch spread over
    them, above all while decoders want the same cores; and the numbers do not depend on how many cores there are.

    Args:
        encoder: What embeds them.
        parallel: Batches at once, on the CPU.
        on_windows: Called with the number of windows of each finished batch.

    Attributes:
        encoder: What embeds them.
    """

    def __init__(self, encoder: Encoder, parallel: int, on_windows: Callable[[int], None]) -> None:
        self.encoder = encoder
        self._on_windows = on_windows
        self._threads_before = torch.get_num_threads()
        width = parallel if encoder.device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(width, "forward", torch.set_num_threads, (1,))
        self._free = Semaphore(width)

    def __enter__(self) -> ForwardPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads_before)  # what the pool's threads set is also the default of later ones

    def submit(self, clips: Sequence[Clip]) -> Future[dict[str, Vectors]]:
        """Embeds a batch; waits while as many as can be computed at once are under way."""
        self._free.acquire()
        future = self._pool.submit(self._embed, clips)
        future.add_done_callback(lambda _: self._free.release())
        return future

    def _embed(self, clips: Sequence[Clip]) -> dict[str, Vectors]:
        vectors = self.encoder.embed_clips(clips)
        self._on_windows(len(clips))
        return vectors
