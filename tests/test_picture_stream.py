"""Files become pixels in their order, in one process or in several."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.decode import decode, fit
from pipeline.errors import UserError
from pipeline.picture_stream import MOST_BYTES, Form, Picture, pictures

FORM = Form((8, 6), 3, thumbnail=32)


def files_in(folder: Path, count: int) -> list[str]:
    """Pictures of growing width; each fifth file is broken."""
    for number in range(count):
        file = folder / f"{number:04}.png"
        if number % 5 == 3:
            file.write_bytes(b"words")
        else:
            Image.new("RGB", (number + 1, 50), (number % 256, 7, 9)).save(file)
    return [str(folder / f"{number:04}.png") for number in range(count)]


def as_told(picture: Picture) -> tuple[object, ...]:
    shapes = [None if pixels is None else pixels.tobytes() for pixels in (picture.pixels, picture.thumbnail)]
    return picture.file, picture.reason, *shapes


def test_several_processes_tell_the_same_in_the_same_order(tmp_path: Path) -> None:
    files = files_in(tmp_path, 70)
    alone = list(map(as_told, pictures(files, lambda: FORM, workers=1)))
    assert [file for file, *_ in alone] == files
    assert list(map(as_told, pictures(files, lambda: FORM, workers=2))) == alone


def test_pictures_are_fitted_as_for_training_and_thumbnails_keep_their_shape(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(np.arange(30_000, dtype=np.uint32).astype(np.uint8).reshape(50, 200, 3)).save(file)
    (found,) = pictures([str(file)], lambda: FORM)
    assert found.pixels is not None and found.thumbnail is not None
    np.testing.assert_array_equal(found.pixels, fit(decode(file.read_bytes()), (8, 6), 3))
    assert found.thumbnail.shape == (8, 32, 3)
    assert next(pictures([str(file)], lambda: Form((8, 6), 1))).thumbnail is None


def test_what_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"words")
    (tmp_path / "empty").touch()
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    files = [str(tmp_path / name) for name in ("words", "empty", "huge", "gone")]
    reasons = [picture.reason for picture in pictures(files, lambda: FORM)]
    assert reasons == ["not a picture", "empty file", "larger than 1,024 MiB", "No such file or directory"]


def test_a_process_that_was_killed_is_one_clear_error(tmp_path: Path) -> None:
    stream = pictures(files_in(tmp_path, 400), lambda: FORM, workers=2)
    next(stream)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(UserError, match="a process that decodes pictures was ended by the system"):
        list(stream)
