"""`reprolens predict`: any pictures, a real small model, tables and pictures as a person gets them."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from pipeline.cli import cli
from pipeline.decode import decode, fit
from pipeline.errors import UserError
from pipeline.lifecycle.predict import ROWS_SHOWN, UNREADABLE_SHOWN
from tests.conftest import Program
from tests.small_model import LABELS, save_model

MODES = {  # what Pillow can write
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "GIF": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "TGA": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "ICO": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
    "AVIF": ("L", "RGB", "RGBA"),
}
SIZES = [(1, 1), (1, 900), (900, 1), (7, 9), (8, 8), (640, 480), (3000, 2000)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A workspace with a model; the network itself, as Keras alone loads it."""
    import keras

    folder = tmp_path_factory.mktemp("workspace")
    (folder / "dvc.yaml").touch()
    (folder / "models").mkdir()
    return keras.saving.load_model(save_model(folder / "models" / "model.keras"), compile=False), folder


@pytest.fixture(autouse=True)
def here(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model[1])


def predict(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["predict", *map(str, arguments)])


def expected(model: Any, files: list[Path]) -> np.ndarray:
    """Likelihoods as Keras gives them for the pixels that training would see."""
    pixels = np.stack([fit(decode(file.read_bytes()), (8, 8), 3) for file in files])
    return np.asarray(model[0].predict(pixels, verbose=0))


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return list(csv.DictReader(stream))


def likelihoods(rows: list[dict[str, str]]) -> np.ndarray:
    """Those of all classes, in the order of `LABELS`; the table must tell all four."""
    ranks = [("label", "likelihood"), *((f"label_{rank}", f"likelihood_{rank}") for rank in range(2, 5))]
    told = [{row[label]: float(row[likelihood]) for label, likelihood in ranks} for row in rows]
    return np.array([[row[label] for label in LABELS] for row in told])


