"""The share of a core is that of the daemon and of the processes that it runs."""

import subprocess
import sys
import time

from listener.daemon.cpu import CpuShare, used_s

BUSY = "import time\nwhile time.process_time() < 0.5: pass\nprint('done', flush=True)\ninput()"


def test_a_child_counts_while_it_runs_and_once_it_has_ended() -> None:
    before = used_s()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        running = used_s() - before
        child.communicate(b"\n")
    ended = used_s() - before
    assert running >= 0.45
    assert ended >= running - 0.05


def test_the_share_is_of_the_time_since_it_was_last_asked() -> None:
    cpu = CpuShare()
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.2:
        pass
    share = cpu.share()
    assert share >= 0.9 * 0.2 / (time.monotonic() - began)
    time.sleep(0.2)
    assert cpu.share() < share
