"""What SECURITY.md promises, promise by promise."""

import ast
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from listener import messages
from listener.client import Client
from listener.errors import BundleError, ConfigError, SinkError
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import ASSETS, FILTERS, MODEL
from listener.pipeline.classifier import Classifier
from listener.sinks.log import Log, LogConfig
from listener.sinks.socket import listen
from listener.sinks.socket.sink import SocketConfig, SocketServer
from listener.storage import sqlite
from tests.conftest import filters, manifest, tiny_model
from tests.sinks.messages import HELLO, event
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("listener", "models", "export", "scripts", "bench", "soak")
RUNS_CODE = {
    "pickle",
    "cPickle",
    "dill",
    "shelve",
    "marshal",
    "joblib",
    "cloudpickle",
    "yaml",
}  # of whoever wrote a file
SHELLS = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput")}
EVALUATES = {"eval", "exec", "compile", "__import__"}
TOKEN = "correct-horse-battery"
AUDIO = {".wav", ".flac", ".ogg", ".mp3", ".pcm", ".raw"}
NOBODY = 65534


def trees(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def calls(tree: ast.Module) -> Iterator[tuple[str, str, ast.Call]]:
    """Module or object, name, and the call; the first is empty for a plain name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield getattr(node.func.value, "id", "."), node.func.attr, node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield "", node.func.id, node


def keyword(call: ast.Call, name: str) -> object:
    """The value it is given, None where it is not."""
    return next((getattr(each.value, "value", ...) for each in call.keywords if each.arg == name), None)


def shell_uses(tree: ast.Module) -> list[int]:
    return [
        call.lineno
        for module, name, call in calls(tree)
        if (module, name) in SHELLS or keyword(call, "shell") not in (None, False)
    ]


def code_loads(tree: ast.Module) -> list[int]:
    found = [call.lineno for module, name, call in calls(tree) if not module and name in EVALUATES]
    found += [
        call.lineno
        for _, name, call in calls(tree)
        if name == "load" and keyword(call, "allow_pickle") not in (None, False)
    ]
    found += [
        call.lineno
        for module, name, call in calls(tree)
        if (module, name) == ("torch", "load") and keyword(call, "weights_only") is not True
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [node.lineno for alias in node.names if alias.name.split(".")[0] in RUNS_CODE]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in RUNS_CODE:
            found += [node.lineno for alias in node.names if alias.name != "UnpicklingError"]
    return found


def test_nothing_runs_a_shell() -> None:
    assert {str(path): lines for path, tree in trees(*PACKAGES) if (lines := shell_uses(tree))} == {}


def test_nothing_loads_code_from_a_file() -> None:
    assert {str(path): lines for path, tree in trees(*PACKAGES) if (lines := code_loads(tree))} == {}


@pytest.mark.parametrize("text", ["subprocess.run(x, shell=True)", "os.system(x)", "subprocess.run(x, shell=y)"])
def test_a_shell_would_be_found(text: str) -> None:
    assert shell_uses(ast.parse(text)) == [1]


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from pickle import loads", "eval(x)", "np.load(x, allow_pickle=True)", "torch.load(x)"],
)
def test_a_load_of_code_would_be_found(text: str) -> None:
    assert code_loads(ast.parse(text)) == [1]


@pytest.fixture
def wide_open() -> Iterator[None]:
    """A umask that takes nothing away: what is narrow is so because we make it so."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("wide_open")
def test_the_socket_and_its_folder_are_for_user_and_group(tmp_path: Path) -> None:
    listen.own_folder(tmp_path / "run")
    with listen.bind_unix(tmp_path / "run" / "s"):
        assert (mode(tmp_path / "run"), mode(tmp_path / "run" / "s")) == (0o750, 0o660)


def test_the_system_unit_makes_its_folder_likewise() -> None:
    """A user's is XDG_RUNTIME_DIR, which nobody else may enter."""
    assert "RuntimeDirectoryMode=0750" in (ROOT / "systemd" / "listener.service").read_text().splitlines()


@pytest.mark.usefixtures("wide_open")
def test_what_was_heard_is_not_for_every_user_to_read(tmp_path: Path) -> None:
    log = Log(LogConfig(path=str(tmp_path / "state" / "events.jsonl")), HELLO)
    log.open()
    log.emit(event())
    log.close()
    sqlite.connect(tmp_path / "h" / "history.db", ["CREATE TABLE t (x)"], 1).close()
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in made} == {"events.jsonl", "history.db"}
    assert [path for path in made if mode(path) & 0o007] == []


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv") or not Path("/usr/bin/python3").exists(),
    reason="only root can be another user",
)
def test_another_user_cannot_connect() -> None:
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    another = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", code]
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # it is the socket itself that keeps them out
        path = Path(name) / "s"
        with listen.bind_unix(path):
            refused = subprocess.run([*another, path], capture_output=True, text=True, check=False)
            path.chmod(0o666)
            let_in = subprocess.run([*another, path], capture_output=True, text=True, check=False)
    assert "PermissionError" in refused.stderr
    assert let_in.returncode == 0, let_in.stderr


