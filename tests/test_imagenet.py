"""The thousand classes: a real network with random weights, asked as `keras.applications` would ask it."""

import contextlib
import hashlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline import classifier, imagenet, keras_setup
from pipeline.backbones import BACKBONES
from pipeline.classifier import Classifier
from pipeline.cli import cli
from pipeline.errors import UserError
from pipeline.imagenet import MIRROR, ClassIndex
from pipeline.lifecycle.predict import Wishes, predict_files
from pipeline.prediction_table import table
from pipeline.predictions import Prediction, likeliest
from tests.conftest import write_pictures
from tests.test_fetch import serving

# One small network under both ways to prepare pixels.
WEIGHTS = "mobilenet.h5"
MOBILE = replace(BACKBONES["mobilenet_v2"], factory="MobileNet", files=("", f"mobilenet/{WEIGHTS}"), widths=(1.0,))
ROWS = {"signed": MOBILE, "mean": replace(MOBILE, preparation="mean")}
INDEX = {str(number): [f"n{number:08}", f"sort_of_thing_{number}"] for number in range(1000)}
INDEX |= {"134": ["n02012849", "crane"], "517": ["n03126707", "crane"]}
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 7, 7, 3), dtype=np.uint8).repeat(32, 1).repeat(32, 2)


@dataclass(frozen=True)
class Published:
    """A folder with the files of a network and of the names; the network itself; where the names are."""

    folder: Path
    network: Any
    names: ClassIndex


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    keras_setup.deterministic(0, 2)  # as every test that computes: threads cannot change later
    import keras

    folder = tmp_path_factory.mktemp("published")
    network = keras.applications.MobileNet(weights=None)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(PIXELS / np.float32(127.5) - 1, training=True)  # else the signal of an untrained network dies away
    head = network.get_layer("conv_preds")
    head.kernel.assign(head.kernel * 8)
    network.save(folder / WEIGHTS)
    (folder / "index.json").write_text(json.dumps(INDEX))
    md5 = hashlib.md5((folder / "index.json").read_bytes()).hexdigest()
    return Published(folder, network, ClassIndex("http://127.0.0.1:9/data/index.json", md5))


