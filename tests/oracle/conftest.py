"""Tests against other implementations share the tiny checkpoints of the adapters' tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "models"))
