"""Media files shared by the tests of this folder, written once per session."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_files import regular, tone, write_media


@pytest.fixture(scope="session")
def media_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def clip_mp4(media_dir: Path) -> Path:
    """2 s: 50 frames at 25 per second, a 48 kHz tone from 0.5 s on."""
    return write_media(media_dir / "clip.mp4", regular(50), tone(2, onset=0.5))


@pytest.fixture(scope="session")
def silent_mp4(media_dir: Path) -> Path:
    """2 s of picture without an audio stream."""
    return write_media(media_dir / "silent.mp4", regular(50))


@pytest.fixture(scope="session")
def sound_mp4(media_dir: Path) -> Path:
    """2 s of sound without a video stream."""
    return write_media(media_dir / "sound.mp4", None, tone(2))
