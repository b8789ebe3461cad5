"""Trains the miniature checkpoints anew, one after the other.

Run: ``make minis`` or ``.venv/bin/python scripts/train_minis.py [--only NAME] [--threads N]``.
Within an hour on two quiet cores. Deterministic for one version of torch and one number of threads.
All start from ``clip``, so train it first when the cohort has changed.
"""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

MAKERS = {
    "clip": "minis.clip_family:make_clip",
    "pubmedclip": "minis.clip_family:make_pubmedclip",
    "clipmd": "minis.clip_family:make_clipmd",
    "blip2": "minis.blip2:make",
    "biomedclip": "minis.biomedclip:make",
    "git": "minis.git:make",
    "smolvlm": "minis.smolvlm:make",
    "biovil-t": "minis.biovilt:make",
}
_BEGIN = time.monotonic()


def say(text: str) -> None:
    """One line with the seconds since the start."""
    sys.stdout.write(f"{time.monotonic() - _BEGIN:7.0f} s  {text}\n")
    sys.stdout.flush()


def main() -> None:
    """Train what was asked for, in the order of the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(MAKERS), action="append", help="default: all")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name, maker in MAKERS.items():
        if name in (arguments.only or MAKERS):
            module, _, function = maker.partition(":")
            getattr(import_module(module), function)(say)


if __name__ == "__main__":
    main()