@pytest.fixture(autouse=True)
def here(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without downloads, and the folder as mirror."""
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(MIRROR, str(published.folder))
    return tmp_path


@pytest.fixture(scope="module")
def asked(published: Published, tmp_path_factory: pytest.TempPathFactory) -> tuple[Classifier, str, str]:
    """The network as it comes from a server that breaks off once; what was said on standard output and error."""
    files = {name: (published.folder / name).read_bytes() for name in (WEIGHTS, "index.json")}
    output, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(files, cuts=(100_000,)) as host,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("checkout")))
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv(MIRROR, host.address)
        found = classifier.published("imagenet:signed", ROWS, published.names)
    return found, output.getvalue(), errors.getvalue()


def expected(published: Published, module: str) -> np.ndarray:
    """The likelihoods as a user of Keras gets them."""
    import keras

    prepared = getattr(keras.applications, module).preprocess_input(PIXELS.astype(np.float32))
    return np.asarray(published.network.predict_on_batch(prepared))


def test_likelihoods_are_those_of_keras_after_its_own_preparation(
    published: Published, asked: tuple[Classifier, str, str]
) -> None:
    theirs, other = expected(published, "mobilenet"), expected(published, "vgg16")
    np.testing.assert_allclose(asked[0].likelihoods(PIXELS), theirs, rtol=0, atol=1e-5)
    found = classifier.published("imagenet:mean", ROWS, published.names)
    np.testing.assert_allclose(found.likelihoods(PIXELS), other, rtol=0, atol=1e-5)
    assert min(np.abs(theirs - other).max(), np.ptp(theirs, axis=0).max()) > 0.01
    assert (found.size, found.channels, found.model.input.dtype) == ((224, 224), 3, "uint8")


def test_names_and_likelihoods_are_those_of_decode_predictions(
    published: Published, asked: tuple[Classifier, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras.src.applications import imagenet_utils

    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", INDEX)  # which Keras would fetch
    found = asked[0]
    theirs = imagenet_utils.decode_predictions(expected(published, "mobilenet"), top=10)
    for ours, row in zip(likeliest(found.likelihoods(PIXELS), found.labels, found.told), theirs, strict=True):
        assert [label for label, _ in ours] == [name.replace("_", " ") for _, name, _ in row]
        np.testing.assert_allclose([value for _, value in ours], [value for *_, value in row], rtol=0, atol=1e-5)


def test_predict_tells_the_ten_likeliest_names_of_each_picture(asked: tuple[Classifier, str, str]) -> None:
    files = sorted(map(str, write_pictures(Path("pictures"), ["any"], count=2).rglob("*.png")))
    done = predict_files(asked[0], files, Wishes(), asked[0].told)
    assert [len(item.likeliest) for item in done.first] == [10, 10]
    lines = table(done.first, None)
    assert [line for line in lines if line.endswith(".png")] == files
    assert len(lines) == 2 * 11 + 1
    assert lines[1].split() == [*done.first[0].label.split(), f"{done.first[0].likelihood:.4f}"]


def test_many_likeliest_classes_stand_one_below_the_other_and_fit_the_terminal() -> None:
    classes = tuple((f"kind {number}, of many kinds", 0.6 - number / 10) for number in range(6))
    lines = table([Prediction("a.png", classes, "dog"), Prediction("b.png", classes[:5], "cat")], 26)
    assert lines[:3] == ["a.png  (true label dog)", "kind 0, of ma…      0.6000", "kind 1, of ma…      0.5000"]
    assert lines[7:9] == ["", "b.png  (true label cat)"] and len(lines) == 7 + 1 + 6
    one_line = table([Prediction("b.png", classes[:5])], None)
    assert one_line[0].split() == ["file", "label", "likelihood", "runners-up"] and len(one_line) == 2


def test_names_are_readable_and_told_apart(asked: tuple[Classifier, str, str]) -> None:
    labels = asked[0].labels
    assert (labels[0], labels[134], labels[517]) == ("sort of thing 0", "crane (n02012849)", "crane (n03126707)")
    assert len(set(labels)) == 1000


def test_what_is_said_of_a_download_stays_out_of_the_table_on_standard_output(
    asked: tuple[Classifier, str, str],
) -> None:
    _, output, errors = asked
    assert output == ""
    assert f"download: {WEIGHTS} goes on after 100,000 bytes" in errors


def test_the_help_names_the_networks_and_the_setting_of_a_mirror() -> None:
    text = CliRunner().invoke(cli, ["predict", "--help"]).output
    assert all(word in text for word in [MIRROR, *(f"imagenet:{name}" for name in BACKBONES)])


@pytest.mark.parametrize("name", ["foo", "", "VGG16", "vgg16/1"])
def test_a_network_that_there_is_not_is_said_with_those_that_there_are(name: str) -> None:
    with pytest.raises(UserError) as caught:
        classifier.find(f"imagenet:{name}")
    known = "imagenet:mobilenet_v2, imagenet:resnet50, imagenet:vgg16"
    assert str(caught.value) == f"--model imagenet:{name}: no such network; there are {known}"


def test_without_the_files_predict_says_in_one_line_what_is_needed_and_where_to_put_it(here: Path) -> None:
    write_pictures(here, ["any"], count=1)
    done = CliRunner().invoke(cli, ["predict", "any", "--model", "imagenet:vgg16"], env={MIRROR: str(here)})
    host, name = "https://storage.googleapis.com", "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    assert isinstance(done.exception, UserError) and done.stdout == ""
    assert str(done.exception) == (
        f"could not get {name}: {here}/{name}: no such file; {here}/vgg16/{name}: no such file. "
        f"Get {host}/tensorflow/keras-applications/vgg16/{name} where there is a network, put it in a folder, "
        f"and set {MIRROR} to that folder, or to an address that has it. "
        f"{host}/download.tensorflow.org/data/imagenet_class_index.json is needed there, too"
    )


def test_weights_of_another_network_are_one_clear_line(
    published: Published, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    Path("mirror").mkdir()
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(f"mirror/{WEIGHTS}")
    Path("mirror/index.json").write_text(json.dumps(INDEX))
    monkeypatch.setenv(MIRROR, "mirror")
    kept = here / ".reprolens/downloads/weights" / WEIGHTS
    with pytest.raises(UserError, match=f"^--model imagenet:signed: {kept} has no weights for mobilenet_1.00_224, or"):
        classifier.published("imagenet:signed", ROWS, published.names)


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        (WEIGHTS, b"words", "not an HDF5 file"),
        (WEIGHTS, None, "cut off after 9,999 of"),
        ("index.json", b"{}", "wrong checksum"),
    ],
)
def test_broken_files_of_a_mirror_are_one_clear_line_and_not_kept(
    published: Published, monkeypatch: pytest.MonkeyPatch, file: str, content: bytes | None, problem: str
) -> None:
    Path("mirror").mkdir()
    for name in (WEIGHTS, "index.json"):
        Path("mirror", name).symlink_to(published.folder / name)
    Path("mirror", file).unlink()
    Path("mirror", file).write_bytes((published.folder / file).read_bytes()[:9999] if content is None else content)
    monkeypatch.setenv(MIRROR, "mirror")
    with pytest.raises(UserError, match=rf"^could not get {file}: mirror/{file}: {problem}.*set {MIRROR} to"):
        imagenet.find("imagenet:signed", ROWS, published.names)
    assert not Path(".reprolens/downloads/weights", file).exists()
