"""Loads models and processors with the code of their folders, where this package is not installed.

``python -I remote_child.py CASES.json`` prints, for each case, what went wrong, or nothing. A case is a mapping of
``source`` and ``revision``, what ``from_pretrained`` takes; ``auto``, the name of the Auto class; and ``tensors``, a
safetensors file with ``inputs.NAME`` and the expected ``outputs.NAME``. No class but transformers' own is named here.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

ABSENT = ("avzoo", "wrapt", "av", "pyarrow", "sklearn", "accelerate")


def installed(module):
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def flat(outputs, prefix="outputs."):
    tensors = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor):
            tensors[prefix + name] = value
        elif hasattr(value, "items"):
            tensors |= flat(value, f"{prefix}{name}.")
    return tensors


def problem(case):
    """What is wrong with a case; None where nothing is."""
    auto = getattr(transformers, case["auto"])
    loaded = auto.from_pretrained(case["source"], revision=case.get("revision"), trust_remote_code=True)
    kind = type(loaded)
    if not kind.__module__.startswith("transformers_modules."):
        return f"{kind.__module__} is not the code of the folder"
    if "tensors" not in case:
        return None
    tensors = load_file(case["tensors"])
    inputs = {name.removeprefix("inputs."): value for name, value in tensors.items() if name.startswith("inputs.")}
    if len(inputs) == 1 and not isinstance(loaded, torch.nn.Module):
        outputs = loaded(*inputs.values())
    else:
        with torch.inference_mode():
            outputs = loaded(**inputs)
    found = flat(outputs)
    expected = {name: value for name, value in tensors.items() if name.startswith("outputs.")}
    if found.keys() != expected.keys():
        return f"outputs {sorted(found)} instead of {sorted(expected)}"
    different = [name for name, value in expected.items() if not torch.equal(value, found[name])]
    return f"{different} differ" if different else None


def main():
    torch.set_num_threads(1)
    cases = json.loads(Path(sys.argv[1]).read_text())
    found = {"installed": [module for module in ABSENT if installed(module)], "problems": {}}
    for name, case in cases.items():
        try:
            wrong = problem(case)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            found["problems"][name] = wrong
    print(json.dumps(found))


if __name__ == "__main__":
    main()
