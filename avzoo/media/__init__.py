"""What turns a file into frames and samples with times.

Every file passes the admission gate before a decoder sees it. PyAV decodes; decord is the named alternative for the
picture and runs in a process of its own. See :func:`probe`, :func:`iter_clips`, :func:`read_clip` and
:func:`read_clips`.
"""

from .clips import Clip, ClipSpec
from .errors import MediaError
from .header import AudioInfo, MediaInfo, VideoInfo, probe
from .limits import Limits
from .sampling import sample_times, select_frames
from .suffixes import MEDIA_SUFFIXES, VIDEO_SUFFIXES
from .windows import iter_clips, read_clip, read_clips
from .write import write_clip

__all__ = [
    "MEDIA_SUFFIXES",
    "VIDEO_SUFFIXES",
    "AudioInfo",
    "Clip",
    "ClipSpec",
    "Limits",
    "MediaError",
    "MediaInfo",
    "VideoInfo",
    "iter_clips",
    "probe",
    "read_clip",
    "read_clips",
    "sample_times",
    "select_frames",
    "write_clip",
]
