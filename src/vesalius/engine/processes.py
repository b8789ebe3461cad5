"""Processes that share the processors of this machine."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from threadpoolctl import threadpool_limits


def processes(n_workers: int, /) -> ProcessPoolExecutor:
    """A pool of fresh processes, each with its part of the processors for its own threads."""
    return ProcessPoolExecutor(
        max_workers=n_workers,
        mp_context=multiprocessing.get_context("spawn"),  # a forked torch may wait for ever
        initializer=_share_processors,
        initargs=(n_workers,),
    )


def _share_processors(n_workers: int) -> None:
    """Several processes with a thread per processor each would only wait for one another."""
    threads = max(1, (os.cpu_count() or 1) // n_workers)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read by torch when it is first imported
    threadpool_limits(threads)
