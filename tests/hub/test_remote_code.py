"""The code beside the weights: the same numbers in an environment that does not have this package."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from bare_environment import make_environment
from hub_server import HubServer
from safetensors.torch import save_file
from transformers import AutoModel

import avzoo
from avzoo import _auto
from avzoo.checkpoints.hashes import sha256_of
from avzoo.hub.provenance import file_hashes, write_provenance
from avzoo.hub.push import push
from avzoo.hub.remote_code import RemoteCodeError, add_code, all_code_names, code_files, drop_code

HERE = Path(__file__).parent
ENCODERS = [name for name, family in _auto.FAMILIES.items() if family.model]
HEADS = {
    "video_classification": "AutoModelForVideoClassification",
    "audio_classification": "AutoModelForAudioClassification",
}
PROCESSORS = {
    "processor": "AutoProcessor",
    "video_processor": "AutoVideoProcessor",
    "feature_extractor": "AutoFeatureExtractor",
}


def contract() -> ModuleType:
    """The table of one small configuration for every model type."""
    path = HERE.parent / "models" / "test_model_contract.py"
    spec = importlib.util.spec_from_file_location("contract_cases", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(python: Path, cases: dict[str, Any], tmp_path: Path, online: bool = False) -> dict[str, Any]:
    """What `remote_child.py` found."""
    listed = tmp_path / "cases.json"
    listed.write_text(json.dumps(cases))
    environment = os.environ | {"HF_HOME": str(tmp_path / "other-home"), "HF_HUB_CACHE": str(tmp_path / "other-cache")}
    environment["HF_HUB_OFFLINE"] = "0" if online else "1"
    command = [str(python), "-I", str(HERE / "remote_child.py"), str(listed)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def tensors(path: Path, inputs: dict[str, torch.Tensor], outputs: Any) -> str:
    flat = {f"inputs.{name}": value.contiguous() for name, value in inputs.items()}

    def add(values: Any, prefix: str) -> None:
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                flat[prefix + name] = value.contiguous()
            elif hasattr(value, "items"):
                add(value, f"{prefix}{name}.")

    add(outputs, "outputs.")
    save_file({name: value.clone() for name, value in flat.items()}, path)
    return str(path)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with transformers and torch alone."""
    return make_environment(tmp_path_factory.mktemp("bare") / "venv", ["transformers", "torch"])


