"""Every kind of hostile or broken input we know: one clear line, exit code 1, and a workspace as it was.

Two tables: what is refused, and what is survived. Limits are the real ones where a small file can break them.
"""

import csv
import gzip
import json
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.archives import pack_pictures
from pipeline.errors import UserError, run_main
from pipeline.members import Limits
from pipeline.stages import download, split
from tests.conftest import Program, edit_yaml, snapshot, write_pictures
from tests.hostile import SMALL, chunk, entry, outcome, picture, pictures, png, tarred, zipped

GOOD = pictures(2)
LINK, DEVICE = stat.S_IFLNK, stat.S_IFCHR
MANY = Limits(num_entries=50)


@dataclass(frozen=True)
class Row:
    """One kind of input: how it is made at a path, and a telling part of the line that refuses it."""

    make: Callable[[Path], object]
    line: str
    stage: str = "download"


def file(content: bytes) -> Callable[[Path], object]:
    return lambda at: at.write_bytes(content)


def odd_tar(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "/etc/passwd") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return tarred([*GOOD, (info, b"")])


def zip_of(name: str, system: int = 3, mode: int = 0) -> bytes:
    return zipped([*GOOD, (entry(name, system, mode), picture())])


def tar_of(name: str) -> bytes:
    return tarred([*GOOD, (name, picture())])


def folder(*names: str) -> Callable[[Path], object]:
    """A folder with a good picture under each name."""

    def make(at: Path) -> None:
        at.mkdir()
        for number, name in enumerate(names):
            (at / name).parent.mkdir(parents=True, exist_ok=True)
            (at / name).write_bytes(picture(seed=number))

    return make


def patched(content: bytes, *edits: tuple[bytes, int, bytes]) -> bytes:
    """Bytes set at an offset after each place where a mark is found."""
    found = bytearray(content)
    for mark, offset, new in edits:
        place = found.find(mark)
        while place >= 0:
            found[place + offset : place + offset + len(new)] = new
            place = found.find(mark, place + 1)
    return bytes(found)


def zip_bomb() -> bytes:
    """Says in header and directory that its file has 3 GB."""
    huge = struct.pack("<I", 3_000_000_000)
    return patched(zipped([("cats/0.png", bytes(1000))]), (b"PK\x03\x04", 22, huge), (b"PK\x01\x02", 24, huge))


def overlapping_zip() -> bytes:
    """Every entry of the directory points at the first file."""
    return patched(zipped([(f"{label}/0.png", picture()) for label in "ab"]), (b"PK\x01\x02", 42, bytes(4)))


def greedy_xz() -> bytes:
    """An xz whose block header, with the right checksum, asks for 3 GiB of memory."""
    content = lzma.compress(tarred(GOOD))
    header = bytearray(content[12 : 12 + (content[12] + 1) * 4])
    header[header.index(b"\x21\x01") + 2] = 39  # the size of the dictionary
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    return content[:12] + bytes(header) + content[12 + len(header) :]


def negative_tar() -> bytes:
    """A header whose size is minus one block, so that a reader goes round for ever."""
    info = tarfile.TarInfo("cats/9.png")
    block = bytearray(info.tobuf())
    block[124:136] = (256**12 - 512).to_bytes(12, "big")
    block[148:156] = b"%06o\0 " % sum(block[:148] + b" " * 8 + block[156:])
    return tarred(GOOD)[:-10240] + bytes(block) + bytes(10240)


def sparse_tar() -> bytes:
    """A file of 1 TB, all hole."""
    info = tarfile.TarInfo("cats/9.png")
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(10**12), "GNU.sparse.realsize": str(10**12)}
    return tarred([*GOOD, (info, b"")])


def raw(content: bytes) -> Callable[[Path], object]:
    """The tar that `download` should have made."""
    return lambda at: paths.RAW.write_bytes(content)


def whole_raw(changes: dict[str, bytes]) -> Callable[[Path], object]:
    return raw(tarred(sorted((dict(pictures(12)) | changes).items())))


