"""How much a file may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields

from avzoo.errors import AvzooError


@dataclass(frozen=True)
class Limits:
    """Caps that every file meets, checked on its header and again on what is decoded.

    Attributes:
        max_pixels: Pixels of one frame; the default admits 8192 x 4320.
        max_aspect: Longer over shorter side of a frame. Frames are scaled by their shorter side, up too: without this
            cap a thin strip of few pixels would become a huge one.
        max_frames: Decoded frames of one file.
        max_duration: Seconds of one file.
        max_channels: Audio channels.
        max_sample_rate: Audio samples per second and channel.
        clip_timeout: Seconds of decoding that one clip may take. The time its consumer takes does not count.
    """

    max_pixels: int = 8192 * 4320
    max_aspect: float = 32.0
    max_frames: int = 10_000_000
    max_duration: float = 24 * 3600.0
    max_channels: int = 64
    max_sample_rate: int = 384_000
    clip_timeout: float = 120.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise AvzooError(f"limit {field.name} must be positive, got {getattr(self, field.name)}")
