"""The rules of the house, held to the code and to `dvc.yaml`."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from pipeline import params_file, paths, sources
from pipeline.params import Dataset, Params
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "pipeline"
STAGES = ("download", "split", "train", "evaluate")
# Modules a stage imports that cannot change its result: they say, show, record or name things.
HARMLESS = {
    *("completion", "context", "errors", "git", "journal", "live", "machine", "params_file", "paths", "progress"),
    *(
        "profile",
        "record",
        "runs",
        "tracked_model",
        "tracking",
        "tracking_server",
        "tune_params",
        "promote_params",
        "registry",
        "retrain_params",
        "start_weights",
        "version_names",
        "watcher",
        "watchers",
        "weights",
    ),
}
# Section of params.yaml -> modules whose functions take it.
SECTIONS = {
    "dataset": {"sources", "stages/download"},
    "image": {"decoding", "stages/split"},
    "split": {"assign", "stages/split"},
    "model": {"model"},
    "backbone": {"model", "start_weights", "warm_start"},
    "augment": {"augment", "images", "training"},
    "train": {"optimizer", "training"},
    "evaluate": {"stages/evaluate"},
}
PARAMS_MODULES = ("from pipeline.params import", "from pipeline.model_params", "from pipeline.backbone_params import")
WHOLE = {"tune", "promote", "retrain"}  # sections that are read through `Params` alone
PATHS_OF_OUTS = {
    "download": [paths.RAW],
    "split": [paths.TRAIN, paths.VAL, paths.TEST, paths.CLASSES, paths.SPLIT_REPORT],
    "train": [paths.MODEL, paths.RUN_KEY, paths.TRAIN_REPORT],
    "evaluate": [paths.EVALUATE_REPORT, paths.METRICS],
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").as_posix()


def imported(file: Path, at_runtime: bool = False, at_import: bool = False) -> set[str]:
    """Full names that a file imports; without type-checking blocks, or only those at module level."""
    names: set[str] = set()
    for node in walk(ast.parse(file.read_text()), at_runtime, at_import):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def walk(tree: ast.AST, at_runtime: bool, at_import: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        inside_function = isinstance(child, ast.FunctionDef)
        if (at_runtime and typing_only) or (at_import and inside_function):
            continue
        yield child
        yield from walk(child, at_runtime, at_import)


def our_modules(file: Path) -> set[str]:
    """Modules of the package that a file imports when it runs."""
    names = {name.removeprefix("pipeline.") for name in imported(file, at_runtime=True) if name.startswith("pipeline.")}
    candidates = {name.replace(".", "/") for name in names} | {
        name.rpartition(".")[0].replace(".", "/") for name in names
    }
    return {name for name in candidates if name and (PACKAGE / f"{name}.py").exists()}


def needed_by(stage: str) -> set[str]:
    """Every module that can change a stage's result: its imports, their imports..."""
    seen: set[str] = set()
    waiting = {f"stages/{stage}"}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= {other for other in our_modules(PACKAGE / f"{name}.py") if other not in seen | HARMLESS}
    return seen


def graph() -> dict[str, Any]:
    stages: dict[str, Any] = params_file.read_yaml(REPOSITORY / "dvc.yaml")["stages"]
    return stages


