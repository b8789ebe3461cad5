"""The one switch that lets the hub's client connect."""

import os


def open_network() -> None:
    """Allow connections; the client reads this once, when it is imported."""
    os.environ |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