@pytest.fixture(scope="module")
def with_vision_and_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with what the processors, and the image teacher, need as well."""
    names = ["transformers", "torch", "torchvision", "torchaudio", "timm"]
    return make_environment(tmp_path_factory.mktemp("processing") / "venv", names)


@pytest.mark.parametrize("model_type", ENCODERS)
def test_the_modules_of_a_model_are_complete_and_flat(model_type: str) -> None:
    files = code_files(model_type)
    assert set(files) <= all_code_names()
    for path in files.values():
        siblings = re.findall(r"^\s*from \.(\w+) import", path.read_text(), re.MULTILINE)
        assert {f"{name}.py" for name in siblings} <= set(files)


def test_other_model_types_have_no_code_to_publish(tmp_path: Path) -> None:
    for model_type in ("xkd_pretraining", "bert"):
        with pytest.raises(RemoteCodeError, match=f"{model_type} is no encoder of the zoo"):
            code_files(model_type)


def model_cases(tmp_path: Path, needing_more: bool) -> dict[str, Any]:
    """Every model and classifier whose code needs no more than torch and transformers, or the others."""
    import transformers

    table = contract()
    cases = {}
    for name, make in table.CONFIGS.items():
        config = make()
        if bool(code_needs(config.model_type) - {"torch", "transformers"}) != needing_more:
            continue
        family = _auto.FAMILIES[config.model_type]
        for auto in ["AutoModel", *(auto for column, auto in HEADS.items() if getattr(family, column))]:
            torch.manual_seed(0)
            folder = tmp_path / f"{name}-{auto}"
            model = getattr(transformers, auto).from_config(config).eval()
            generator = torch.Generator().manual_seed(1)
            inputs = {part: table.INPUTS[part](generator) for part in table.TRAITS[config.model_type].inputs}
            with torch.inference_mode():
                outputs = model(**inputs)
            model.save_pretrained(folder)
            add_code(folder)
            cases[folder.name] = {
                "source": str(folder),
                "auto": auto,
                "tensors": tensors(tmp_path / f"{folder.name}.safetensors", inputs, outputs),
            }
            cases[f"{folder.name} config"] = {"source": str(folder), "auto": "AutoConfig"}
    return cases


def test_every_model_and_classifier_gives_the_same_numbers(bare: Path, tmp_path: Path) -> None:
    cases = model_cases(tmp_path, needing_more=False)
    assert len(cases) > 20
    assert run(bare, cases, tmp_path) == {"installed": [], "problems": {}}


def code_needs(model_type: str) -> set[str]:
    """Distributions that the code of a model imports, its processors left out."""
    family = _auto.FAMILIES[model_type]
    modules = [path for path in code_files(model_type).values() if path.parent.name == "models"]
    assert family.model is not None
    found = set()
    for path in modules:
        found |= set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
    return found & {"torch", "transformers", "torchvision", "torchaudio", "timm", "numpy", "scipy"}


def test_only_the_image_teacher_needs_more_than_torch_and_transformers() -> None:
    needs = {model_type: code_needs(model_type) - {"torch", "transformers"} for model_type in ENCODERS}
    assert {name: extra for name, extra in needs.items() if extra} in ({}, {"ccl_image": {"timm"}})


def test_every_processor_gives_the_same_numbers(with_vision_and_audio: Path, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (4, 3, 40, 50), generator=generator, dtype=torch.uint8)
    sound = torch.rand(20_000, generator=generator) - 0.5
    both = {"videos": frames, "audio": sound}
    taken = {"processor": both, "video_processor": {"frames": frames}, "feature_extractor": {"sound": sound}}
    table = contract()
    configs = {make().model_type: make for make in table.CONFIGS.values()}
    cases = model_cases(tmp_path, needing_more=True)
    for model_type in ENCODERS:
        family = _auto.FAMILIES[model_type]
        column = next((column for column in PROCESSORS if getattr(family, column)), None)
        if column is None:
            continue
        folder = tmp_path / model_type
        configs[model_type]().save_pretrained(folder)
        processor = _auto._load(getattr(family, column))()
        processor.save_pretrained(folder)
        add_code(folder)
        inputs = taken[column]
        outputs = processor(**inputs) if column == "processor" else processor(*inputs.values())
        autos = [auto for name, auto in PROCESSORS.items() if getattr(family, name)]
        cases[model_type] = {
            "source": str(folder),
            "auto": PROCESSORS[column],
            "tensors": tensors(tmp_path / f"{model_type}.safetensors", inputs, outputs),
        }
        cases |= {f"{model_type} {auto}": {"source": str(folder), "auto": auto} for auto in autos}
    assert "xkd" in cases and "xkd_audio AutoFeatureExtractor" in cases
    assert run(with_vision_and_audio, cases, tmp_path) == {"installed": [], "problems": {}}


def test_over_the_wire(hub: HubServer, with_vision_and_audio: Path, nano_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "xkd-nano"
    folder.mkdir()
    for path in nano_checkpoint.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = sha256_of(folder / "model.safetensors")
    write_provenance(folder, {"source": "a test", "weights_sha256": weights, "files": file_hashes(folder)})
    commit = push(folder, "zoo/xkd-nano", with_code=True).upload.commit
    assert not any("auto_map" in path.read_text() for path in folder.glob("*.json"))

    local = avzoo.load(folder)
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (32, 3, 70, 90), generator=generator, dtype=torch.uint8)
    sound = torch.rand(64_000, generator=generator) - 0.5
    inputs = dict(local.video_processor(frames)) | dict(local.feature_extractor(sound))
    with torch.inference_mode():
        outputs = local.model(**inputs)
    where = {"source": "zoo/xkd-nano", "revision": commit}
    cases = {
        "config": {**where, "auto": "AutoConfig"},
        "model": {**where, "auto": "AutoModel", "tensors": tensors(tmp_path / "m.safetensors", inputs, outputs)},
        "processor": {
            **where,
            "auto": "AutoProcessor",
            "tensors": tensors(tmp_path / "p.safetensors", {"videos": frames, "audio": sound}, inputs),
        },
        "newest": {"source": "zoo/xkd-nano", "auto": "AutoModel"},
        "frames": {**where, "auto": "AutoVideoProcessor"},
        "sound": {**where, "auto": "AutoFeatureExtractor"},
    }
    hub.requests.clear()
    assert run(with_vision_and_audio, cases, tmp_path, online=True) == {"installed": [], "problems": {}}
    assert hub.asked("GET", r"/modeling_xkd\.py") and not hub.asked("GET", r"\.bin")
    # Where the package is, its own classes are used, and nobody is asked for trust.
    assert type(AutoModel.from_pretrained("zoo/xkd-nano")) is avzoo.XKDModel
    assert type(avzoo.load("zoo/xkd-nano").model) is avzoo.XKDModel


def test_code_can_be_taken_out_again(nano_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "xkd-nano"
    folder.mkdir()
    settings = {path.name: json.loads(path.read_text()) for path in nano_checkpoint.glob("*.json")}
    for path in nano_checkpoint.glob("*.json"):
        (folder / path.name).write_bytes(path.read_bytes())
    add_code(folder)
    maps = json.loads((folder / "processor_config.json").read_text())
    assert maps["auto_map"] == {"AutoProcessor": "processing_xkd.XKDProcessor"}
    assert maps["video_processor"]["auto_map"] == {"AutoVideoProcessor": "video_processing_xkd.XKDVideoProcessor"}
    drop_code(folder)
    assert {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")} == settings
