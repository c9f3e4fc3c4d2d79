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


def preset_tables(tree: ast.AST) -> Iterator[ast.expr]:
    """What is given as ``presets=`` or to a name that ends in ``PRESETS``.

    The keys there are papers, not families: settings that a paper published for a protocol. A family is evaluated by
    every protocol without a row in any of these tables, and a paper without a family can have one; so adding a family
    does not touch them. Whatever else a module of the evaluation says of a family counts as everywhere.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(keywords=keywords):
                yield from (keyword.value for keyword in keywords if keyword.arg == "presets")
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.endswith("PRESETS"):
                yield value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name.endswith("PRESETS"):
                yield value


def rows(table: ast.expr) -> Iterator[ast.AST]:
    """The keys of a table, and the papers of other tables that its rows are taken from (``SVM_PRESETS["xkd"]``)."""
    for node in ast.walk(table):
        match node:
            case ast.Dict(keys=keys):
                for key in keys:
                    yield from ast.walk(key) if key is not None else ()
            case ast.DictComp(key=key):
                yield from ast.walk(key)
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name.endswith("PRESETS"):
                yield key


def lines_that_name(family: str, tree: ast.AST) -> set[int]:
    """Lines of code, imports left out, with a name or a key that contains the family's; sentences are no keys."""
    papers = {node for table in preset_tables(tree) for node in rows(table)}
    lines = set()
    for node in ast.walk(tree):
        if node in papers:
            continue
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.Constant(value=str(text)):
                if re.fullmatch(rf"\S*{family}\S*", text, re.IGNORECASE):
                    lines.add(node.lineno)
    return lines


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ('PRESETS = {"xkd": 1, "xkd/audio": 2} | {f"xkd-{one}": one for one in range(2)}', set()),
        ('X_PRESETS: dict[str, int] = {"a": PRESETS["xkd"]["seed"]}', set()),
        ('Protocol("name", presets={"xkd": {}})', set()),
        ('PRESETS = {"a": "xkd"}', {1}),
        ('TABLE = {"xkd": 1}', {1}),
        ('if model == "xkd":\n    run(PRESETS["a"])', {1}),
    ],
)
def test_the_search_for_a_family_leaves_out_the_papers_of_presets_and_nothing_else(code: str, lines: set[int]) -> None:
    assert lines_that_name("xkd", ast.parse(code)) == lines


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
