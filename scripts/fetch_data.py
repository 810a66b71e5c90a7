"""Download the public data sets for training, verify them, and unpack them into sounds/: `make data`.

    python -m scripts.fetch_data [esc50] [urbansound8k] [--out sounds]

A download that was interrupted goes on where it stopped. A data set that is complete is left alone. Each archive's
SHA-256 is written to sounds/digests.json; an archive that has a documented digest must have the same ever after.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20
PATIENCE_S = 60


class FetchError(Exception):
    """A data set cannot be fetched, or is not what it should be."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A published data set.

    Attributes:
        url: The archive, zip or tar.
        folder: The archive's top folder.
        listing: A file in that folder which comes with every copy.
        md5: Digests that the publisher or the field's libraries document: of the archive ("") and of files in the
            folder. ESC-50's archive is packed on demand and has no lasting digest; its listing has.
        files: Number of audio files.
        licence: Licence of the collection.
    """

    url: str
    folder: str
    listing: str
    md5: Mapping[str, str]
    files: int
    licence: str


DATA_SETS = {
    "esc50": DataSet(
        url="https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip",
        folder="ESC-50-master",
        listing="meta/esc50.csv",
        md5={"meta/esc50.csv": "54a0d0055a10bb7df84ad340a148722e"},
        files=2000,
        licence="CC BY-NC 3.0; each clip has its own, see its LICENSE",
    ),
    "urbansound8k": DataSet(
        url="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz?download=1",
        folder="UrbanSound8K",
        listing="metadata/UrbanSound8K.csv",
        md5={"": "9aa69802bbf37fb986f71ec1483a196e"},
        files=8732,
        licence="CC BY-NC 3.0",
    ),
}


def fetch(name: str, dataset: DataSet, out: Path) -> Path:
    """Download, verify and unpack one data set.

    Args:
        name: Its folder below `out`.
        dataset: Where it is and what it must be.
        out: Folder of all data sets.

    Returns:
        Its folder, which models.train takes as --data.

    Raises:
        FetchError: The server does not give it, or a digest or the number of files is wrong.
    """
    target = out / name
    if (target / dataset.listing).is_file():
        return target
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"{name}.part"
    _download(dataset.url, archive)
    _check_archive(name, dataset, archive, out / "digests.json")
    unpacked = out / f"{name}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    _unpack(archive, unpacked)
    _check_files(dataset, unpacked / dataset.folder)
    (unpacked / dataset.folder).rename(target)
    shutil.rmtree(unpacked)
    archive.unlink()
    return target


def _download(url: str, path: Path) -> None:
    """Append to `path` what is missing of it."""
    start = path.stat().st_size if path.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 - https
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            continues = answer.status == 206
            with path.open("ab" if continues else "wb") as file:
                shutil.copyfileobj(answer, file, BLOCK)
            expected = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as err:
        if err.code == 416 and start:  # nothing is missing
            return
        raise FetchError(f"{url}: {err}") from err
    except OSError as err:
        raise FetchError(f"{url}: {err}. Run the command again: the download goes on where it stopped.") from err
    got = path.stat().st_size - (start if continues else 0)
    if expected and got < int(expected):
        raise FetchError(f"{url}: the connection ended early. Run the command again: it goes on where it stopped.")


def _check_archive(name: str, dataset: DataSet, archive: Path, ledger: Path) -> None:
    known = json.loads(ledger.read_text()) if ledger.is_file() else {}
    sha256 = _digest(archive, "sha256")
    documented = dataset.md5.get("")
    if documented and _digest(archive, "md5") != documented:
        archive.unlink()
        raise FetchError(f"{name}: the archive has another MD5 than {documented}, which is documented. It was deleted.")
    if documented and known.get(name, sha256) != sha256:
        archive.unlink()
        raise FetchError(f"{name}: the archive has another SHA-256 than before ({ledger}). It was deleted.")
    ledger.write_text(json.dumps(known | {name: sha256}, indent=1) + "\n")


def _check_files(dataset: DataSet, folder: Path) -> None:
    for path, md5 in dataset.md5.items():
        if path and _digest(folder / path, "md5") != md5:
            raise FetchError(f"{folder / path}: another MD5 than {md5}, which is documented")
    count = sum(1 for _ in folder.rglob("*.wav"))
    if count != dataset.files:
        raise FetchError(f"{folder}: {count} recordings instead of {dataset.files}")


def _unpack(archive: Path, out: Path) -> None:
    """Unpack without following links or leaving `out`."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as members:
                members.extractall(out)  # noqa: S202 - zipfile drops absolute and upward paths
        else:
            with tarfile.open(archive) as members:
                members.extractall(out, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile) as err:
        raise FetchError(f"{archive}: {err}. Delete it and run the command again.") from err


def _digest(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as err:
        raise FetchError(f"{path}: {err.strerror}") from err


def main(argv: Sequence[str] | None = None, data_sets: Mapping[str, DataSet] = DATA_SETS) -> int:
    """Fetch the named data sets, or all. Returns the exit status."""
    ap = argparse.ArgumentParser(prog="python -m scripts.fetch_data", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("names", nargs="*", metavar="NAME", help=f"data sets (default: all): {', '.join(data_sets)}")
    ap.add_argument("--out", type=Path, default=Path("sounds"), help="default: %(default)s")
    options = ap.parse_args(argv)
    if unknown := set(options.names) - set(data_sets):
        ap.error(f"unknown data set: {', '.join(sorted(unknown))}")
    for name in options.names or data_sets:
        dataset = data_sets[name]
        print(f"{name}: {dataset.url} ({dataset.licence})", flush=True)
        try:
            print(f"{name}: ready in {fetch(name, dataset, options.out)}", flush=True)
        except FetchError as err:
            print(err, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
