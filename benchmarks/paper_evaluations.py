"""The published figures of `docs/papers.md`: which ``avzoo evaluate`` command is how a paper came to each of them.

Figures come from the registry of checkpoints. What the registry does not know is the way from there to a command.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from avzoo.checkpoints.registry import REGISTRY, Metric
from avzoo.data.sets.benchmarks import BENCHMARKS, OWN_SETS
from avzoo.evaluation.protocols import load_protocol
from avzoo.evaluation.request import Request, check_request, settings_for

_TEXT = """Evaluations of released checkpoints (`FOLDER`: what `avzoo convert` made of it):

| what | command | published | here |
|---|---|---|---|"""

#: Sets of the papers by their names there.
_SETS = {
    "UCF101": "ucf101",
    "UCF51": "ucf51",
    "HMDB51": "hmdb51",
    "Kinetics400": "kinetics400",
    "Kinetics-Sound": "kinetics_sound",
    "ESC50": "esc50",
    "FSD50K": "fsd50k",
    "DCASE2014": "dcase2014",
    "COIL100": "folder:COIL100",
    "ToyBox, 9 motions": "folder:ToyBox",
    "ToyBox, 12 objects": "folder:ToyBox",
}

_SVM = "linear-svm --preset {} --set choose_on=test"


@dataclass(frozen=True)
class Way:
    """How figures of a paper come about.

    Attributes:
        family: The family of the checkpoints.
        protocol: How what the registry says of the protocol begins.
        command: What follows ``avzoo evaluate``, without model and data; empty where no protocol gives it.
        dataset: Only of this set, if not empty.
        checkpoint: Only of checkpoints whose name ends so, if not empty.
        why: Why there is no command.
    """

    family: str
    protocol: str
    command: str
    dataset: str = ""
    checkpoint: str = ""
    why: str = ""


#: The first that fits counts.
WAYS: Sequence[Way] = (
    Way("xkd", "linear SVM on its features", "fusion --preset xkd --set linear_svm.choose_on=test"),
    Way("xkd", "linear SVM", _SVM.format("xkd")),
    Way("xkd", "linear classifier", "linear --preset xkd"),
    Way("xkd", "finetuned", "finetune --preset xkd-paper"),
    Way("crisscross", "finetuned, clips of 32", "finetune --preset crisscross-audioset", checkpoint="audioset"),
    Way("crisscross", "finetuned, clips of 32", "finetune --preset crisscross"),
    Way("crisscross", "finetuned, clips of 8", "finetune --preset crisscross-8f-audioset", checkpoint="audioset"),
    Way("crisscross", "finetuned, clips of 8", "finetune --preset crisscross-8f"),
    Way("crisscross", "linear classifier", "", dataset="Kinetics400", why="how this layer was trained is not told"),
    Way("crisscross", "linear classifier", "linear --preset crisscross", dataset="DCASE2014"),
    Way("crisscross", "linear", _SVM.format("crisscross")),
    Way("vssl", "k-means", "clustering --set part=both"),
    Way("ccl", "test clips search", "retrieval --preset ccl --fold 1 --modality video"),
    Way("ccl", "sliding windows", "", why="of the classifier that is trained along: the log of its pretraining"),
    Way("ccl", "with its own classifier", "", why="of the classifier that AudioSet's labels trained"),
    Way("xdc", "finetuned", "finetune --preset xdc"),
)

#: Further evaluations of the papers: what, the command, and the figure where it is known.
FURTHER: dict[str, Sequence[tuple[str, ...]]] = {
    "crisscross": (
        ("retrieval", "retrieval --preset crisscross --fold 1 --data ucf101", "R@1/5/20: 63.8/78.7/89.9"),
        ("retrieval", "retrieval --preset crisscross --fold 1 --data hmdb51", "R@1/5/20: 26.4/50.5/77.7"),
        ("picture and sound in one SVM", "fusion --preset crisscross --data kinetics_sound"),
    ),
    "vssl": (
        ("context shift, frozen", "shift --preset vssl --data kinetics400 --target mimetics10"),
        ("context shift, finetuned",
         "shift-finetune --preset vssl-mae-mimetics50 --data kinetics400 --target mimetics50"),
        ("viewpoint shift, frozen", "egocentric --preset vssl --data charades_ego_third --target charades_ego_first "
         "--set text_encoder=distilbert-base-uncased"),
        ("actor shift, animals, finetuned",
         "shift-finetune --preset vssl-mae-actorshift --data kinetics700 --target actorshift --set map=FILE.yaml"),
        ("resolution shift, frozen", "shift --preset vssl-mae-tinyvirat --data mit --target tinyvirat"),
        ("source shift, frozen", "shift --preset vssl --data ucf17 --target hmdb17"),
        ("source shift, finetuned", "shift-finetune --preset vssl-mae-hmdb-ucf --data hmdb17 --target ucf17"),
        ("zero-shot, frozen", "zero-shot --preset vssl-mae --data kinetics400 --target ucf101 --target-part all "
         "--set target_classes=truze_unseen_ucf31 --set vectors=GoogleNews-vectors-negative300.bin.gz"),
        ("open set, frozen", "open-set --preset vssl-mae --data ucf101 --target hmdb51 "
         "--set target_classes=open_set_hmdb34"),
        ("open set, finetuned", "open-set-finetune --preset vssl-mae --data ucf101 --target hmdb51 "
         "--set target_classes=open_set_hmdb34"),
        ("temporal perturbations", "robustness --preset vssl --data ucf101 --set perturbations=freeze,sampling"),
    ),
}  # fmt: skip


def evaluation_rows(family: str) -> list[str]:
    """The table of a family, as lines; none where there is nothing."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for name, checkpoint in REGISTRY.items():
        for metric in checkpoint.metrics:
            way = next((one for one in WAYS if one.family == family and _fits(one, name, metric)), None)
            if checkpoint.family == family and way is not None:
                value = f"{name.removeprefix(family + '-')} {'~' if metric.approximate else ''}{metric.value:g}"
                rows.setdefault((_what(metric), _command(way, metric.dataset), metric.dataset), []).append(value)
    lines = [
        f"| {what} | {command} | {', '.join(values)} | not run: needs {dataset.partition(',')[0]} |"
        for (what, command, dataset), values in rows.items()
    ]
    lines += [
        f"| {what} | `avzoo evaluate {command} --model FOLDER` | {', '.join(published) or '-'} | "
        f"not run: needs {' and '.join(_named(command))} |"
        for what, command, *published in FURTHER.get(family, ())
    ]
    return [_TEXT, *lines] if lines else []


