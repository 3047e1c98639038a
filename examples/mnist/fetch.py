"""Gets MNIST, 70,000 handwritten digits, and stores it as four .npy files, which DML scripts read at once.

    python examples/mnist/fetch.py                    download (12 MB) into examples/mnist/data
    python examples/mnist/fetch.py --from FOLDER      convert idx files that lie in FOLDER, packed by gzip or not
    python examples/mnist/fetch.py --out FOLDER       store them elsewhere

The files: train-images.npy (60,000 rows of 28 x 28 pixels from 0 to 255), train-labels.npy (the digits, a column), and the
same of 10,000 other images as test-images.npy and test-labels.npy. With --from, data sets in the form of MNIST, such as
Fashion-MNIST, do as well. Needs NumPy alone, which gramian brings along.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import struct
import sys
import urllib.request
import zlib
from pathlib import Path

import numpy as np

MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist"
DATA = Path(__file__).parent / "data"

# Our name, the name at the source, and the SHA-256 of what is in the packed file: archives differ, images do not.
FILES = (
    ("train-images", "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels", "train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("test-images", "t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("test-labels", "t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
UNSIGNED_BYTES = 8  # the only type of cells that MNIST uses, of those that idx files know


class FetchError(Exception):
    """Something is wrong with the source; the message is for the user."""


def download(mirror: str, name: str, checksum: str) -> bytes:
    """The content of a packed file of the mirror, verified."""
    url = f"{mirror.rstrip('/')}/{name}.gz"
    hint = f"try again, give another mirror with --mirror, or get {name}.gz in another way and use --from"
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            packed = received(response, int(response.headers.get("Content-Length", 0)), name)
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise FetchError(f"cannot download {url}: {error}\n  hint: {hint}") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise FetchError(f"{url} is not the file of MNIST: its checksum is wrong\n  hint: {hint}")
    return content


def received(response: object, size: int, name: str) -> bytes:
    """All of a response, with progress on a terminal."""
    packed = bytearray()
    while piece := response.read(1 << 16):  # type: ignore[attr-defined]
        packed += piece
        if sys.stderr.isatty():
            share = f"{len(packed) / size:4.0%}" if size else f"{len(packed) >> 10} KiB"
            print(f"\r{name} {share}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if size and len(packed) != size:
        raise OSError(f"the connection broke after {len(packed)} of {size} bytes")
    return bytes(packed)


def local(folder: Path, name: str) -> bytes:
    """The content of a file in a folder, packed or not."""
    plain, packed = folder / name, folder / f"{name}.gz"
    try:
        return plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    except FileNotFoundError:
        raise FetchError(f"there is neither '{packed}' nor '{plain}'") from None
    except (OSError, EOFError, zlib.error) as error:
        raise FetchError(f"cannot read '{packed}': {error}") from error


def rows(content: bytes, name: str) -> np.ndarray:
    """The cells of an idx file, an image or label a row. Its head: two zeros, type, dimensions, then their sizes."""
    if len(content) < 4 or content[:3] != bytes((0, 0, UNSIGNED_BYTES)):
        raise FetchError(f"{name} is not an idx file of bytes")
    dimensions = content[3]
    head = 4 + 4 * dimensions
    sizes = struct.unpack(f">{dimensions}I", content[4:head]) if len(content) >= head else ()
    cells = np.frombuffer(content, np.uint8, offset=min(head, len(content)))
    if not sizes or cells.size != np.prod(sizes, dtype=np.int64) or not cells.size:
        raise FetchError(f"{name} is damaged: {cells.size} bytes of data do not fit its sizes {sizes}")
    return cells.reshape(sizes[0], -1)


def store(cells: np.ndarray, path: Path) -> None:
    """Write a file that is there as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.save(file, cells)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def fetch(source: Path | None, mirror: str, out: Path) -> None:
    """All four files; those that were downloaded before stay."""
    out.mkdir(parents=True, exist_ok=True)
    for ours, name, checksum in FILES:
        path = out / f"{ours}.npy"
        if source is None and path.exists():
            print(f"{os.path.relpath(path)} is there already")
            continue
        cells = rows(download(mirror, name, checksum) if source is None else local(source, name), name)
        store(cells, path)
        print(f"{os.path.relpath(path)}: {cells.shape[0]} x {cells.shape[1]}")


def main() -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FOLDER", help="convert files instead of downloading"
    )
    parser.add_argument("--mirror", default=MIRROR, metavar="URL", help=f"where to download from, by default {MIRROR}")
    parser.add_argument("--out", type=Path, default=DATA, metavar="FOLDER", help="where to store the .npy files")
    options = parser.parse_args()
    try:
        fetch(options.source, options.mirror, options.out)
    except FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot write to '{options.out}': {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; what is complete stays", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
