"""Clusters for the eye: a table of them, and a sheet with the examples nearest to the centre of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from avzoo.data.sets import MediaItem
from avzoo.extract.files import replacing
from avzoo.media import ClipSpec, Limits, MediaError, probe, read_clip
from avzoo.processing.log_mel import mel_power

from .clustering import ClusterRow

_SHOWN = 10  # clusters at each end of the order that a sheet shows, as XDC's tables do
_TILE = (128, 96)  # pixels
_LABEL = 260  # pixels beside the tiles for what the cluster is
_GAP = 4
_TEXT, _PALE, _GREY = "#202020", "#707070", "#d0d0d0"
_LINE = 15  # pixels from line to line
_LETTERS = 80  # of a line, more than fit
_SECONDS = 4.0  # of sound in a tile
_RATE = 16_000
_FLOOR = 9.0  # natural logarithms of power below the loudest at which a spectrogram is darkest: 39 dB
_SILENCE = -14.0  # and what is taken for the loudest at least
_LIMITS = Limits(clip_timeout=20.0)


def write_clusters(
    clusters: Sequence[ClusterRow], media: Mapping[str, MediaItem], folder: Path, modality: str, fold: str = ""
) -> list[Path]:
    """Writes ``clusters-MODALITY.csv``, all clusters, and ``clusters-MODALITY.png``, the purest and the least pure.

    Of one fold of several, they are called ``clusters-MODALITY-fold-FOLD``.

    A tile is the frame at the middle of an item or, for sound, the spectrogram around it. Media are opened as
    everywhere, through the admission gate and within limits of time and size; a tile of one that cannot be read says
    why. Without a single one that can be, there is no sheet.

    Args:
        clusters: In the order of the table.
        media: The items by the names that the clusters give them.
        folder: Where to write.
        modality: What was clustered.
        fold: In which fold.

    Returns:
        What was written.
    """
    name = f"clusters-{modality}-fold-{fold}" if fold else f"clusters-{modality}"
    table, sheet = folder / f"{name}.csv", folder / f"{name}.png"
    with replacing(table) as file:
        file.write(_table(clusters).encode())
    sheet.unlink(missing_ok=True)
    shown = list(clusters) if len(clusters) <= 2 * _SHOWN else [*clusters[:_SHOWN], *clusters[-_SHOWN:]]
    picture = _sheet(shown, {row.cluster: rank for rank, row in enumerate(clusters, 1)}, media, modality)
    if picture is None:
        return [table]
    with replacing(sheet) as file:
        picture.save(file, "PNG")
    return [table, sheet]


def _table(clusters: Sequence[ClusterRow]) -> str:
    concepts = max(len(row.concepts) for row in clusters)
    nearest = max(len(row.nearest) for row in clusters)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    named = [f"{what} {number}" for number in range(1, concepts + 1) for what in ("concept", "share")]
    writer.writerow(["rank", "cluster", "items", "purity", *named, *(f"nearest {n}" for n in range(1, nearest + 1))])
    for rank, row in enumerate(clusters, 1):
        shares = [cell for name, share in row.concepts for cell in (name, f"{share:.4f}")]
        shares += [""] * (2 * concepts - len(shares))
        writer.writerow([rank, row.cluster, row.size, f"{row.purity:.4f}", *shares, *row.nearest])
    return text.getvalue()


def _sheet(
    clusters: Sequence[ClusterRow], ranks: Mapping[int, int], media: Mapping[str, MediaItem], modality: str
) -> Image.Image | None:
    """One line per cluster: what it is, then its examples; None where no example can be read."""
    width, height = _TILE
    columns = max(len(row.nearest) for row in clusters)
    size = (_LABEL + columns * (width + _GAP), len(clusters) * (height + _GAP))
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), _font()
    readable = False
    for line, row in enumerate(clusters):
        top = line * (height + _GAP)
        heading = f"{ranks[row.cluster]}. cluster {row.cluster}: {row.size} items, purity {row.purity:.0%}"
        texts = [heading, *(f"{share:.0%} {name}" for name, share in row.concepts)]
        for number, text in enumerate(texts):
            place = (_GAP, top + _GAP + number * _LINE)
            draw.text(place, _fitting(text, font), _TEXT if number == 0 else _PALE, font)
        for column, name in enumerate(row.nearest):
            tile, good = _tile(media[name], modality)
            readable |= good
            sheet.paste(tile, (_LABEL + column * (width + _GAP), top))
    return sheet if readable else None


def _tile(item: MediaItem, modality: str) -> tuple[Image.Image, bool]:
    """The picture of an item, and whether it is one and not the reason why there is none."""
    try:
        picture = _spectrogram(item) if modality.startswith("audio") else _frame(item)
        return ImageOps.fit(picture, _TILE), True
    except MediaError as error:
        tile = Image.new("RGB", _TILE, _GREY)
        ImageDraw.Draw(tile).text((_GAP, _GAP), error.reason.replace("_", " "), _TEXT, _font())
        return tile, False


def _frame(item: MediaItem) -> Image.Image:
    spec = ClipSpec(num_frames=1, audio=False, short_side=max(_TILE))
    frames = read_clip(item.path, _start(item, spec.window), spec, _LIMITS).frames
    if frames is None:
        raise MediaError("no_video", item.path, "has no picture at its middle")
    return Image.fromarray(frames[0].permute(1, 2, 0).contiguous().numpy())


def _spectrogram(item: MediaItem) -> Image.Image:
    spec = ClipSpec(video=False, sample_rate=_RATE, audio_seconds=_SECONDS)
    samples = read_clip(item.path, _start(item, spec.window), spec, _LIMITS).samples
    if samples is None:
        raise MediaError("no_audio", item.path, "has no sound at its middle")
    levels: NDArray[np.float32] = mel_power(samples, _RATE).clamp(min=torch.finfo(torch.float32).tiny).log().numpy()
    shades = np.clip((levels[::-1] - max(levels.max(), _SILENCE)) / _FLOOR + 1, 0, 1)
    return Image.fromarray((255 * matplotlib.colormaps["magma"](shades)[..., :3]).astype(np.uint8)).resize(_TILE)


def _start(item: MediaItem, window: float) -> float:
    """Where a window around the middle of an item starts, in seconds; at its own start where its end is not known."""
    begin = item.start or 0.0
    end = item.end if item.end is not None else probe(item.path, _LIMITS).duration
    return begin if end is None else max(begin, (begin + end - window) / 2)


def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), 11)


def _fitting(text: str, font: ImageFont.FreeTypeFont) -> str:
    """A text on one line that is no wider than its place."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[:_LETTERS])
    while font.getlength(line) > _LABEL - 2 * _GAP:
        line = line.removesuffix("…")[:-1] + "…"
    return line
