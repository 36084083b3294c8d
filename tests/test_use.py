"""`reprolens use`: what is in params.yaml is what runs."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import params_file
from pipeline.errors import UserError
from pipeline.lifecycle.use import check, compose, presets, use
from tests.conftest import OF_A_FOLDER, REPOSITORY, Program, edit_yaml, snapshot, write_pictures

PRESETS = REPOSITORY / "presets"
ODD_NAMES = ["a b", "it's", 'say "hi"', "a: b", "a #1", "x=y", "bücher", "2024", "#c", "*s", "{b}", "a\nb", "- d", "~t"]


def value(text: str, key: str) -> object:
    return params_file.flatten(YAML(typ="safe").load(text))[key]


@pytest.mark.parametrize("name", presets(PRESETS))
def test_every_preset_is_valid(workspace: Path, name: str) -> None:
    write_pictures(workspace / "pictures")
    use(name, ["dataset.path=pictures"] if name in OF_A_FOLDER else [])
    made = params_file.load(Path("params.yaml"))
    assert name.startswith((made.dataset.name, made.backbone.name))  # as in cifar10-cnn, vgg16-transfer
    check()


def test_base_is_what_presets_stand_on_and_none_itself() -> None:
    assert "base" not in presets(PRESETS)
    assert {"digits", "mnist", "folder"} <= set(presets(PRESETS))


def test_an_overlay_changes_base_and_an_override_changes_both() -> None:
    assert value(compose(PRESETS, "mnist", []), "image.size") == [28, 28]
    assert value(compose(PRESETS, "mnist", ["image.size=[14,14]"]), "image.size") == [14, 14]


def test_comments_and_order_of_base_stay() -> None:
    text = compose(PRESETS, "mnist", ["model.filters=[8,16]", "train.optimizer=sgd", "model.dropout=[0,0.2]"])
    base = (PRESETS / "base.yaml").read_text(encoding="utf-8")
    assert [line.split(":")[0] for line in text.splitlines()] == [line.split(":")[0] for line in base.splitlines()]
    assert [line.partition("#")[2] for line in text.splitlines()] == [
        line.partition("#")[2] for line in base.splitlines()
    ]


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("model.filters=[8,16]", [8, 16]),
        ("model.filters=[[8, 8], 16]", [[8, 8], 16]),
        ("model.dropout=[0, 0.2]", [0, 0.2]),
        ("train.learning_rate=1e-05", 1e-05),
        ("train.learning_rate=1", 1.0),
        ("dataset.mirror=http://host/a#b", "http://host/a#b"),
    ],
)
def test_an_override_is_read_as_it_is_meant(override: str, meant: object) -> None:
    text = compose(PRESETS, "digits", [override])
    found = value(text, override.partition("=")[0])
    assert found == meant and type(found) is type(meant)
    assert len(text.splitlines()) == len((PRESETS / "base.yaml").read_text(encoding="utf-8").splitlines())


def test_the_last_of_two_overrides_holds() -> None:
    assert value(compose(PRESETS, "digits", ["train.epochs=2", "train.epochs=3"]), "train.epochs") == 3


@pytest.mark.parametrize(
    ("name", "override", "said"),
    [
        ("digit", "train.epochs=2", "no preset `digit`: did you mean `digits`? There are"),
        ("../presets/digits", "train.epochs=2", "no preset `../presets/digits`"),
        ("digits", "train.epoch=2", "unknown key `train.epoch`: did you mean `train.epochs`?"),
        ("digits", "dropout=0.2", "unknown key `dropout`: did you mean `model.dropout`?"),
        ("digits", "model=5", "`model` is a section, not a key"),
        ("digits", "train.epochs", "'train.epochs' is not key=value"),
        ("digits", "train.epochs=", "`train.epochs` is '', but should be a valid integer"),
        ("digits", "train.epochs=many", "`train.epochs` is 'many', but should be a valid integer"),
        ("digits", "model.filters=[8,", "model.filters: '[8,' is not a value"),
        ("digits", "split.train=0.9", "but must add up to 1"),
        ("digits", "dataset.name=folder", "dataset.path is empty"),
        ("folder", "dataset.path=/no/such/folder", "dataset.path '/no/such/folder' does not exist"),
    ],
)
def test_a_bad_request_writes_nothing(workspace: Path, name: str, override: str, said: str) -> None:
    before = snapshot(workspace)
    with pytest.raises(UserError) as caught:
        use(name, [override])
    assert said in str(caught.value)
    assert snapshot(workspace) == before


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_folder_of_any_name_is_taken_and_watched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    text = compose(PRESETS, "folder", [f"dataset.path={tmp_path / name}"])
    assert value(text, "dataset.path") == value(text, "dataset.watch") == str(tmp_path / name)


def test_the_home_folder_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for given, meant in (("~/pictures", tmp_path / "pictures"), ("~", tmp_path)):
        assert value(compose(PRESETS, "folder", [f"dataset.path={given}"]), "dataset.path") == str(meant)


def test_a_preset_after_folder_watches_code_again(workspace: Path) -> None:
    write_pictures(workspace / "pictures")
    use("folder", ["dataset.path=pictures"])
    use("digits", [])
    assert params_file.load(Path("params.yaml")).dataset.watch == "pipeline/sources.py"


def test_check_finds_a_folder_that_went_away(workspace: Path) -> None:
    edit_yaml(workspace / "params.yaml", dataset__name="folder", dataset__path="gone", dataset__watch="gone")
    with pytest.raises(UserError, match=r"dataset.path 'gone' does not exist: give a folder of class folders"):
        check()


def test_use_shows_the_difference_and_using_twice_says_so(workspace: Path, reprolens: Program) -> None:
    first, second = (reprolens("use", "digits", "train.epochs=77") for _ in range(2))
    assert "+  epochs: 77" in first.stdout and "-  epochs:" in first.stdout and "batch_size" not in first.stdout
    assert second.stdout == "params.yaml holds this already\nNext: dvc repro\n"
    assert first.returncode == second.returncode == 0


def test_use_mends_a_params_file_that_is_missing_or_broken(workspace: Path) -> None:
    (workspace / "params.yaml").unlink()
    use("digits", [])
    good = (workspace / "params.yaml").read_bytes()
    (workspace / "params.yaml").write_bytes(b"\xff\x00[")
    use("digits", [])
    assert (workspace / "params.yaml").read_bytes() == good


def test_a_params_file_that_cannot_be_written_is_one_line(workspace: Path, reprolens: Program) -> None:
    (workspace / "params.yaml").unlink()
    (workspace / "params.yaml").mkdir()
    done = reprolens("use", "digits")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("reprolens: error: ") and "params.yaml" in done.stderr


@pytest.mark.parametrize(("content", "stays"), [("", False), ('{"write": {', False), ('{"write": {}}', True)])
def test_what_a_killed_dvc_left_half_written_is_removed(workspace: Path, content: str, stays: bool) -> None:
    locks = workspace / ".dvc" / "tmp" / "rwlock"
    locks.parent.mkdir(parents=True)
    locks.write_text(content)
    check()
    assert locks.exists() == stays
