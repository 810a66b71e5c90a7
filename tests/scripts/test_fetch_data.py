"""Data sets are fetched from a server of the test's own, verified, and unpacked."""

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.data.recordings import read_any
from scripts import fetch_data
from scripts.fetch_data import DATA_SETS, DataSet, FetchError, fetch

LISTING = "filename,fold,target,category,esc10,src_file,take\n1-1-A-0.wav,1,0,dog,True,1,A\n"
FILES = {"ESC-50-master/meta/esc50.csv": LISTING.encode(), "ESC-50-master/audio/1-1-A-0.wav": b"RIFF"}


class Server(ThreadingHTTPServer):
    """Serves one body, with ranges; `cut` ends the first answer early."""

    body = b""
    cut: int | None = None
    ranges: list[str | None]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if self.path == "/none" or start >= len(self.server.body):
            self.send_error(404 if self.path == "/none" else 416)
            return
        rest = self.server.body[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.cut])
        self.server.cut = None

    def log_message(self, *_: object) -> None:
        pass


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.body = zipped(FILES)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dataset(server: Server) -> DataSet:
    md5 = {"meta/esc50.csv": hashlib.md5(LISTING.encode()).hexdigest()}
    url = f"http://127.0.0.1:{server.server_port}/"
    return replace(DATA_SETS["esc50"], url=url, md5=md5, files=1)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_becomes_a_folder_that_training_reads(
    server: Server, dataset: DataSet, tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    server.body = pack(FILES)
    assert [recording.labels for recording in read_any(fetch("esc50", dataset, tmp_path))] == [("dog_bark",)]
    assert json.loads((tmp_path / "digests.json").read_text()) == {"esc50": hashlib.sha256(server.body).hexdigest()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digests.json", "esc50"]


def test_a_data_set_that_is_there_is_not_fetched_again(server: Server, dataset: DataSet, tmp_path: Path) -> None:
    for _ in range(2):
        fetch("esc50", dataset, tmp_path)
    assert server.ranges == [None]


@pytest.mark.parametrize("cut", [100, None])
def test_an_interrupted_download_goes_on(server: Server, dataset: DataSet, tmp_path: Path, cut: int | None) -> None:
    (tmp_path / "esc50.part").write_bytes(server.body[:50])
    if cut:
        server.cut = cut
        with pytest.raises(FetchError):
            fetch("esc50", dataset, tmp_path)
    fetch("esc50", dataset, tmp_path)
    assert server.ranges == (["bytes=50-", "bytes=150-"] if cut else ["bytes=50-"])


def test_a_complete_download_is_not_asked_for_again(server: Server, dataset: DataSet, tmp_path: Path) -> None:
    (tmp_path / "esc50.part").write_bytes(server.body)
    assert (fetch("esc50", dataset, tmp_path) / "meta/esc50.csv").is_file()


@pytest.mark.parametrize(
    "changes",
    [
        {"md5": {"": "0" * 32}},
        {"md5": {"meta/esc50.csv": "0" * 32}},
        {"md5": {"meta/none.csv": "0" * 32}},
        {"files": 2},
    ],
)
def test_what_is_not_as_documented_is_refused(dataset: DataSet, tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(FetchError):
        fetch("esc50", replace(dataset, **changes), tmp_path)
    assert not (tmp_path / "esc50").exists()


def test_an_archive_with_a_documented_digest_must_stay_the_same(
    server: Server, dataset: DataSet, tmp_path: Path
) -> None:
    (tmp_path / "digests.json").write_text(json.dumps({"esc50": "0" * 64}))
    with pytest.raises(FetchError):
        fetch("esc50", replace(dataset, md5={"": hashlib.md5(server.body).hexdigest()}), tmp_path)


def test_a_damaged_archive_and_one_that_leaves_its_folder_are_refused(
    server: Server, dataset: DataSet, tmp_path: Path
) -> None:
    for body in (b"not an archive", tarred({"../outside": b"x"})):
        server.body = body
        with pytest.raises(FetchError):
            fetch("esc50", dataset, tmp_path / "sounds")
        (tmp_path / "sounds/esc50.part").unlink()
    assert not (tmp_path / "outside").exists()


def test_the_command_says_by_its_status_whether_all_is_there(server: Server, dataset: DataSet, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)]
    assert fetch_data.main(["esc50", *out], {"esc50": dataset}) == 0
    gone = {"other": replace(dataset, url=f"http://127.0.0.1:{server.server_port}/none")}
    assert fetch_data.main(out, gone) == 1
    with pytest.raises(SystemExit) as ended:
        fetch_data.main(["unknown", *out], gone)
    assert ended.value.code == 2
