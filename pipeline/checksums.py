"""Is a file what it should be? Each check returns None, or in a few words what is wrong."""

import gzip
import hashlib
import zlib
from pathlib import Path

from pipeline.files import file_digest


def wrong_md5(path: Path, md5: str) -> str | None:
    """What is wrong with a file that should have this MD5."""
    return _compared("md5", file_digest(path, "md5"), md5)


def wrong_sha256(path: Path, sha256: str) -> str | None:
    """What is wrong with a file that should have this SHA-256."""
    return _compared("sha256", file_digest(path), sha256)


def wrong_gzip(path: Path, md5: str) -> str | None:
    """What is wrong with a gzip file whose content should have this MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with gzip.open(path) as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return f"not a whole gzip file ({error})"
    return _compared("md5", digest.hexdigest(), md5, "its content has ")


def _compared(kind: str, found: str, expected: str, what: str = "it has ") -> str | None:
    return None if found == expected else f"wrong checksum: {what}{kind} {found}, expected {expected}"