REFUSED: dict[str, Row] = {
    # What is no data set
    "nothing there": Row(lambda at: None, "does not exist: give a folder of class folders or an archive"),
    "empty folder": Row(folder(), "holds no files: expected class folders"),
    "only hidden files": Row(folder(".git/config"), "holds no files"),
    "no class folders": Row(folder("1.jpg"), "'1.jpg' is in no class folder: expected class"),
    "a picture beside class folders": Row(folder("a/1.png", "b/1.png", "c.png"), "'c.png' is in no class folder"),
    "only documents": Row(folder("README.md", "a.txt"), "holds no files: expected class folders"),
    "one class": Row(folder("cats/1.png", "README.md"), "has only one class, 'cats'"),
    "no train": Row(folder("test/a/1", "test/b/1"), "has no train/ folder"),
    "a class new in test": Row(folder("train/a/1", "train/b/1", "test/c/1"), "class 'c' is in val/ or test/ but not"),
    "a pipe": Row(os.mkfifo, "is neither a folder nor a file"),
    "text": Row(file(b"words" * 999), "is neither a folder nor an archive (.zip, .tar, .tar.gz"),
    "empty file": Row(file(b""), "is neither a folder nor an archive"),
    "a picture as the archive": Row(file(picture()), "is neither a folder nor an archive"),
    # Labels that a person takes for one
    "case": Row(folder("Cats/1.png", "cats/1.png"), "'Cats' and 'cats', which differ only in upper and lower case"),
    "case over splits": Row(
        folder("train/Cats/1.png", "train/dogs/1.png", "test/cats/1.png"), "'Cats' and 'cats', which differ only in"
    ),
    "Unicode": Row(
        folder("h\u00fcnd/1.png", "hu\u0308nd/1.png"), r"'hu\u0308nd' and 'h\xfcnd', which differ only in how Unicode"
    ),
    "spaces": Row(folder("cats /1.png", "cats/1.png"), "'cats' and 'cats ', which differ only in spaces around them"),
    "case in a zip": Row(
        file(zipped([*GOOD, ("Cats/1.png", picture())])), "'Cats' and 'cats', which differ only in upper and lower case"
    ),
    # Names that lead elsewhere
    "zip upwards": Row(file(zip_of("../a/1.png")), "holds '../a/1.png', a path that leads out of the archive"),
    "zip absolute": Row(file(zip_of("/a/1.png")), "holds '/a/1.png', a path that leads out of the archive"),
    "zip backslash upwards": Row(file(zip_of("..\\a\\1.png", 0)), "holds '../a/1.png', a path that leads out"),
    "zip backslash upwards, of Unix": Row(file(zip_of("..\\a\\1.png")), r"holds '..\\a\\1.png', a path that leads out"),
    "zip drive": Row(file(zip_of("C:\\a\\1.png", 0)), "holds 'C:/a/1.png', a path that leads out of the archive"),
    "zip share": Row(file(zip_of("\\\\host\\a\\1.png", 0)), "holds '//host/a/1.png', a path that leads out"),
    "zip NUL": Row(file(patched(zip_of("cats/N.png"), (b"cats/N", 5, b"\0"))), "a name that no file can have"),
    "zip without a name": Row(file(zip_of(".")), "holds '.', a name that no file can have"),
    "zip long name": Row(file(zip_of("cats/" + "x" * 60_000)), "a name of 60,005 characters"),
    "zip same name twice": Row(file(zipped([*GOOD, *GOOD])), "holds 'cats/0.png', which is there twice"),
    "zip same name otherwise": Row(file(zip_of("./cats//0.png")), "holds './cats//0.png', which is there twice"),
    "tar upwards": Row(file(tar_of("a/../../1.png")), "holds 'a/../../1.png', a path that leads out of the archive"),
    "tar absolute": Row(file(tar_of("/a/1.png")), "holds '/a/1.png', a path that leads out of the archive"),
    "tar long name": Row(file(tar_of("cats/" + "x" * 60_000)), "a name of 60,005 characters"),
    "tar endless name": Row(file(tar_of("cats/" + "x" * 3_000_000)), "is broken (a header asks for more than"),
    "tar same name twice": Row(file(tarred([*GOOD, *GOOD])), "holds 'cats/0.png', which is there twice"),
    # What is no plain file
    "zip link": Row(file(zip_of("cats/l.png", mode=LINK)), "holds 'cats/l.png', a link or device"),
    "zip device": Row(file(zip_of("cats/l.png", mode=DEVICE)), "holds 'cats/l.png', a link or device"),
    "tar link": Row(file(odd_tar("cats/l.png", tarfile.SYMTYPE)), "holds 'cats/l.png', a link or device"),
    "tar hard link": Row(file(odd_tar("cats/l.png", tarfile.LNKTYPE)), "holds 'cats/l.png', a link or device"),
    "tar device": Row(file(odd_tar("cats/l.png", tarfile.CHRTYPE)), "holds 'cats/l.png', a link or device"),
    "tar pipe": Row(file(odd_tar("cats/l.png", tarfile.FIFOTYPE)), "holds 'cats/l.png', a link or device"),
    "tar hole of a terabyte": Row(file(sparse_tar()), "holds 'cats/9.png', a file with holes"),
    # Too much of it
    "zip bomb": Row(file(zip_bomb()), "bytes but unpacks to more than 1,073,741,824: if you trust it, unpack it yours"),
    "zip of shared bytes": Row(file(overlapping_zip()), "is broken (two files share the same bytes)"),
    "xz of 3 GiB of memory": Row(file(greedy_xz()), "is broken (Memory usage limit exceeded)"),
    "tar of negative size": Row(file(negative_tar()), "is broken (a file of negative size)"),
    # Cut or damaged
    "empty zip": Row(file(b"PK\x05\x06" + bytes(18)), "holds no files: expected class folders"),
    "zip cut": Row(file(zipped(GOOD)[:1000]), "is neither a folder nor an archive"),
    "zip checksum": Row(file(patched(zipped(GOOD), (b"IDAT", 20, bytes(9)))), "is broken (Bad CRC-32 for file 'cats/0"),
    "zip encrypted": Row(
        file(patched(zipped(GOOD), (b"PK\x03\x04", 6, b"\1"), (b"PK\x01\x02", 8, b"\1"))), "is encrypted: unpack it"
    ),
    "zip of bzip2": Row(file(zipped(GOOD, zipfile.ZIP_BZIP2)), "is packed by bzip2, not the usual deflate"),
    "tar cut": Row(file(tarred(GOOD)[:1800]), "is broken ("),
    "tar cut in a header": Row(file(tarred(GOOD)[: 1024 + 99]), "is broken ("),
    "tar header": Row(
        file(patched(tarred(GOOD), (b"cats/1.png", 0, b"#" * 9))), "is broken (cut off or damaged in the"
    ),
    "gz cut": Row(file(tarred(GOOD, "gz")[:999]), "is broken (Compressed file ended before"),
    "gz damaged": Row(file(tarred(GOOD, "gz")[:-8] + b"#" * 8), "is broken (CRC check failed"),
    "gz of text": Row(file(gzip.compress(b"words" * 999)), "is neither a folder nor an archive"),
    "xz cut": Row(file(tarred(GOOD, "xz")[:-99]), "is broken (Compressed file ended before"),
    "xz damaged": Row(file(patched(tarred(GOOD, "xz"), (b"\xfd7zXZ", 99, b"#" * 99))), "is broken (Corrupt input data"),
    # The raw tar and its pictures, at the next stage
    "no raw tar": Row(lambda at: paths.RAW.unlink(), "images.tar is missing or broken: run `dvc repro --f", "split"),
    "raw tar of text": Row(raw(b"words" * 999), "images.tar is missing or broken: run `dvc repro --force", "split"),
    "raw tar cut": Row(raw(tarred(GOOD)[:1100]), "images.tar is missing or broken: run `dvc repro --force", "split"),
    "nothing readable": Row(
        raw(tarred([(f"{label}/{n}", b"x") for label in "ab" for n in range(9)])),
        "18 of 18 files are unreadable, more than split.max_unreadable 0.05 allows ('a/0': not a picture; ",
        "split",
    ),
    "image bombs": Row(
        whole_raw({f"cats/b{n}.png": png(50_000, 50_000, chunk(b"IDAT", b"")) for n in range(3)}),
        "3 of 27 files are unreadable, more than split.max_unreadable 0.05 allows ('cats/b0.png': too many pixels; ",
        "split",
    ),
    "every picture under both labels": Row(
        raw(tarred([(f"{label}/{n}.png", picture(seed=n)) for label in "ab" for n in range(9)])),
        "class 'a' has no image in train: ",
        "split",
    ),
}


