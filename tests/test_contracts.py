"""Rules of the source itself that neither the linter nor the import contract checks."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import avzoo
from avzoo._auto import FAMILIES
from avzoo.cli import VERBS

PACKAGE = Path(avzoo.__file__).parent
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

# What can run code out of a file or a string, or turns such a protection off.
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "torch.load", "torch.jit.load", "yaml.load"}
FORBIDDEN_ARGUMENTS = {"allow_pickle", "shell", "trust_remote_code"}
# Runs in a process of its own, and reads nothing but tensors there.
UNPICKLES = "hub/read_official.py"


def forbidden(tree: ast.AST) -> Iterator[str]:
    """What no module of the package may do."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] in FORBIDDEN_IMPORTS)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_IMPORTS:
                yield module
            case ast.Call(func=function, keywords=keywords):
                if (name := ast.unparse(function)) in FORBIDDEN_CALLS:
                    yield name
                for keyword in keywords:
                    if keyword.arg in FORBIDDEN_ARGUMENTS and ast.unparse(keyword.value) != "False":
                        yield f"{name}({keyword.arg})"
            case ast.Assert():
                yield "assert"


@pytest.mark.parametrize("name", MODULES)
def test_nothing_forbidden(name: str) -> None:
    allowed = ["torch.load"] if name == UNPICKLES else []
    assert list(forbidden(ast.parse(MODULES[name].read_text()))) == allowed


def test_the_one_module_that_unpickles_reads_tensors_only_and_is_imported_nowhere() -> None:
    source = MODULES[UNPICKLES].read_text()
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    (call,) = (call for call in calls if ast.unparse(call.func) == "torch.load")
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}["weights_only"] == "True"
    module = UNPICKLES.removesuffix(".py").replace("/", ".")
    imports = re.compile(rf"^\s*(from|import) +avzoo\.({module}\b|hub import .*read_official)", re.MULTILINE)
    assert [name for name, path in MODULES.items() if imports.search(path.read_text())] == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "run(command, shell=flag)",
        "assert x",
    ],
)
def test_the_search_finds_what_is_forbidden(code: str) -> None:
    assert len(list(forbidden(ast.parse(code)))) == 1


# A published repository carries these files beside each other, without the package.
@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("models/", "processing/"))])
def test_published_code_imports_siblings_by_name(name: str) -> None:
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "avzoo" for alias in node.names), ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.level > 0:
            assert node.level == 1 and node.module is not None and "." not in node.module, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and node.module.split(".")[0] != "avzoo", ast.unparse(node)


def test_every_verb_is_one_module() -> None:
    modules = {name.removeprefix("cli/").removesuffix(".py") for name in MODULES if name.startswith("cli/")}
    assert {name for name in modules if not name.startswith("_")} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    command = importlib.import_module(f"avzoo.cli.{verb}").command
    assert inspect.getdoc(command), "the help of a verb is the docstring of its command"


# Tables to which a family adds rows, and the files that are its own.
ADDED_TO = {"__init__.py", "_auto.py"}
OWN = {"pretraining/masked_decoder.py"}
# A network that belongs to another family: the files of that family are its own too.
SERVES = {"cnn14": "ccl"}


def lines_that_name(family: str, tree: ast.AST) -> set[int]:
    """Lines of code, imports left out, with a name or a key that contains the family's; sentences are no keys."""
    lines = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.Constant(value=str(text)):
                if re.fullmatch(rf"\S*{family}\S*", text, re.IGNORECASE):
                    lines.add(node.lineno)
    return lines


@pytest.mark.parametrize("family", sorted({model_type.split("_")[0] for model_type in FAMILIES}))
def test_a_family_touches_at_most_four_existing_lines(family: str) -> None:
    own = {family, SERVES.get(family, family)}
    touched = {
        name: len(lines)
        for name, path in MODULES.items()
        if not any(part in path.name for part in own) and name not in ADDED_TO | OWN
        if (lines := lines_that_name(family, ast.parse(path.read_text())))
    }
    assert sum(touched.values()) <= 4, touched
    contributing = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    assert all(f"avzoo/{name}" in contributing for name in touched), f"CONTRIBUTING says where: {touched}"
