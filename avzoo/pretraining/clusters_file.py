"""The final assignment of a deep-clustering run as a file, from which a later run can learn."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from avzoo.data.clips import ClipDataset
from avzoo.pretraining.kmeans import ClusteringError

CLUSTERS_FILE = "clusters.safetensors"


def clips_digest(clips: ClipDataset) -> str:
    """SHA-256 of the names of the files of a set in their order; of their number where they have no names."""
    paths: Sequence[str | os.PathLike[str]] = getattr(clips, "paths", [str(len(clips))])
    return hashlib.sha256("\n".join(Path(path).name for path in paths).encode()).hexdigest()


def write_clusters(path: Path, assignments: Mapping[str, Tensor], num_clusters: int, digest: str) -> None:
    """Writes assignments int64 ``(N,)`` by the names of their clusterings; the file appears complete."""
    partial = path.with_suffix(".tmp")
    tensors = {name: labels.cpu().contiguous() for name, labels in assignments.items()}
    save_file(tensors, partial, metadata={"num_clusters": str(num_clusters), "clips": digest})
    partial.replace(path)


def read_clusters(path: Path, clusterings: Sequence[str], num_clusters: int, digest: str) -> dict[str, Tensor]:
    """Reads the assignments of the named clusterings.

    Args:
        path: what `write_clusters` wrote, or the folder of the run that wrote it.
        clusterings: those wanted.
        num_clusters: clusters that the model has heads for.
        digest: `clips_digest` of the data to be trained on.

    Raises:
        ClusteringError: there is no such file, it holds no such clustering, or it is of other data or another k.
    """
    file = path / CLUSTERS_FILE if path.is_dir() else path
    try:
        with safe_open(file, "pt") as content:
            about, names = content.metadata() or {}, list(content.keys())
            found = {name: content.get_tensor(name) for name in clusterings if name in names}
    except (OSError, SafetensorError) as error:
        raise ClusteringError(f"{file} holds no clusters; give the folder of a finished deep-clustering run") from error
    absent = [name for name in clusterings if name not in found]
    if absent:
        raise ClusteringError(f"{file} has clusters of {', '.join(names)}, not of {absent[0]}")
    if about.get("num_clusters") != str(num_clusters):
        raise ClusteringError(
            f"{file} has {about.get('num_clusters')} clusters, the model {num_clusters}; set the same"
        )
    if about.get("clips") != digest:
        raise ClusteringError(f"{file} was made of other clips, or in another order; train on the data it was made of")
    return {name: labels.to(torch.int64) for name, labels in found.items()}