def other_address() -> str:
    """One of this machine that is not loopback, as others reach it. No packet is sent to learn it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def test_tcp_on_loopback_is_not_reached_by_another_address(tmp_path: Path) -> None:
    server = SocketServer(SocketConfig(path=str(tmp_path / "s"), tcp="127.0.0.1:0"), HELLO)
    server.open()
    with pytest.raises(SinkError) as refused:
        next(Client(f"tcp:{other_address()}:{server.port}").receive())
    assert refused.value.code == "client-no-daemon"
    server.close()


def test_tcp_for_other_machines_wants_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        SocketServer(SocketConfig(path=str(tmp_path / "s"), tcp="0.0.0.0:0"), HELLO)
    assert refused.value.code == "address-open"
    (tmp_path / "token").write_text(TOKEN)
    settings = SocketConfig(path=str(tmp_path / "s"), tcp="0.0.0.0:0", token_file=str(tmp_path / "token"))
    server = SocketServer(settings, HELLO)
    server.open()
    address = f"tcp:{other_address()}:{server.port}"
    with pytest.raises(SinkError, match="token"):
        next(Client(address).receive())
    assert next(Client(address, TOKEN).receive()) == HELLO
    with pytest.raises(ConfigError) as refused:
        Client(address, TOKEN).command(messages.Command(command="snooze", what="all"))
    assert refused.value.code == "client-refused"
    server.close()


class Bomb:
    """Pickled, it is code that runs when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._path,)


def test_a_bundle_from_a_stranger_runs_no_code_and_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    bundles.write(folder, manifest(), tiny_model(3), filters(manifest().features))
    np.save(folder / FILTERS, np.array([Bomb(tmp_path / "went off")], dtype=object), allow_pickle=True)
    digests = {part: bundles._digest((folder / part).read_bytes()) for part in (MODEL, FILTERS)}
    text = (folder / "bundle.json").read_text()
    for part, digest in bundles._read_manifest(folder).sha256.items():
        text = text.replace(digest, digests[part])
    (folder / "bundle.json").write_text(text)
    with pytest.raises(BundleError) as refused:
        bundles.load(folder)
    assert refused.value.code == "bundle-filters-invalid"
    assert not (tmp_path / "went off").exists()


def test_a_model_that_the_bundle_does_not_vouch_for_is_refused_unread(tmp_path: Path) -> None:
    bundles.write(tmp_path / "b", manifest(), tiny_model(3), filters(manifest().features))
    (tmp_path / "b" / MODEL).write_bytes(tiny_model(2))
    with pytest.raises(BundleError) as refused:
        bundles.load(tmp_path / "b")
    assert refused.value.code == "bundle-part-damaged"


def pointing_at(path: str, length: int) -> bytes:
    """The tiny model with its weights in a file of somebody's, which no digest covers."""
    import onnx

    model = onnx.load_from_string(tiny_model(3))
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", path), ("offset", "0"), ("length", str(length))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("path", ["weights", "../{folder}/weights", "{whole}/weights"])
def test_a_model_reads_no_file_of_ours(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it is from there that ONNX Runtime would look
    weights = np.zeros((64, 3), np.float32).tobytes()
    (tmp_path / "weights").write_bytes(weights)
    model = pointing_at(path.format(folder=tmp_path.name, whole=tmp_path), len(weights))
    bundles.write(tmp_path / "b", manifest(), model, filters(manifest().features))
    with pytest.raises(BundleError) as refused:
        Classifier(bundles.load(tmp_path / "b"), "cpu")
    assert refused.value.code == "bundle-model-refers-to-files"


@pytest.fixture
def at_home(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon with a home of its own that hears the demo, with the sinks that write, and no clips asked for."""
    (tmp_path / "tmp").mkdir()
    homes = {"HOME": "", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "", "XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}
    source = f'[[source]]\nkind = "file"\npath = "{ASSETS / "demo.ogg"}"\nloop = true\n'
    sinks = "".join(f'[[sink]]\nkind = "{kind}"\n' for kind in ("socket", "log", "history"))
    (tmp_path / "config.toml").write_text(source + sinks)
    process = subprocess.Popen(
        [sys.executable, "-m", "listener", "run", "--plain", "--config", str(tmp_path / "config.toml")],
        env=os.environ | {name: str(tmp_path / folder) for name, folder in homes.items()},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def heard_something(home: Path) -> bool:
    log = home / "state" / "listener" / "events.jsonl"
    return log.exists() and log.read_bytes().count(b"\n") > 3


@pytest.mark.usefixtures("at_home")
def test_audio_is_never_written_unless_asked(tmp_path: Path) -> None:
    eventually(lambda: heard_something(tmp_path), "events have been written", 60)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "config.toml"]
    assert {path.name.partition("-")[0] for path in files} == {"events.jsonl", "history.db", "history.db.lock"}
    assert not {path.suffix for path in files} & AUDIO
    assert b"fLaC" not in b"".join(path.read_bytes() for path in files)


def test_nothing_is_sent_anywhere_that_was_not_configured(tmp_path: Path, at_home: "subprocess.Popen[bytes]") -> None:
    eventually(lambda: heard_something(tmp_path), "events have been written", 60)
    assert network_sockets(at_home.pid) == []


def network_sockets(pid: int) -> list[str]:
    """The lines of the kernel's tables of TCP and UDP that belong to a process."""
    held = set()
    for link in list(Path(f"/proc/{pid}/fd").iterdir()):
        with suppress(FileNotFoundError):  # closed meanwhile
            held.add(str(link.readlink()))
    tables = [Path(f"/proc/{pid}/net/{table}") for table in ("tcp", "tcp6", "udp", "udp6")]
    lines = [line for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return [line for line in lines if f"socket:[{line.split()[9]}]" in held]


def test_a_network_socket_would_be_found() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert network_sockets(os.getpid())
