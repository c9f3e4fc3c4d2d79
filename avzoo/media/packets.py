"""One pass over a file for several streams, each read at its own pace."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any

import av
from av.stream import Discard

from .errors import MediaError
from .header import OpenMedia, demux, open_container

MAX_QUEUED_BYTES = 32 * 2**20  # of packets of the streams that wait: some 30 s of high-definition video

# A preroll this long lets decoders settle after a seek: reference frames, overlapped transforms, the bit reservoir of
# MP3, the filters of the resampler.
PREROLL = 1.0  # seconds

MAX_STEP_BACK = 1.0  # seconds that time stamps may run backwards


class PacketReader:
    """Packets of chosen streams of one file.

    Whoever reads one stream meets the packets of the others; these wait, compressed, in queues. Files whose streams are
    not interleaved, or of which one ends long before the other, would fill the queues: from the bound on, the stream
    that is read goes on from a second container of the same file, so that memory stays bounded in every file.

    Args:
        media: The open file.
        streams: Streams of ``media.container``, the one that seeks first.
        seek: Seconds on the file's clock to start before, landing on a key frame; None for the beginning.
    """

    def __init__(self, media: OpenMedia, streams: list[Any], seek: float | None = None) -> None:
        self._media = media
        self._seek = seek
        self._leader: int | None = streams[0].index if streams else None
        self._queues: dict[int, deque[Any]] = {stream.index: deque() for stream in streams}
        self._queued_bytes = 0
        self._demuxed = self._demux(media.container, list(self._queues))

    def decode(self, stream: Any) -> Iterator[Any]:
        """Decoded frames of one stream in presentation order.

        Raises:
            MediaError: ``decode_failed`` at the first damaged data, ``timeout``.
        """
        damaged = MediaError("decode_failed", self._media.path, f"its {stream.type} is damaged")
        intact = False
        try:
            for packet in self._packets(stream):
                self._media.deadline.check()
                if not packet.size and packet.dts is not None:
                    continue  # an empty packet of the file; those of its end have no time and flush the decoder
                for frame in stream.codec_context.decode(packet if packet.size else None):
                    # What comes before the first intact frame lacks what it refers to: broadcasts start anywhere.
                    corrupt = frame.is_corrupt or packet.is_corrupt
                    if corrupt and intact:
                        raise damaged
                    if not corrupt:
                        intact = True
                        yield frame
        except av.error.FFmpegError as error:
            raise damaged from error

    def _packets(self, stream: Any) -> Iterator[Any]:
        queue = self._queues[stream.index]
        for given in itertools.count():
            while not queue:
                if self._queued_bytes > MAX_QUEUED_BYTES:
                    del self._queues[stream.index]
                    yield from self._second_container(stream.index, given)
                    return
                if not self._advance():
                    return
            packet = queue.popleft()
            self._queued_bytes -= packet.size
            yield packet

    def _advance(self) -> bool:
        """Takes one packet out of the file; False at its end."""
        packet = next(self._demuxed, None)
        if packet is None:
            return False
        queue = self._queues.get(packet.stream.index)
        if queue is not None:
            queue.append(packet)
            self._queued_bytes += packet.size
        return True

    def _second_container(self, index: int, given: int) -> Iterator[Any]:
        media = self._media
        with open_container(media.path, media.kind, media.limits) as container:
            yield from itertools.islice(self._demux(container, [index]), given, None)

    def _demux(self, container: Any, indices: list[int]) -> Iterator[Any]:
        for stream in container.streams:
            if stream.index not in indices:
                stream.discard = Discard.all
        if self._seek is not None and self._leader is not None:
            leader = container.streams[self._leader]
            start = max(self._seek - PREROLL, 0) + float(self._media.origin)
            container.seek(int(start / leader.time_base), stream=leader)
        return demux(container, [container.streams[index] for index in indices])
