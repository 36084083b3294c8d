"""What a run is called and what it leads back to: assembled once at its start, for journal and MLflow."""

import re
import tempfile
from pathlib import Path
from typing import Any

from pipeline import git, machine, naming, packed, page, params_file, paths, profile, run_key, wording
from pipeline.context import provenance_tags
from pipeline.facts import facts_of
from pipeline.files import file_digest, tree_digest
from pipeline.journal import Journal
from pipeline.params import Params

TOTAL = re.compile(r"Total params: ([\d,]+)")  # in the table of layers that Keras prints
PICTURES = ("curves.png", "confusion.png", "reliability.png", "mistakes.png")


def start_facts(params: Params) -> dict[str, Any]:
    """Everything that `live.Live.start` wants to know about a run of these params."""
    hashes, flat = locked_hashes(), params_file.flatten(params.model_dump(mode="json"))
    recipe = naming.recipe(flat, naming.read_presets(paths.PRESETS))
    tags: dict[str, Any] = (
        provenance_tags()
        | short_tags(flat, hashes)
        | {
            "reprolens.preset": recipe.preset,
            "reprolens.changes": recipe.described(),
            "reprolens.threads": params.train.threads,
            "reprolens.package_lock": file_digest(paths.PACKAGE_LOCK, "md5"),
            "reprolens.data": hashes.get(paths.RAW, "unknown"),
            "reprolens.split.train": hashes.get(paths.TRAIN, "unknown"),
            "reprolens.split.val": hashes.get(paths.VAL, "unknown"),
            "reprolens.split.test": hashes.get(paths.TEST, "unknown"),
        }
    )
    tags["mlflow.note.content"] = how_to_make_again(tags["reprolens.commit"], tags["reprolens.dirty"] == "yes")
    return {
        "experiment": experiment_name(params),
        "name": recipe.name(),
        "params": flat,
        "tags": tags,
        "inputs": [
            {"name": f"{experiment_name(params)}-{context}", "context": context, "source": str(path), "digest": digest}
            for context, path in (("training", paths.TRAIN), ("validation", paths.VAL), ("testing", paths.TEST))
            if (digest := hashes.get(path))
        ],
    }


def short_tags(flat: dict[str, Any], hashes: dict[Path, str]) -> dict[str, str]:
    """Tags that two runs are compared by at a glance: is it the data, the split, the code or the network?"""
    splits = {path.name: hashes.get(path, "unknown") for path in (paths.TRAIN, paths.VAL, paths.TEST)}
    code = {dep.as_posix(): tree_digest(dep) for dep in run_key.train_deps() if dep.suffix == ".py"}
    return {
        "data": hashes.get(paths.RAW, "unknown")[: wording.SHORT],
        "split": wording.short_digest(splits),
        "code": wording.short_digest(code),
        "packages": file_digest(paths.PACKAGE_LOCK, "md5")[: wording.SHORT],
        "network": naming.network(flat),
    }


def how_to_make_again(commit: str, dirty: bool) -> str:
    """The run's description in MLflow (Markdown): the way back to its bytes."""
    patch = ", `git apply` its `code.diff`" if dirty else ""
    return (
        f"**Make this run again:** `git checkout {commit}`{patch}, put its `params.yaml` (under Artifacts) "
        "in the repository, then `make repro`. Its `dvc.lock` holds the hashes to compare with."
    )


def experiment_name(params: Params) -> str:
    """One experiment per data set; a folder is called by its own name."""
    if params.dataset.name != "folder":
        return params.dataset.name
    return Path(params.dataset.path).name.split(".")[0] or "folder"


