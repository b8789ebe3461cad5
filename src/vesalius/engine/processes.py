"""Processes that share the processors of this machine."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_LOOK_EVERY_S = 1.0


@contextmanager
def processes(n_workers: int, /) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes, each with its part of the processors for its own threads.

    They end with the process that made them, also when that one is killed; at once when it is
    interrupted, for what they journaled is on disk.
    """
    pool = ProcessPoolExecutor(
        max_workers=n_workers,
        mp_context=multiprocessing.get_context("spawn"),  # a forked torch may wait for ever
        initializer=_begin,
        initargs=(n_workers, os.getpid()),
    )
    try:
        yield pool
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():
            child.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def share_processors(n_workers: int, /) -> None:
    """Take one of `n_workers` parts of the processors for the threads of this process.

    Several processes with a thread per processor each would only wait for one another.
    """
    threads = max(1, (os.cpu_count() or 1) // n_workers)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read by torch when it is first imported
    threadpool_limits(threads)


def _begin(n_workers: int, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the parent sees to it
    share_processors(n_workers)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process once it has lost its parent: a pool does not notice a killed one."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
