"""The features of the clips of a labelled set: computed once into a folder, read by every protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avzoo.data.sets import MediaSet
from avzoo.extract import Encoder, FeatureTable, Progress

from .clip_plan import ClipPlan
from .clip_table import ItemRow
from .clip_values import ClipValues


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """The features of a set.

    Attributes:
        media: The set, items in order.
        values: By modality (``video``, ``audio``, ``joint``, ``video_projection``, ``audio_projection``), as far as the
            encoder and the files have them. ``joint`` is of clips with both: the mean over the crops of the
            L2-normalised picture, followed by the L2-normalised sound. The items of a modality are those of the set
            that have it, in its order.
        problems: The items that gave no clips, and why.
        root: Folder of the set; items are named by their paths below it.
    """

    media: MediaSet
    values: Mapping[str, ClipValues]
    problems: tuple[ItemRow, ...]
    root: Path

    def of(self, media: MediaSet) -> ClipFeatures:
        """The same for some of the items, in the order and with the classes that ``media`` gives them.

        So the folds of a set, and its label sets, share one computation: that of all items.

        Raises:
            EvaluationError: An item of ``media`` is not one of this set.
        """
        raise NotImplementedError


def clip_features(
    encoder: Encoder,
    media: MediaSet,
    plan: ClipPlan,
    folder: str | Path,
    *,
    root: str | Path,
    batch_size: int = 8,
    workers: int | None = None,
    timeout: float = 60.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ClipFeatures:
    """Embeds the clips of a set into a folder, or reads what an earlier call with the same arguments left there.

    Run again, it goes on where it was interrupted; what is there already costs nothing but reading it. Labels are not
    part of what is stored: other label sets of the same items use the same folder.

    Args:
        encoder: What embeds them.
        media: The items. Their places decide what is drawn for each: for folds of one set, embed all items once and
            take the folds with `ClipFeatures.of`.
        plan: Which clips of every item.
        folder: Where to; made if it is not there.
        root: Folder of the set, by which items are named.
        batch_size: Clips per forward pass.
        workers: Decode processes; by default one per CPU core.
        timeout: Seconds that decoding one clip may take before its item is given up.
        on_progress: Called before the first item, and after each forward pass and each item.

    Raises:
        EvaluationError: The folder holds something else or is in use, or no item could be embedded.
        EncoderError: The encoder takes no such input.
    """
    raise NotImplementedError


def from_feature_table(table: FeatureTable, media: MediaSet, *, root: str | Path) -> ClipFeatures:
    """The features of a set from what `avzoo extract` wrote: every window of an item is a clip of it.

    Rows belong to an item by their file's absolute path; where an item is a span of its file, those whose middle lies
    in it. Items without rows are among the ``problems``.

    Args:
        table: The table, of all files of the set or more.
        media: The items.
        root: Folder of the set, by which items are named.

    Raises:
        EvaluationError: The table holds rows of several models, or none of any item.
    """
    raise NotImplementedError