def locked_hashes() -> dict[Path, str]:
    """The MD5 that `dvc.lock` holds for every out (`....dir` for folders); empty where there is no lock."""
    if not paths.GRAPH_LOCK.exists():
        return {}
    stages = params_file.read_yaml(paths.GRAPH_LOCK).get("stages", {})
    return {Path(out["path"]): out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def lock_is_of_one_run() -> bool:
    """Whether every stage in `dvc.lock` read what the stages before wrote; not so where only some ran on other data."""
    if not paths.GRAPH_LOCK.exists():
        return True
    written = locked_hashes()
    stages = params_file.read_yaml(paths.GRAPH_LOCK).get("stages", {})
    read = [(Path(dep["path"]), dep["md5"]) for stage in stages.values() for dep in stage.get("deps", [])]
    return all(written.get(path, md5) == md5 for path, md5 in read)


def keep_origin(journal: Journal) -> None:
    """Keeps what makes the run again: params and the difference of the code to its commit."""
    journal.keep({"params.yaml": paths.PARAMS})
    journal.keep_text("code.diff", git.code_diff())


def keep_training(journal: Journal) -> None:
    """Keeps what `train` made, except the model."""
    journal.keep({"history.csv": paths.HISTORY, "model_summary.txt": paths.SUMMARY})


def keep_evaluation(journal: Journal) -> None:
    """Keeps what `evaluate` and `split` made, and the params and lock that they were made by."""
    pictures = {f"pictures/{name}": paths.EVALUATE_REPORT / name for name in PICTURES}
    data = {f"data/{name}": paths.SPLIT_REPORT / name for name in ("samples.png", "class_counts.png", "quarantine.csv")}
    tables = {
        "predictions.csv": paths.PREDICTIONS,
        "mistakes.npz": paths.MISTAKE_IMAGES,
        "per_class.csv": paths.EVALUATE_REPORT / "per_class.csv",
        "confusion.csv": paths.EVALUATE_REPORT / "confusion.csv",
        "metrics.json": paths.METRICS,
        "params.yaml": paths.PARAMS,
        "dvc.lock": paths.GRAPH_LOCK,
    }
    journal.keep(pictures | data | tables)
    _keep_profile(journal)
    if paths.REPORT_PAGE.exists():
        text = paths.REPORT_PAGE.read_text(encoding="utf-8")
        journal.keep_text(paths.REPORT_PAGE.name, page.fill(text, facts_of(journal)))


def _keep_profile(journal: Journal) -> None:
    """Keeps which images the run is made of; not where DVC fetched only the split that is evaluated."""
    if all(path.exists() for path in profile.SOURCES):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "profile.npz"
            profile.Profile.of_workspace().save(file)
            journal.keep({profile.NAME: file})


def model_tags(model: Path) -> dict[str, str]:
    """The model's hash, as `dvc.lock` has it; how many parameters it has, and how many images it was trained on."""
    return {"reprolens.model": file_digest(model, "md5")} | _sizes(paths.SUMMARY, paths.TRAIN)


def _sizes(summary: Path, train: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    if summary.exists() and (total := TOTAL.search(summary.read_text(encoding="utf-8"))):
        found["reprolens.parameters"] = total[1].replace(",", "")
    if train.exists():
        found["reprolens.training_images"] = str(len(packed.load(train)))
    return found


def test_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """The metrics as MLflow gets them: `test/accuracy`, `test_interval/accuracy_low`..."""
    named = {f"test/{name}": float(value) for name, value in metrics.items() if name != "interval"}
    for name, interval in metrics["interval"].items():
        named |= {f"test_interval/{name}_{bound}": value for bound, value in interval.items()}
    return named


def rebuild(journal: Journal, params: Params) -> None:
    """Writes the journal of a training that DVC restored from its cache, from its outs; times are unknown."""
    import pandas as pd

    facts = start_facts(params)
    facts["tags"]["reprolens.restored"] = "yes"
    journal.write("start", pid=machine.process_mark(), **facts)
    for row in pd.read_csv(paths.HISTORY).to_dict("records"):
        journal.write("epoch", row=row, seconds=None)
    journal.write("model", tags=model_tags(paths.MODEL))
    journal.write("end", status="FINISHED")
    keep_origin(journal)
    keep_training(journal)
