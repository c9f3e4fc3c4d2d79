"""What the browser plays and shows of a moment: an mp4 clip and a still, made anew from decoded frames and samples.

Browsers cannot play many of the containers and codecs that the decoders can (AVI, MPEG-PS, ...), and a moment of an
hour of video should not send the hour. Re-encoding gives every moment in one form, and only what was decoded leaves
this machine: never the bytes of a file.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import av
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as transforms

from avzoo.demo.library import Library, Moment
from avzoo.demo.pictures import frame_picture, spectrogram_picture
from avzoo.errors import AvzooError
from avzoo.media import Clip, ClipSpec, read_clip
from avzoo.media.write import write_clip
from avzoo.processing.log_mel import log_mel

SHORT_SIDE = 240  # pixels
_STILL_SIDE = 160
_FPS = 30.0
_SAMPLE_RATE = 32_000
_SIDES = (2, 4096)  # pixels that a side of a preview may have; H.264 encoders and browsers refuse more
_KEPT = 128  # clips that stay in memory, some 100 kB each


class PreviewError(AvzooError):
    """A clip that was decoded cannot be shown; the message is for the page."""


def preview_spec(seconds: float) -> ClipSpec:
    """Frames and samples for the eye and the ear, of a window of this length."""
    return ClipSpec(fps=_FPS, num_frames=max(1, round(seconds * _FPS)), sample_rate=_SAMPLE_RATE, short_side=SHORT_SIDE)


def preview(clip: Clip, folder: Path) -> bytes:
    """Encodes a clip that was read with `preview_spec` as mp4.

    Args:
        clip: Frames of any size: their sides are brought to even numbers in [2, 4096].
        folder: Where to work; it is left as it was.

    Raises:
        PreviewError: FFmpeg does not encode it.
    """
    frames, samples = clip.frames, clip.samples
    seconds = clip.end - clip.start
    if frames is not None:
        frames = _fitted(frames[: max(1, round(seconds * _FPS))])  # beyond the end of the file they repeat
    if samples is not None:
        samples = samples[: max(1, round(seconds * _SAMPLE_RATE))]
    with TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "clip.mp4"
        try:
            write_clip(path, frames, _FPS, samples, _SAMPLE_RATE)
        except av.FFmpegError as error:
            raise PreviewError("this clip cannot be shown: its preview could not be encoded") from error
        return path.read_bytes()


def _fitted(frames: torch.Tensor) -> torch.Tensor:
    """Frames ``(..., H, W)`` with sides that a preview may have."""
    least, most = _SIDES
    size = [min(max(side // 2 * 2, least), most) for side in frames.shape[-2:]]
    return frames if size == list(frames.shape[-2:]) else transforms.resize(frames, size, antialias=True)


def still(clip: Clip) -> bytes:
    """JPEG of a clip's first frame or, of a clip without picture, its spectrogram."""
    if clip.frames is not None:
        return jpeg(frame_picture(_fitted(clip.frames[0])))
    if clip.samples is None:
        return jpeg(Image.new("RGB", (_STILL_SIDE, _STILL_SIDE)))
    return jpeg(spectrogram_picture(log_mel(clip.samples[None])[0]).resize((_STILL_SIDE * 4 // 3, _STILL_SIDE)))


def jpeg(picture: Image.Image) -> bytes:
    """A picture as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


class Previews:
    """Clips and stills of the moments of a library, made when they are first asked for.

    Args:
        library: The moments.
        folder: A private folder to work in; it is left as it was.
    """

    def __init__(self, library: Library, folder: Path) -> None:
        self._library = library
        self._folder = folder
        # One per moment: who asks for a clip that is being made waits for it, and for no other.
        self._locks = [Lock() for _ in library]
        self._clip = lru_cache(maxsize=_KEPT)(self._make_clip)
        self._still = lru_cache(maxsize=4096)(self._make_still)

    def clip(self, number: int) -> bytes:
        """The mp4 clip of a moment.

        Raises:
            UnknownMomentError: There is no such moment.
            MediaError: Its file cannot be read any more.
            PreviewError: It cannot be encoded.
        """
        moment = self._library.moment(number)
        with self._locks[moment.number]:
            return self._clip(moment.number)

    def still(self, number: int) -> bytes:
        """The JPEG picture of a moment: its middle frame, or the spectrogram of a moment without picture.

        Raises:
            UnknownMomentError: There is no such moment.
            MediaError: Its file cannot be read any more.
        """
        return self._still(number)

    def _make_clip(self, number: int) -> bytes:
        moment = self._library.moment(number)
        return preview(read_moment(moment, preview_spec(moment.end - moment.start)), self._folder)

    def _make_still(self, number: int) -> bytes:
        moment = self._library.moment(number)
        if not moment.has_video:
            return still(read_moment(moment, ClipSpec(fps=1.0, num_frames=max(1, round(moment.end - moment.start)))))
        middle = replace(moment, start=(moment.start + moment.end) / 2)
        return still(read_moment(middle, ClipSpec(fps=_FPS, num_frames=1, short_side=_STILL_SIDE, audio=False)))


def read_moment(moment: Moment, spec: ClipSpec) -> Clip:
    """Decodes a moment of the index, leaving out what it has no embedding of.

    Raises:
        MediaError: Its file cannot be read any more.
    """
    with torch.inference_mode():
        wanted = replace(spec, video=spec.video and moment.has_video, audio=spec.audio and moment.has_audio)
        return read_clip(moment.path, moment.start, wanted)
