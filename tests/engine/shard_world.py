"""Runs in parts, as functions that other processes can be given."""

import sys
import time
from functools import partial
from pathlib import Path

from small_world import Brightness

from vesalius.data.manifest import load_dataset
from vesalius.engine import Circumstances, Grid, ModelSource, ShardEnd, run, run_shard
from vesalius.engine.sharding import Shard
from vesalius.records import RunSpec
from vesalius.store.runs import Run
from vesalius.tasks import make_task

MODELS = ("first", "second", "third")
TASKS = (
    make_task("classification", "zero-shot"),
    make_task("classification", "linear-probe"),
    make_task("retrieval", "embedding"),
)


class Slow(Brightness):
    """Takes its time, and says on standard output how many pictures it was shown."""

    def encode_images(self, images):
        """As its base does."""
        time.sleep(0.01 * len(images))
        sys.stdout.write(f"{len(images)}\n")
        sys.stdout.flush()
        return super().encode_images(images)


def grid(folder: Path, kind: type[Brightness] = Brightness) -> Grid:
    """Three models, one dataset, three protocols."""
    loads = [partial(kind, name, name) for name in MODELS]
    sources = [ModelSource(load().card, load) for load in loads]
    return Grid(sources, [load_dataset(folder)], TASKS)


def spec(**settings: object) -> RunSpec:
    """Settings of every run here."""
    return RunSpec(models=MODELS, datasets=("squares",), n_resamples=60, batch_size=4, **settings)  # type: ignore[arg-type]


def do_all(folder: Path, out: Path, **settings: object) -> Run:
    """The whole run, or what shards have left of it."""
    return run(grid(folder), spec(**settings), out=out)


def do_shard(folder: Path, out: Path, index: int, count: int) -> ShardEnd:
    """One part of it."""
    circumstances = Circumstances(shard=Shard(index, count))
    return run_shard(grid(folder), spec(), out=out, circumstances=circumstances)


if __name__ == "__main__":
    data, out, cache, part = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    if part == "ray":
        run(grid(data, Slow), spec(engine="ray", workers=2), out=out, cache=cache)
    else:
        index, count = map(int, part.split("/"))
        told = Circumstances(shard=Shard(index, count))
        run_shard(grid(data, Slow), spec(), out=out, cache=cache, circumstances=told)
