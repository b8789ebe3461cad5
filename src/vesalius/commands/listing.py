"""Commands about what there is: models, fetch, verify, doctor."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table
from rich.text import Text

from vesalius.api import user_cache
from vesalius.capabilities import CAPABILITIES
from vesalius.catalog import ModelEntry, describe, load_model, models, parse_model
from vesalius.commands.terminal import console
from vesalius.engine.info import versions
from vesalius.errors import ModelError, UsageError
from vesalius.models.locate import hub_cache
from vesalius.records import Json
from vesalius.tasks import TASKS

_OPTIONAL = {"python-gdcm": "dicom", "ray": "ray", "diffusers": "diffusers"}
_GIB = 2**30


def models_command(*, as_json: bool) -> None:
    """Print the catalog, genuine models first and then their miniatures."""
    rows = [_model_row(entry, prefix) for prefix in ("", "mini:") for entry in models().values()]
    if as_json:
        console.file.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(title="Models", title_justify="left", header_style="bold")
    for name in ("Name", "Weights", "On disk", "Licence", "Can"):
        table.add_column(name, overflow="fold")
    for row in rows:
        words = [row["name"], row["source"], "yes" if row["on_disk"] else "no", row["license"]]
        table.add_row(*(Text(word) for word in words), ", ".join(row["capabilities"]))
    console.print(table)
    console.print("get what is not on disk with `vesalius fetch NAME` on a connected machine")


def _model_row(entry: ModelEntry, prefix: str) -> dict[str, Json]:
    name = f"{prefix}{entry.name}"
    try:
        describe(parse_model(name))
        on_disk = True
    except ModelError:
        on_disk = False
    research = " (research only)" if entry.research_only and not prefix else ""
    return {
        "name": name,
        "adapter": entry.adapter,
        "source": "miniature, trained on synthetic data" if prefix else entry.repo,
        "revision": None if prefix else entry.revision,
        "license": "Apache-2.0" if prefix else entry.license + research,
        "on_disk": on_disk,
        "size_mb": None if prefix else entry.size_mb,
        "training_data": "synthetic cohort" if prefix else entry.training_data,
        "capabilities": list(entry.capabilities),
    }


def fetch_command(names: Sequence[str]) -> None:
    """Download into the hub's cache and say what came."""
    # The hub's client reads this once, when it is imported.
    os.environ["HF_HUB_OFFLINE"] = "0"
    from huggingface_hub import snapshot_download

    for name in names:
        request = parse_model(name)
        if request.kind != "hub" or not request.entry.repo:
            raise UsageError(f"{name} is not downloaded; name a model of `vesalius models`")
        entry = request.entry
        console.print(f"{name}: {entry.repo} at {entry.revision or 'main'}, {entry.license}")
        try:
            snapshot_download(
                entry.repo, revision=entry.revision, allow_patterns=list(entry.patterns)
            )
        except OSError as error:
            raise ModelError(
                f"{entry.repo} could not be downloaded: {error}; run the command again on a "
                "connected machine, it continues where it stopped"
            ) from error
        console.print(f"{name}: downloaded; check it with `vesalius verify {name}`")


def verify_command(name: str, *, device: str, allow_pickle_weights: bool) -> None:
    """Load strictly and print identity, size, capabilities and a known-answer cosine."""
    model = load_model(name, device=device, allow_pickle_weights=allow_pickle_weights)
    card = model.card
    table = _facts(name)
    facts = asdict(card)
    weights = facts.pop("weights")
    facts |= {"fingerprint": card.fingerprint, "parameters": f"{model.n_parameters:,}"}
    facts["capabilities"] = ", ".join(
        n for n, kind in CAPABILITIES.items() if isinstance(model, kind)
    )
    cosine = (model.encode_texts(["a chest x-ray"]) @ model.encode_texts(["pneumonia"]).T).item()
    facts["cosine of 'a chest x-ray' and 'pneumonia'"] = f"{cosine:.6f}"
    for key, value in [*facts.items(), *weights.items()]:
        table.add_row(Text(str(key)), Text(str(value)))
    console.print(table)
    console.print("loaded strictly: no key missing, unexpected or of another shape")


def _facts(title: str) -> Table:
    """A table of names and values; long values are folded, never cut."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def doctor_command() -> None:
    """Print what this environment has and lacks."""
    import torch

    rows: dict[str, str] = versions()
    rows["system"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    rows["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.1f} GiB"
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    rows["CUDA devices"] = ", ".join(devices) or "none; models run on the CPU"
    for label, folder in (("model cache", hub_cache()), ("feature cache", user_cache())):
        place = next(p for p in (folder, *folder.parents) if p.exists())
        rows[label] = f"{folder} ({shutil.disk_usage(place).free / _GIB:.1f} GiB free)"
    for package, extra in _OPTIONAL.items():
        try:
            rows[package] = version(package)
        except PackageNotFoundError:
            rows[package] = f'not installed; pip install "vesalius[{extra}]"'
    rows["torchvision"] = _torchvision()
    rows["tasks"] = ", ".join(TASKS)
    table = _facts("vesalius doctor")
    for key, value in rows.items():
        table.add_row(Text(key), Text(value))
    console.print(table)


def _torchvision() -> str:
    """A torchvision that does not fit torch breaks the image processors of transformers."""
    try:
        found = version("torchvision")
    except PackageNotFoundError:
        return "not installed (not needed)"
    try:
        __import__("torchvision")
    except (ImportError, RuntimeError) as error:
        return f"{found} is broken ({error}); pip uninstall torchvision"
    return f"{found}, works with {sys.version.split()[0]}"