def test_the_graph_has_exactly_the_four_stages() -> None:
    assert tuple(graph()) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_modules_that_can_change_the_result(stage: str) -> None:
    listed = {dep for dep in graph()[stage]["deps"] if dep.startswith("pipeline/")}
    assets = {"pipeline/assets"} if "page" in needed_by(stage) else set()
    assert listed == {f"pipeline/{name}.py" for name in needed_by(stage)} | assets
    assert "requirements.lock" in graph()[stage]["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_runs_its_module_with_the_right_python(stage: str) -> None:
    assert graph()[stage]["cmd"] == f'PATH="$DVC_ROOT/.venv/bin:$PATH" python -m pipeline.stages.{stage}'


@pytest.mark.parametrize("stage", STAGES)
def test_outs_are_the_paths_the_code_writes(stage: str) -> None:
    outs = [*graph()[stage]["outs"], *graph()[stage].get("metrics", [])]
    assert [Path(out) for out in outs] == PATHS_OF_OUTS[stage]


def test_only_evaluate_depends_on_the_test_split() -> None:
    assert [name for name, stage in graph().items() if str(paths.TEST) in stage["deps"]] == ["evaluate"]
    readers = [file for file in modules() if "paths.TEST" in file.read_text()]
    # `split` writes it; `record` names its hash from dvc.lock; `profile` reads its manifest
    # and labels, no pixels; `trial` refuses to open it.
    assert {name_of(file) for file in readers} == {"stages/split", "stages/evaluate", "record", "profile", "trial"}


def test_arrows_run_one_way() -> None:
    for file in modules():
        rooms = {name.partition("/")[0] for name in our_modules(file) if "/" in name}
        room = name_of(file).partition("/")[0] if "/" in name_of(file) else "root"
        allowed = {"root": set(), "stages": set(), "lifecycle": {"lifecycle", "stages"}}[room]
        assert name_of(file) == "cli" or rooms <= allowed, f"{name_of(file)} imports from {rooms}"


def test_no_import_goes_in_circles() -> None:
    arrows = {name_of(file): our_modules(file) for file in modules()}
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}
    assert not arrows


def test_few_modules_import_mlflow() -> None:
    users = {name_of(file) for file in modules() if any(name.startswith("mlflow") for name in imported(file, True))}
    # `pyfunc_model` answers inside MLflow's own server.
    assert users == {"tracking", "tracking_server", "tracked_model", "registry", "mlflow_unused", "pyfunc_model"}


def test_importing_a_module_imports_no_heavy_package() -> None:
    heavy = ("tensorflow", "keras", "mlflow", "sklearn", "pandas", "matplotlib", "dvc", "optuna", "scipy")
    for file in modules():
        eager = imported(file, at_runtime=True, at_import=True)
        assert not [name for name in eager if name.partition(".")[0] in heavy], name_of(file)


def test_each_section_of_the_params_has_its_modules() -> None:
    assert set(SECTIONS) | WHOLE == set(Params.model_fields)
    for section, takers in SECTIONS.items():
        kind = section.capitalize()
        for taker in takers:
            assert f"import {kind}" in _imports_of(taker) or f", {kind}" in _imports_of(taker), (section, taker)


def _imports_of(module: str) -> str:
    lines = (PACKAGE / f"{module}.py").read_text().splitlines()
    return "\n".join(line for line in lines if line.startswith(PARAMS_MODULES))


def test_params_of_the_graph_exist_in_the_schema() -> None:
    known = params_file.known_names()
    assert all(name in known for stage in graph().values() for name in stage["params"])


def test_no_param_of_the_graph_has_a_key_that_the_run_cache_overlooks() -> None:
    from dvc_data.hashfile.meta import Meta

    values = params_file.read_yaml(REPOSITORY / "params.yaml")
    sections = {name: values[name] for stage in graph().values() for name in stage["params"] if name in values}
    keys = {key for section in sections.values() for key in params_file.flatten(section)}
    assert not [key for key in keys if {Meta.PARAM_SIZE, Meta.PARAM_NFILES} & set(key.split("."))]


def test_every_source_is_a_value_of_dataset_name_and_has_a_preset() -> None:
    assert set(get_args(Dataset.model_fields["name"].annotation)) == set(sources.SOURCES)
    assert set(sources.SOURCES) <= {file.stem for file in (REPOSITORY / "presets").glob("*.yaml")}


def test_files_and_functions_stay_small() -> None:
    lengths = []
    for file in modules():
        text = file.read_text()
        assert len(text.splitlines()) <= 200, f"{name_of(file)} has over 200 lines"
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        lengths += [(node.end_lineno or 0) - node.lineno + 1 for node in functions]
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 12
    assert lengths[len(lengths) * 9 // 10] <= 30
    assert lengths[-1] <= 60