@pytest.fixture
def scene(workspace: Path) -> Path:
    """A workspace in which earlier outputs of both stages stand."""
    for path in (paths.RAW, paths.CLASSES, paths.TRAIN / "manifest.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"earlier")
    shares = {"split__train": 0.5, "split__val": 0.25, "split__test": 0.25}
    source = {"dataset__name": "folder", "dataset__path": "my data", "dataset__watch": "my data"}
    edit_yaml(workspace / "params.yaml", **source, **shares)
    return workspace


def stopped(stage: str) -> str:
    """The one line with which a stage stops. The text of a `SystemExit` is printed, and the exit code is 1."""
    with pytest.raises(SystemExit) as caught:
        run_main(stage, {"download": download.main, "split": split.main}[stage])
    line = caught.value.code
    assert isinstance(line, str) and "\n" not in line and line.startswith(f"{stage}: error: ")
    return line.removeprefix(f"{stage}: error: ")


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line_and_nothing_changes(
    scene: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    row = REFUSED[name]
    row.make(scene / "my data")
    before, beside = snapshot(scene), sorted(scene.parent.iterdir())
    line = stopped(row.stage)
    assert row.line in line
    assert row.stage == "split" or line.startswith("dataset.path 'my data' ") or "'my data':" in line
    assert capfd.readouterr().err == ""
    assert snapshot(scene) == before and sorted(scene.parent.iterdir()) == beside


def test_the_table_is_long_enough() -> None:
    assert len(REFUSED) >= 40


@pytest.mark.parametrize("name", ["zip upwards", "tar hole of a terabyte", "case", "gz cut"])
def test_the_program_says_it_once_and_ends_with_1(scene: Path, program: Program, name: str) -> None:
    REFUSED[name].make(scene / "my data")
    before = snapshot(scene)
    done = program("pipeline.stages.download")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("download: error: ") and REFUSED[name].line in done.stderr
    assert snapshot(scene) == before


ENTRIES = [(f"{'ab'[n % 2]}/{n}", b"") for n in range(51)]
TOO_MUCH: dict[str, tuple[bytes, str]] = {
    "zip of many": (zipped(ENTRIES), "holds more than 50 files: if you trust it, unpack it yourself"),
    "tar of many": (tarred(ENTRIES), "holds more than 50 files: if you trust it, unpack it yourself"),
    "tar of many folders": (
        tarred([(_folder, b"") for _folder in map(tarfile.TarInfo, (f"d{n}/" for n in range(51)))]),
        "holds more than 50 files",
    ),
    "gz": (tarred([("a/1", bytes(SMALL.unpacked)), ("b/1", b"")], "gz"), "unpacks to more than 4,194,304"),
    "xz": (tarred([("a/1", bytes(SMALL.unpacked)), ("b/1", b"")], "xz"), "unpacks to more than 4,194,304"),
    "zip": (zipped([("a/1", bytes(SMALL.unpacked + 1))], zipfile.ZIP_DEFLATED), "unpacks to more than 4,194,304"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_holds_too_much_is_refused_before_it_is_unpacked(tmp_path: Path, name: str) -> None:
    content, line = TOO_MUCH[name]
    (tmp_path / "it").write_bytes(content)
    limits = MANY if "many" in name else SMALL
    with pytest.raises(UserError) as caught:
        pack_pictures(tmp_path / "it", tmp_path / "packed.tar", tmp_path / "scratch", limits=limits)
    assert line in str(caught.value)
    assert list(snapshot(tmp_path)) == ["it"]


def test_a_zip_with_more_entries_than_the_real_limit_is_refused_by_its_directory(tmp_path: Path) -> None:
    many = 500_001
    one = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 9, 1, *[0] * 6) + b"x"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, many * len(one), 0, 0)
    (tmp_path / "it").write_bytes(one * many + end)
    with pytest.raises(UserError, match="holds more than 500,000 files"):
        pack_pictures(tmp_path / "it", tmp_path / "packed.tar", tmp_path)


def quine_like() -> bytes:
    """An archive in an archive is a file like any other: nothing looks into it."""
    return zipped([*pictures(12), ("cats/zip.zip", zipped(pictures(2)))])


SURVIVED: dict[str, tuple[bytes, dict[str, str]]] = {  # archive, and what is quarantined for which reason
    "nothing wrong": (zipped(pictures(12)), {}),
    "documents beside": (zipped([*pictures(12), ("LICENSE.txt", b"mine"), ("README", b"words")]), {}),
    "wrapped, documents beside": (
        tarred([*((f"photos/{name}", content) for name, content in pictures(12)), ("photos/LICENSE.txt", b"x")], "gz"),
        {},
    ),
    "backslashes of Windows": (
        zipped([(entry(name.replace("/", "\\"), 0), content) for name, content in pictures(12)]),
        {},
    ),
    "an archive inside": (quine_like(), {"cats/zip.zip": "not a picture"}),
    "empty picture": (zipped([*pictures(12), ("cats/x.png", b"")]), {"cats/x.png": "empty file"}),
    "JPEG of endless scans": (
        zipped([*pictures(12), ("cats/x.jpg", picture("JPEG") + b"\xff\xda" * 2000)]),
        {"cats/x.jpg": "too many scans"},
    ),
    "cut JPEG": (
        zipped([*pictures(12), ("cats/x.jpg", picture("JPEG", 90)[:4000])]),
        {"cats/x.jpg": "broken picture: image file is truncated"},
    ),
    "text called JPEG": (zipped([*pictures(12), ("cats/x.jpg", b"words")]), {"cats/x.jpg": "not a picture"}),
    "PNG called JPEG": (zipped([*pictures(12), ("cats/x.jpg", picture("PNG", seed=77))]), {}),
    "bomb": (zipped([*pictures(12), ("cats/x.png", png(30_000, 30_000))]), {"cats/x.png": "too many pixels"}),
    "bomb by a little": (zipped([*pictures(12), ("cats/x.png", png(9_460, 9_460))]), {"cats/x.png": "too many pixels"}),
    "no width": (zipped([*pictures(12), ("cats/x.png", png(0, 9))]), {"cats/x.png": ""}),
    "text bomb": (
        zipped([*pictures(12), ("cats/x.png", png(9, 9, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(9_000_000)))))]),
        {"cats/x.png": "broken picture: Decompressed data too large"},
    ),
    "PostScript": (
        zipped([*pictures(12), ("cats/x.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")]),
        {"cats/x.eps": "not a picture"},
    ),
    "PDF": (zipped([*pictures(12), ("cats/x.pdf", b"%PDF-1.4\n")]), {"cats/x.pdf": "not a picture"}),
    "damaged TIFF": (
        zipped([*pictures(12), ("cats/x.tif", patched(picture("TIFF"), (b"II*\0", 99, b"\xff" * 99)))]),
        {"cats/x.tif": "broken picture: "},
    ),
    "EXIF of nonsense": (zipped([*pictures(12), ("cats/x.jpg", picture("JPEG", 9, exif=b"Exif\0\0nonsense"))]), {}),
    "colour profile of nonsense": (zipped([*pictures(12), ("cats/x.jpg", picture("JPEG", 9, icc_profile=b"!"))]), {}),
    "name that breaks out of a table": (
        tarred([*pictures(12), ('cats/=1+1";\n,x.png', b"words")]),
        {'cats/=1+1";\n,x.png': "not a picture"},
    ),
}


