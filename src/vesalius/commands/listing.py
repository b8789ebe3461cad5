"""Commands about what there is: models, doctor."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table
from rich.text import Text

from vesalius.api import user_cache
from vesalius.catalog import ModelEntry, is_on_disk, models, parse_model
from vesalius.commands.terminal import console, write_out
from vesalius.engine.info import versions
from vesalius.models.locate import hub_cache
from vesalius.records import Json
from vesalius.tasks import TASKS

_OPTIONAL = {"python-gdcm": "dicom", "ray": "ray", "diffusers": "diffusers"}
_GIB = 2**30
_LETTERS = {
    "encode_images": "I",
    "encode_texts": "T",
    "encode_words": "W",
    "encode_dense": "D",
    "encode_with_prior": "P",
    "score_texts": "S",
    "score_answers": "A",
    "generate": "G",
    "attribute": "M",
}


def models_command(*, as_json: bool) -> None:
    """Print the catalog, genuine models first and then their miniatures."""
    rows = [_model_row(entry, prefix) for prefix in ("", "mini:") for entry in models().values()]
    if as_json:
        write_out(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(title="Models", title_justify="left", header_style="bold", pad_edge=False)
    for name in ("Name", "Licence", "Can"):
        table.add_column(name, overflow="fold")
    for name in ("Million", "Disk"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(word) for word in _words(row)))
    console.print(table)
    console.print(
        "Can: I, T embed images, texts (IT: in one space), W words, D dense, P with prior, "
        "S match score, A answer score, G generate, M map.\n"
        "Million: parameters. Disk: yes, or the size to download with `vesalius fetch NAME` on a "
        "connected machine.",
        highlight=False,
        markup=False,
    )


def _words(row: Mapping[str, Json]) -> tuple[str, ...]:
    n_parameters, size = row["parameters"], row["size_mb"]
    return (
        row["name"],
        row["license"],
        "".join(_LETTERS[name] for name in row["capabilities"] if name in _LETTERS),
        f"{n_parameters / 1e6:,.0f}" if n_parameters else "",
        "yes" if row["on_disk"] else f"{size / 1e3:.1f} GB" if size else "no",
    )


def _model_row(entry: ModelEntry, prefix: str) -> dict[str, Json]:
    name = f"{prefix}{entry.name}"
    research = " (research only)" if entry.research_only and not prefix else ""
    return {
        "name": name,
        "adapter": entry.adapter,
        "source": "miniature, trained on synthetic data" if prefix else entry.repo,
        "revision": None if prefix else entry.revision,
        "revision_note": "" if prefix else entry.revision_note,
        "license": "Apache-2.0" if prefix else entry.license + research,
        "on_disk": is_on_disk(parse_model(name)),
        "size_mb": None if prefix else entry.size_mb,
        "parameters": None if prefix else entry.expected.parameters or None,
        "training_data": "synthetic cohort" if prefix else entry.training_data,
        "capabilities": list(entry.capabilities),
        "options": {option.name: list(option.values) for option in entry.options},
    }


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