def _fits(way: Way, name: str, metric: Metric) -> bool:
    return (
        metric.protocol.startswith(way.protocol)
        and way.dataset in ("", metric.dataset)
        and name.endswith(way.checkpoint)
    )


def _what(metric: Metric) -> str:
    figure = "" if "accuracy" in metric.name else f", {metric.name}"
    return f"{metric.dataset}{figure}: {metric.protocol}"


def _command(way: Way, dataset: str) -> str:
    if not way.command:
        return way.why
    command = f"{way.command} --data {_SETS[dataset]}"
    require_possible(command)
    return f"`avzoo evaluate {command} --model FOLDER`"


def _named(command: str) -> Iterable[str]:
    words = command.split()
    require_possible(command)
    return [words[index + 1] for index, word in enumerate(words) if word in ("--data", "--target")]


def require_possible(command: str) -> None:
    """Refuses a command that `avzoo evaluate` would refuse before it looks for the files.

    Raises:
        AvzooError: What is wrong with it.
        ValueError: An option or a set is not known.
    """
    protocol, *words = command.split()
    options = [(name.removeprefix("--"), value) for name, value in zip(words[::2], words[1::2], strict=True)]
    given = dict(options)
    if unknown := given.keys() - {"data", "target", "target-part", "preset", "fold", "modality", "set"}:
        raise ValueError(f"{command}: what is {', '.join(unknown)}?")
    for name in ("data", "target"):
        if name in given and given[name].partition(":")[0] not in {*BENCHMARKS, *OWN_SETS}:
            raise ValueError(f"{command}: there is no set {given[name]}")
    request = Request(
        protocol=protocol,
        data=given["data"],
        target=given.get("target"),
        preset=given.get("preset"),
        overrides=tuple(value for name, value in options if name == "set"),
    )
    found = load_protocol(protocol)
    check_request(request, found)
    for modality in ("video", "audio"):
        settings_for(request, found, given["data"].partition(":")[0], modality)