@pytest.mark.parametrize("name", SURVIVED)
def test_it_is_survived_and_what_is_left_out_has_a_reason(
    scene: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content, left_out = SURVIVED[name]
    (scene / "my data").write_bytes(content)
    download.main()
    split.main()
    assert capfd.readouterr().err == ""
    with (paths.SPLIT_REPORT / "quarantine.csv").open(newline="") as stream:
        found = {row["file"]: row["reason"] for row in csv.DictReader(stream)}
    assert found.keys() == left_out.keys()
    assert all(found[file].startswith(reason) for file, reason in left_out.items())
    counts = json.loads((paths.SPLIT_REPORT / "counts.json").read_text())["per_class"]
    assert sum(sum(labels.values()) for labels in counts.values()) >= 24


def test_all_ways_of_packing_the_same_pictures_end_in_the_same_bytes(scene: Path) -> None:
    ways = ("nothing wrong", "documents beside", "wrapped, documents beside", "backslashes of Windows")
    found = set()
    for name in ways:
        (scene / "my data").write_bytes(SURVIVED[name][0])
        download.main()
        found.add(paths.RAW.read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("content", [zipped(GOOD), *(tarred(GOOD, kind) for kind in ("", "gz", "xz"))])
def test_an_archive_cut_anywhere_is_refused_or_whole(tmp_path: Path, content: bytes) -> None:
    assert outcome(content, tmp_path).startswith("taken")
    whole = (tmp_path / "packed.tar").read_bytes()
    for length in range(0, len(content), max(1, len(content) // 100)):
        found = outcome(content[:length], tmp_path)
        # The zeros at the end of a tar may be missing.
        assert found.startswith("dataset.path") or (tmp_path / "packed.tar").read_bytes() == whole, length


def test_a_folder_of_class_folders_may_hold_documents_too(scene: Path) -> None:
    write_pictures(scene / "my data" / "photos", count=2)
    (scene / "my data" / "photos" / "LICENSE.txt").write_text("mine")
    (scene / "my data" / "README.md").write_text("words")
    download.main()
    with tarfile.open(paths.RAW) as tar:
        assert tar.getnames() == ["cats/0.png", "cats/1.png", "dogs/0.png", "dogs/1.png"]
