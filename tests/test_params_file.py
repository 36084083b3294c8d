"""From what is wrong in `params.yaml` to one clear line."""

from pathlib import Path

import pytest

from pipeline import params_file
from pipeline.errors import UserError
from pipeline.params import Dataset
from tests.conftest import REPOSITORY, Program, snapshot

BASE = (REPOSITORY / "presets" / "base.yaml").read_text(encoding="utf-8")


def changed(folder: Path, key: str, line: str) -> Path:
    """`params.yaml` with the line of `key` replaced."""
    file = folder / "params.yaml"
    lines = BASE.splitlines()
    number = next(number for number, text in enumerate(lines) if text.strip().startswith(f"{key}:"))
    file.write_text("\n".join([*lines[:number], line, *lines[number + 1 :]]) + "\n", encoding="utf-8")
    return file


def complaint(file: Path) -> str:
    with pytest.raises(UserError) as caught:
        params_file.load(file)
    message = str(caught.value)
    assert message.startswith(str(file)) and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("key", "line", "said"),
    [
        ("dropout", "  droput: 0.2", "unknown key `model.droput`: did you mean `model.dropout`?"),
        ("model", "modle:", "unknown key `modle`: did you mean `model`?"),
        ("max_unreadable", "  zzzzzzzz: 1", "unknown key `split.zzzzzzzz`: see presets/base.yaml for every key"),
        ("epochs", "", "`train.epochs` is missing: see presets/base.yaml for its default"),
        ("epochs", "  epochs:", "`train.epochs` is empty, but should be a valid integer"),
        ("epochs", "  epochs: five", "`train.epochs` is 'five', but should be a valid integer"),
        ("epochs", "  epochs: 5.0", "`train.epochs` is 5.0, but should be a valid integer"),
        ("epochs", "  epochs: true", "`train.epochs` is True, but should be a valid integer"),
        ("dropout", "  dropout: '0.5'", "`model.dropout` is '0.5', but should be a valid number"),
        ("dropout", "  dropout: true", "`model.dropout` is True, but should be a valid number"),
        ("batch_norm", "  batch_norm: 1", "`model.batch_norm` is 1, but should be a valid boolean"),
        ("filters", "  filters: 32", "`model.filters` is 32, but should be a list"),
        ("filters", "  filters: [32, [64, x]]", "`model.filters` is 'x', but should be a valid integer"),
        ("size", "  size: [8]", "`image.size` has too few values: see presets/base.yaml for its form"),
        ("path", "  path: 5", "`dataset.path` is 5, but should be a valid string"),
        ("name", "  name: digit", "`dataset.name` is 'digit', but should be 'digits', 'mnist', 'fashion-mnist'"),
        ("name", "  name: folder", "dataset.path is empty: run `reprolens use folder dataset.path=YOUR_FOLDER`"),
        ("size", "  size: [2, 8]", "image.size [2, 8] is smaller than the network needs"),
    ],
)
def test_a_wrong_line_is_named_with_what_would_be_right(tmp_path: Path, key: str, line: str, said: str) -> None:
    assert said in complaint(changed(tmp_path, key, line))


def test_a_watch_that_is_not_the_path_is_refused() -> None:
    with pytest.raises(UserError, match=r"dataset.watch is .* but must equal dataset.path"):
        params_file.parse({"dataset": {"name": "folder", "path": "a", "sha256": "", "mirror": "", "watch": "b"}})


@pytest.mark.parametrize("watch", ["s3://bucket/a", "pipeline/sources.py"])
def test_an_address_may_be_watched_or_not(watch: str) -> None:
    given = {"name": "folder", "path": "s3://bucket/a", "sha256": "", "mirror": "", "watch": watch}
    assert Dataset(**given).watch == watch  # type: ignore[arg-type]


@pytest.mark.parametrize("sha256", ["0" * 63, "G" * 64, "A" * 64])
def test_a_checksum_that_is_none_is_refused(sha256: str) -> None:
    given = {"name": "folder", "path": "a", "sha256": sha256, "mirror": "", "watch": "a"}
    with pytest.raises(UserError, match=f"dataset.sha256 is '{sha256}', but must be 64 small hexadecimal digits"):
        params_file.parse({"dataset": given})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty. Run `reprolens use digits`"),
        (b"# nothing but a comment\n", "is empty. Run `reprolens use digits`"),
        (b"[1, 2]", "expected sections such as `model:`, found list"),
        (b"hello", "expected sections such as `model:`, found str"),
        (b"model: [1\ntrain: 2", "line 2: not valid YAML"),
        (b"train:\n  epochs: 1\n  epochs: 2", 'line 3: not valid YAML (found duplicate key "epochs"'),
        (b"train: !!python/object:os.system 1", "line 1: not valid YAML"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_params_file_is_refused_whole(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    assert said in complaint(file)


def test_a_missing_file_and_a_folder_in_its_place_are_told_apart(tmp_path: Path) -> None:
    assert "no such file. Run `reprolens use digits`" in complaint(tmp_path / "params.yaml")
    assert "cannot be read: Is a directory" in complaint(tmp_path)


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    rates = [params_file.load(changed(tmp_path, "learning_rate", f"  learning_rate: {text}")) for text in ("1e-3", "1")]
    assert [params.train.learning_rate for params in rates] == [0.001, 1.0]


def test_a_whole_number_may_stand_for_a_broken_one(tmp_path: Path) -> None:
    assert params_file.load(changed(tmp_path, "dropout", "  dropout: [0, 0.5]")).model.dropout == (0.0, 0.5)


def test_a_section_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(UserError, match="`dataset` is 5, but should be a section with keys"):
        params_file.parse({"dataset": 5})


def test_flatten_gives_dotted_names() -> None:
    assert params_file.flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": 3}) == {"a.b.c": 1, "a.d": [2], "e": 3}


@pytest.mark.parametrize("key", ["dropout", "epoch", "train.epoch", "modle.dropout"])
def test_an_unknown_key_is_answered_with_a_dotted_name_that_exists(key: str) -> None:
    suggestion = params_file.unknown_key(key).split("`")[3]
    assert "." in suggestion and suggestion in params_file.known_names()


@pytest.mark.parametrize(
    ("key", "line", "said"),
    [
        ("dropout", "  droput: 0.2", "did you mean `model.dropout`?"),
        ("train", "  train: 0.9", "but must add up to 1"),
        ("size", "  size: [2, 2]", "image.size [2, 2] is smaller than the network needs"),
        ("kernel", "  kernel: [", "not valid YAML"),
    ],
)
def test_the_program_says_one_line_and_leaves_everything_alone(
    workspace: Path, reprolens: Program, key: str, line: str, said: str
) -> None:
    changed(workspace, key, line)
    before = snapshot(workspace)
    done = reprolens("check")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith("reprolens: error: params.yaml") and said in done.stderr
    assert snapshot(workspace) == before


def test_every_stage_refuses_bad_params_before_it_works(workspace: Path, program: Program) -> None:
    changed(workspace, "dropout", "  dropout: 2")
    before = snapshot(workspace)
    for stage in ("download", "split"):
        done = program(f"pipeline.stages.{stage}")
        assert done.returncode == 1
        assert done.stderr == f"{stage}: error: params.yaml: `model.dropout` is 2, but should be less than 1\n"
    assert snapshot(workspace) == before
