"""A finetuned classifier as a checkpoint folder: what transformers loads, with a card that says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from safetensors.torch import save_model

from avzoo.checkpoints.contents import CONFIG_FILE
from avzoo.checkpoints.entry import LICENSES, license_notice
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.card_callback import CardCallback
from avzoo.pretraining.export import EncoderExport
from avzoo.pretraining.modeling import AVPreTrainedModel

from .classifier import HEAD_FILE, has_linear_head
from .modeling import ForFinetuning

_CARD = """---
{metadata}
---
# {name}

Tells {count} classes from {what}: finetuned with avzoo from `{model}`.

Weights: {license}. Code: Apache-2.0.

```python
import avzoo  # registers the Auto classes
from transformers import AutoModelFor{kind}Classification, {processor}

folder = {reference}
model = AutoModelFor{kind}Classification.from_pretrained(folder).eval()
processor = {processor}.from_pretrained(folder)
```

How it was trained is in `provenance.json`, the log in `training_log.json`. Classes: {classes}.
"""


_ENCODER_CARD = """---
{metadata}
---
# {name}

Encoder of {what}, finetuned with avzoo from `{model}` on {count} classes with a head of its own, `{head}`.

Weights: {license}. Code: Apache-2.0.

```python
import avzoo

encoder = avzoo.load({reference})
```

How it was trained is in `provenance.json`, the log in `training_log.json`. Classes: {classes}.
"""


class RunLog(CardCallback):
    """What a finetuning run can say of itself; writes no card while it runs."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Nothing."""

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Nothing."""


class ClassifierExport(EncoderExport):
    """Writes weights, configuration with class names, processor, log, provenance and card of a classifier.

    Args:
        processor: The processor of its input.
        log: What keeps the log of the run.
        run: What the run was: the encoder that it started from, its licence, the settings.
    """

    def __init__(self, processor: Any, log: RunLog, run: Mapping[str, Any]) -> None:
        super().__init__(processor, log)
        self.run = run

    def _save_network(self, model: AVPreTrainedModel, args: AVTrainingArguments, folder: Path) -> None:
        super()._save_network(model, args, folder)
        classifier = cast(ForFinetuning, model).classifier
        if not has_linear_head(classifier):
            save_model(classifier.classifier, str(folder / HEAD_FILE))

    def _provenance(self, folder: Path, args: AVTrainingArguments, log: dict[str, Any]) -> dict[str, Any]:
        """That of a trained encoder, with what it was finetuned from; whose licence is that of the weights."""
        told = super()._provenance(folder, args, log)
        told["source"] = f"finetuned with avzoo from {self.run['model']} ({self.run['revision']})"
        if self.run["license"] is not None:
            told["license"] = self.run["license"]
        return told | {"finetuning": dict(self.run)}

    def _rendered_card(self, folder: Path, reference: str) -> str:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        names = [name for _, name in sorted(config["id2label"].items(), key=lambda entry: int(entry[0]))]
        own_head = (folder / HEAD_FILE).is_file()
        modality, license_name = self.run["modality"], self.run["license"]
        metadata = {
            "library_name": "avzoo",
            "pipeline_tag": "feature-extraction" if own_head else f"{modality}-classification",
            **({"license": LICENSES[license_name].hub} if license_name in LICENSES else {}),
            "tags": [modality, config["model_type"]],
        }
        return (_ENCODER_CARD if own_head else _CARD).format(
            metadata=yaml.safe_dump(metadata, sort_keys=False).strip(),
            name=Path(reference).name,
            count=len(names),
            what="the picture of videos" if modality == "video" else "sound",
            model=self.run["model"],
            license="nobody has said under which licence" if license_name is None else license_notice(license_name),
            kind=modality.capitalize(),
            processor="AutoVideoProcessor" if modality == "video" else "AutoFeatureExtractor",
            reference=json.dumps(reference),
            classes=", ".join(names),
            head=HEAD_FILE,
        )
