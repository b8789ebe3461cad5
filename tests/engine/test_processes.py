"""Worker processes: they share the processors, and none outlives a parent that was killed."""

import os
import signal
import subprocess
import sys
import time

from vesalius.engine.processes import processes

SCRIPT = """
import os, sys, time
from vesalius.engine.processes import processes

def main():
    with processes(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 120)
        time.sleep(120)

if __name__ == "__main__":
    main()
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be fetched does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def test_workers_end_with_a_killed_parent(tmp_path):
    """Otherwise they would go on with work that nobody waits for."""
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert is_alive(worker)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(worker)


def test_each_has_its_part_of_the_processors():
    """Two processes with all threads each would only wait for one another."""
    with processes(2) as pool:
        threads = pool.submit(os.getenv, "OMP_NUM_THREADS").result()
    assert threads == str(max(1, (os.cpu_count() or 1) // 2))