def write_pictures(folder: Path, count: int, classes: tuple[str, ...] = ("",)) -> list[Path]:
    """Pictures of random colours, dealt to class folders."""
    random = np.random.default_rng(count)
    files = [folder / classes[number % len(classes)] / f"{number:04}.png" for number in range(count)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        colours = random.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(colours).resize((12, 9), Image.Resampling.NEAREST).save(file)
    return files


def pictures_of_all_kinds(folder: Path) -> list[Path]:
    folder.mkdir()
    photo = Image.effect_mandelbrot((40, 30), (-3, -2.5, 2, 2.5), 40)
    deep = Image.fromarray(np.asarray(photo).astype(np.uint16) * 257)
    for kind, modes in MODES.items():
        for mode in modes:
            colour = photo.convert("RGB") if mode == "LAB" else photo
            picture = deep if mode == "I;16" else colour.convert(mode)
            picture.save(folder / f"{mode.replace(';', '')}.{kind}", kind)
    return sorted(folder.iterdir())


def test_every_mode_of_every_format_is_predicted_as_keras_does(model: Any, tmp_path: Path) -> None:
    files = pictures_of_all_kinds(tmp_path / "pictures")
    done = predict(tmp_path / "pictures", "--top", 4, "--out", tmp_path / "a.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    rows = table(tmp_path / "a.csv")
    assert [row["file"] for row in rows] == list(map(str, files))
    np.testing.assert_allclose(likelihoods(rows), expected(model, files), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_any_size_are_predicted(model: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    file = tmp_path / "a.png"
    Image.radial_gradient("L").resize(size).save(file)
    assert predict(file, "--top", 4, "--out", tmp_path / "a.json").exit_code == 0
    (row,) = json.loads((tmp_path / "a.json").read_text())
    told = {entry["label"]: entry["likelihood"] for entry in row["likelihoods"]}
    assert list(told.values()) == sorted(told.values(), reverse=True)
    np.testing.assert_allclose([told[label] for label in LABELS], expected(model, [file])[0], rtol=0, atol=1e-6)


def test_many_files_are_predicted_in_their_order_whatever_their_company(model: Any, tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "pictures", 75)
    (tmp_path / "pictures" / "0010.png").write_bytes(b"words")
    predict(tmp_path / "pictures", "--top", 4, "--out", tmp_path / "all.csv")
    predict(files[74], files[3], "--top", 4, "--out", tmp_path / "two.csv")
    whole, two = table(tmp_path / "all.csv"), table(tmp_path / "two.csv")
    assert [row["file"] for row in whole] == [str(file) for file in files if file.name != "0010.png"]
    np.testing.assert_allclose(likelihoods(two), likelihoods([whole[73], whole[3]]), rtol=0, atol=1e-7)
    good = [file for file in files if file.name != "0010.png"]
    np.testing.assert_allclose(likelihoods(whole), expected(model, good), rtol=0, atol=1e-6)


def test_a_table_shows_the_likeliest_and_their_likelihoods(model: Any, tmp_path: Path) -> None:
    (file,) = write_pictures(tmp_path, 1)
    values = expected(model, [file])[0]
    first, second, third = np.argsort(-values)[:3]
    head, line = predict(file).stdout.splitlines()
    assert head.split() == ["file", "label", "likelihood", "runners-up"]
    runners = f"{LABELS[second]} {values[second]:.2f}, {LABELS[third]} {values[third]:.2f}"
    assert line == f"{file}  {LABELS[first]:5}  {values[first]:10.4f}  {runners}"
    assert predict(file, "--top", 1).stdout.splitlines()[0].split() == ["file", "label", "likelihood"]


def test_of_many_files_the_first_and_the_counts_are_shown(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", ROWS_SHOWN + 7)
    lines = predict(tmp_path / "pictures").stdout.splitlines()
    assert lines[ROWS_SHOWN].startswith(str(tmp_path / "pictures" / "0049.png"))
    assert lines[ROWS_SHOWN + 1] == "... and 7 more (--out FILE.csv keeps all)"
    assert lines[ROWS_SHOWN + 3].split() == ["label", "pictures"]
    assert sum(int(line.split()[1]) for line in lines[ROWS_SHOWN + 4 :]) == ROWS_SHOWN + 7


def test_broken_files_are_named_and_skipped_and_the_exit_code_says_so(tmp_path: Path, reprolens: Program) -> None:
    save_model(tmp_path / "m.keras")
    files = write_pictures(tmp_path / "pictures", 40)
    files[2].write_bytes(files[2].read_bytes()[:60])
    (tmp_path / "pictures" / "empty.jpg").touch()
    (tmp_path / "pictures" / "words\n.gif").write_text("words")
    done = reprolens("predict", str(tmp_path / "pictures"), f"--model={tmp_path}/m.keras", f"--out={tmp_path}/a.csv")
    assert done.returncode == 3
    folder = f"predict: {tmp_path}/pictures"
    assert done.stderr.splitlines()[1:] == [
        f"{folder}/empty.jpg: empty file (skipped)",
        f"{folder}/words\\n.gif: not a picture (skipped)",
        "predict: 3 of 42 files were unreadable",
    ]
    assert done.stderr.startswith(f"{folder}/0002.png: broken picture: ")
    assert len(table(tmp_path / "a.csv")) == 39
    assert done.stdout.startswith("file ") and done.stdout.endswith(f"\ntable    {tmp_path}/a.csv\n")
    assert len(done.stdout.splitlines()) == 42


def test_after_many_broken_files_only_their_number_is_told(tmp_path: Path) -> None:
    for number in range(UNREADABLE_SHOWN + 5):
        (tmp_path / f"{number}.png").touch()
    write_pictures(tmp_path / "good", 1)
    done = predict(tmp_path)
    assert done.exit_code == 3
    *lines, more, last = done.stderr.splitlines()
    assert len(lines) == UNREADABLE_SHOWN and all(line.endswith("empty file (skipped)") for line in lines)
    assert more == "predict: more are unreadable, from here on they are only counted"
    assert last == "predict: 25 of 26 files were unreadable"


def test_without_a_readable_file_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"words")
    (tmp_path / "a.csv").write_text("the last one")
    done = predict(tmp_path / "a.png", "--out", tmp_path / "a.csv", "--picture", tmp_path / "sheet.png")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.endswith("predict: 1 of 1 files were unreadable\n")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "a.png"]
    assert (tmp_path / "a.csv").read_text() == "the last one"


def test_odd_file_names_survive(tmp_path: Path) -> None:
    (file,) = write_pictures(tmp_path / "one", 1)
    names = ['a,"b"\n.png', "bücher.png", os.fsdecode(b"bad\xff.png"), "$x$.png", "中.png"]
    for name in names:
        (tmp_path / name).write_bytes(file.read_bytes())
    given = [tmp_path / name for name in names]
    for out in ("a.csv", "a.json"):
        done = predict(*given, "--out", tmp_path / out, "--picture", tmp_path / "sheet.png")
        assert (done.exit_code, done.stderr) == (0, "")
    assert [row["file"] for row in table(tmp_path / "a.csv")] == list(map(str, given))
    assert [row["file"] for row in json.loads((tmp_path / "a.json").read_text())] == list(map(str, given))


def test_labelled_folders_tell_how_many_are_right(model: Any, tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "pictures", 60, tuple(LABELS))
    guesses = [LABELS[row] for row in expected(model, files).argmax(axis=1)]
    right = sum(guess == file.parent.name for guess, file in zip(guesses, files, strict=True))
    done = predict(tmp_path / "pictures", "--labelled", "--out", tmp_path / "a.csv")
    assert done.stdout.splitlines()[-1] == f"{right} of 60 right (accuracy {right / 60:.3f})"
    assert [row["true_label"] for row in table(tmp_path / "a.csv")] == sorted(LABELS * 15)


@pytest.mark.parametrize("count", [1, 9, 120])
def test_a_sheet_shows_at_most_a_hundred_pictures(tmp_path: Path, count: int) -> None:
    write_pictures(tmp_path / "pictures", count)
    done = predict(tmp_path / "pictures", "--picture", tmp_path / "sheet.png")
    assert done.stdout.endswith(f"picture  {tmp_path}/sheet.png\n")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and min(sheet.size) > 300
        assert np.asarray(sheet).std() > 10


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "gone.png does not exist: give pictures or folders"),
        (["--model", "other.keras"], "--model other.keras does not exist: give a file, an MLflow run, or models:/"),
        (["--top", "5"], "--top 5 is above the 4 classes of models/model.keras: give at most that"),
        (["--out", "gone/a.csv"], "--out gone/a.csv: there is no folder gone: make it first, or give another"),
        (["--out", "a.xlsx"], "--out a.xlsx must end in .csv or .json"),
        (["--picture", "a.jpg"], "--picture a.jpg must end in .png"),
        (["--picture", "gone/a.png"], "--picture gone/a.png: there is no folder gone"),
        (["--picture", "lion/0000.png"], "--picture lion/0000.png is among the pictures to predict"),
        (["--labelled"], "models/model.keras is for other classes: it does not know the folder 'lion', but 'ant', "),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, model: Any, arguments: list[str], line: str) -> None:
    write_pictures(model[1], 2, ("lion", "dog"))
    before = sorted(model[1].rglob("*"))
    done = predict(*(["lion", "dog"] if arguments else ["gone.png"]), *arguments)
    assert isinstance(done.exception, UserError) and str(done.exception).startswith(line)
    assert "\n" not in str(done.exception) and done.output == ""
    assert sorted(model[1].rglob("*")) == before


@pytest.mark.parametrize("top", ["0", "-1", "two"])
def test_a_top_that_is_no_count_is_refused(top: str) -> None:
    assert predict(".", "--top", top).exit_code == 2


def test_before_any_training_it_is_one_line_and_exit_code_1(workspace: Path, reprolens: Program) -> None:
    write_pictures(workspace, 1, ("pictures",))
    done = reprolens("predict", "pictures")
    line = "models/model.keras does not exist, nothing was trained yet: run `make repro`, or give --model"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"reprolens: error: {line}\n")
