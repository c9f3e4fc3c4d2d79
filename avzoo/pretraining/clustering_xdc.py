"""Deep clustering as a callback: between passes over the data, the clusters that the encoders learn are found anew."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from pydantic import Field
from torch import Tensor, distributed
from torch.nn import functional as F
from transformers import TrainerCallback

from avzoo.data.clips import item_seed
from avzoo.data.pretraining_dataset import PretrainingDataset
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.cluster_measures import evenness, normalized_mutual_information, purity
from avzoo.pretraining.clusters_file import CLUSTERS_FILE, clips_digest, write_clusters
from avzoo.pretraining.collectives import rank, world_size
from avzoo.pretraining.kmeans import ClusteringError, cluster_means, kmeans
from avzoo.pretraining.modeling_xdc_pretraining import XDCForPreTraining
from avzoo.pretraining.objectives_xdc import UNASSIGNED, clustered_features
from avzoo.pretraining.section import Section
from avzoo.pretraining.set_features import set_features

logger = logging.getLogger(__name__)


class ClusteringSection(Section):
    """How clusters are found. The paper names neither the engine nor its settings; the defaults are ours.

    Attributes:
        epochs_per_iteration: passes over the data between two clusterings.
        stop_at_nmi: training stops once every new clustering has at least this normalised mutual information with the
            one before; None trains for all epochs. The paper finds 5 or 6 iterations enough.
        batch_size: clips per forward, in each process, when features are extracted.
        kmeans_iterations: most iterations of k-means.
        kmeans_tolerance: k-means stops once an iteration lowers the inertia by no more than this share.
        warm_start: start k-means from the last clusters instead of from new seeds.
        pca: principal components that are clustered; None clusters the features. DeepCluster takes 256.
        whiten: scale principal components to variance 1, as DeepCluster does.
        l2_normalize: scale what is clustered to unit length, as DeepCluster does.
        assignments: folder of a finished run, or its clusters file: its final clusters are learned and no others found.
    """

    epochs_per_iteration: Annotated[int, Field(ge=1)] = 10
    stop_at_nmi: Annotated[float, Field(gt=0, le=1)] | None = 0.95
    batch_size: Annotated[int, Field(ge=1)] = 32
    kmeans_iterations: Annotated[int, Field(ge=1)] = 100
    kmeans_tolerance: Annotated[float, Field(ge=0)] = 1e-4
    warm_start: bool = False
    pca: Annotated[int, Field(ge=1)] | None = None
    whiten: bool = False
    l2_normalize: bool = False
    assignments: Path | None = None


class DeepClustering(TrainerCallback):
    """Finds clusters before training and after every ``epochs_per_iteration`` passes over the data.

    The features of the whole set are computed by the encoders as they are, in evaluation mode, each process taking its
    share; the first process clusters them. The model then learns the new clusters with new heads, whose moments in the
    optimizer start from zero, and logs how the clusters agree with the last ones (NMI) and with the
    classes of the data, if there are any (purity), and how even they are. All that a resumed run needs is in the
    buffers of the model, so that it continues to the bit from any checkpoint. The assignment that is being learned lies
    in ``clusters.safetensors`` of the run's folder.

    Args:
        model: the bare model; it makes room for the assignments of ``data`` here.
        data: the training set with deterministic views, as long and in the same order as what is trained on.
        settings: how to cluster.

    Raises:
        ClusteringError: there are fewer clips than clusters, or the model has no encoder whose features could be
            clustered.
    """

    def __init__(
        self, model: XDCForPreTraining, data: PretrainingDataset, settings: ClusteringSection | None = None
    ) -> None:
        if len(data) < model.config.num_clusters:
            raise ClusteringError(f"{len(data)} clips make no {model.config.num_clusters} clusters; lower num_clusters")
        if model.config.trained is not None and model.config.clusterings != [model.config.trained]:
            raise ClusteringError(
                f"The {model.config.trained} encoder learns clusters of another one; say which run has found them: "
                "model.clustering.assignments."
            )
        self.model = model
        self.data = data
        self.settings = settings or ClusteringSection()
        model.prepare(len(data))

    def on_train_begin(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        """Finds the first clusters, of features of random encoders, unless the run is a resumed one."""
        if self.model.clusterings_done == 0:
            self.cluster(args, optimizer)

    def on_step_end(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        """Finds clusters after the last step of an iteration, before that step's checkpoint is written."""
        epoch = state.epoch / self.settings.epochs_per_iteration
        if state.global_step >= state.max_steps or epoch != int(epoch):
            return
        if self.cluster(args, optimizer):
            control.should_training_stop = control.should_log = True
            # A run resumed from this step would go on; from an earlier one it comes here again, and stops.
            control.should_save = False

    def cluster(self, args: AVTrainingArguments, optimizer: torch.optim.Optimizer) -> bool:
        """One clustering; returns whether training has converged, in which case the clusters stay the last ones.

        Raises:
            ClusteringError: features are not finite, or too few clips can be read.
        """
        start = time.perf_counter()
        config, settings, model = self.model.config, self.settings, self.model
        features, read = self._features(args)
        found, measures = {}, {}
        iteration = int(model.clusterings_done)
        for index, (name, values) in enumerate(clustered_features(features, config.clusterings).items()):
            points = transformed(values[read], settings.pca, settings.whiten, settings.l2_normalize)
            if not points.isfinite().all():
                raise ClusteringError(f"Features of {name} are not finite after step {iteration}; lower learning_rate.")
            before = model.assignments(name)[read]
            # A clip that could not be read the last time has no cluster to start from, and agrees with nothing.
            known = before != UNASSIGNED
            labels = self._labels(points, before if known.all() else None, item_seed(args.seed, iteration, index))
            found[name] = torch.full((len(read),), UNASSIGNED, device=points.device)
            found[name][read] = labels
            measures[name] = self._measures(name, labels, read)
            if known.any():
                measures[name]["nmi"] = normalized_mutual_information(labels[known], before[known])
        logger.info("clustering %d: %s, %.1f s", iteration + 1, measures, time.perf_counter() - start)
        agreement = [of_one.get("nmi", 0.0) for of_one in measures.values()]
        if settings.stop_at_nmi is not None and min(agreement) >= settings.stop_at_nmi:
            return True
        model.assign(found, item_seed(args.seed, iteration, len(found)), measures)
        for parameter in model.heads.parameters():
            # Zeros are what moments start from; fused optimizers refuse state that only some parameters have.
            for value in optimizer.state.get(parameter, {}).values():
                value.zero_()
        if args.should_save:
            folder = Path(cast(str, args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            write_clusters(folder / CLUSTERS_FILE, found, config.num_clusters, clips_digest(self.data.clips))
        return False

    def _features(self, args: AVTrainingArguments) -> tuple[dict[str, Tensor], Tensor]:
        training = self.model.training
        self.model.eval()  # batch norms neither see other clips nor learn from these
        dtype = torch.bfloat16 if args.bf16 else torch.float16
        autocast = torch.autocast(args.device.type, dtype, enabled=args.bf16 or args.fp16)
        try:
            return set_features(
                self.model.features,
                self.model.feature_sizes,
                self.data,
                self.settings.batch_size,
                args.device,
                args.dataloader_num_workers,
                autocast,
            )
        finally:
            self.model.train(training)

    def _labels(self, points: Tensor, before: Tensor | None, seed: int) -> Tensor:
        """The clusters that the first process finds."""
        labels = torch.empty(len(points), dtype=torch.int64, device=points.device)
        k, settings = self.model.config.num_clusters, self.settings
        if len(points) < k:
            raise ClusteringError(f"{len(points)} clips that can be read make no {k} clusters; lower num_clusters")
        if rank() == 0:
            start = cluster_means(points, before, k)[0] if settings.warm_start and before is not None else None
            result = kmeans(points, k, seed, settings.kmeans_iterations, settings.kmeans_tolerance, start)
            labels = result.labels
            if result.repaired:
                logger.info("%d empty clusters were given a new place", result.repaired)
        if world_size() > 1:
            distributed.broadcast(labels, 0)
        return labels

    def _measures(self, name: str, labels: Tensor, read: Tensor) -> dict[str, float]:
        sizes = torch.bincount(labels, minlength=self.model.config.num_clusters)
        measures = {"smallest": float(sizes.min()), "largest": float(sizes.max()), "evenness": evenness(sizes)}
        clips = self.data.clips
        classes = clips.labels
        if self.model.config.encoders.get(name) == "audio" and clips.audio_labels is not None:
            classes = clips.audio_labels
        if classes is not None:
            measures["purity"] = purity(labels, torch.as_tensor(classes, device=labels.device)[read])
        return measures


def transformed(points: Tensor, pca: int | None, whiten: bool, normalize: bool) -> Tensor:
    """What DeepCluster does to features before it clusters them, each step as wanted.

    Args:
        points: ``(N, D)``.
        pca: principal components to keep; None keeps all.
        whiten: scale every component to variance 1.
        normalize: scale points to unit length.

    Raises:
        ClusteringError: more components are wanted than there are.
    """
    if pca is not None and pca > min(points.shape):
        raise ClusteringError(f"{pca} principal components are more than {tuple(points.shape)} features have")
    if pca is not None or whiten:
        points = points - points.mean(dim=0)
        variances, directions = torch.linalg.eigh((points.T @ points / len(points)).double())
        # In rising order; directions without variance, which have no scale, are only noise of rounding.
        variances, directions = variances[-(pca or len(variances)) :], directions[:, -(pca or len(variances)) :]
        if whiten:
            directions = directions / variances.clamp(min=1e-10 * variances[-1]).sqrt()
        points = points @ directions.to(points.dtype)
    return F.normalize(points, dim=1) if normalize else points
