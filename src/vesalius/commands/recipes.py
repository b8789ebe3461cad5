"""Commands about public data sets: the list of them, and getting one."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from vesalius.commands.network import open_network
from vesalius.commands.terminal import console, notices, size_text, write_out
from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.archives import unpack
from vesalius.data.recipes.download import download_file
from vesalius.data.recipes.prepare import data_root, is_on_disk
from vesalius.data.recipes.recipe import HubFiles, Recipe, WebFile
from vesalius.records import Json, digest_json
from vesalius.store.files import make_folder, write_atomic


def datasets_command(*, as_json: bool) -> None:
    """Print every recipe."""
    rows = [recipe_row(recipe) for recipe in RECIPES.values()]
    if as_json:
        write_out(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    table = Table(
        title=Text("Public data sets", style="bold cyan"), title_justify="left",
        box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("Name", no_wrap=True)
    for name in ("Tasks", "Licence", "Needs"):
        table.add_column(name, overflow="fold")
    table.add_column("Disk", justify="right", no_wrap=True)
    for row in (row for row in rows if not _size_of(row["name"])):
        table.add_row(*(Text(word) for word in _words(row)))
    console.print(table)
    sizes = sorted({size for name in RECIPES if (size := _size_of(name))})
    console.print(
        f"MedMNIST also by side in pixels: NAME_{', NAME_'.join(map(str, sizes))}.",
        highlight=False, markup=False,
    )  # fmt: skip
    console.print(
        f"Looked for below {data_root()} (VESALIUS_DATA). Disk: yes, or the size to download with "
        "`vesalius fetch NAME`, which for the others says what to put where.",
        highlight=False, markup=False,
    )  # fmt: skip


def _size_of(name: str) -> int | None:
    """Side in pixels where a set of another name is the same in another size."""
    base, _, size = name.rpartition("_")
    return int(size) if base in RECIPES and size.isdigit() else None


def _words(row: Mapping[str, Json]) -> tuple[str, ...]:
    size = row["size_mb"]
    return (
        row["name"],
        "\n".join(row["tasks"]),
        row["license"],
        row["credentials"] or "",
        "yes" if row["on_disk"] else size_text(round(size * 1e6)) if size else "no",
    )


def recipe_row(recipe: Recipe, /) -> dict[str, Json]:
    """All that a recipe states, as JSON."""
    return {
        "name": recipe.name,
        "title": recipe.title,
        "tasks": list(recipe.tasks),
        "modality": recipe.modality,
        "dimensions": recipe.dimensions,
        "classes": {name: list(prompts) for name, prompts in recipe.classes.items()},
        "structures": dict(recipe.structures),
        "prompts_from": recipe.prompts_from,
        "url": recipe.url,
        "license": recipe.license,
        "credentials": recipe.credentials,
        "citation": recipe.citation,
        "split": recipe.split,
        "expected": {name: dict(counts) for name, counts in recipe.expected.items()},
        "patient": recipe.patient,
        "split_overlap": recipe.split_overlap,
        "training_overlap": dict(recipe.overlap),
        "hidden": recipe.hidden,
        "unverified": list(recipe.unverified),
        "remarks": list(recipe.remarks),
        "size_mb": recipe.size_mb,
        "download": bool(recipe.get),
        "steps": list(recipe.steps),
        "on_disk": is_on_disk(recipe),
        "folder": str(data_root() / recipe.place),
    }


def fetch_recipe(recipe: Recipe, /) -> bool:
    """Download a data set, or say what to put where; whether it is on disk afterwards.

    Raises:
        DataError, ModelError: a file cannot be had, or is not what it should be.
    """
    folder = data_root() / recipe.place
    _say(f"{recipe.name}: {recipe.title}")
    for label, text in (("licence", recipe.license), ("needs", recipe.credentials),
                        ("cite", recipe.citation)):  # fmt: skip
        if text:
            _say(f"  {label}: {text}")
    marker = folder / f".fetched-{digest_json([repr(one) for one in recipe.get])[:16]}"
    if is_on_disk(recipe) and (marker.exists() or not recipe.get):
        _say(f"  is here already: {folder}")
        return True
    if not recipe.get:
        _say_steps(recipe, folder)
        return False
    make_folder(folder)
    for one in recipe.get:
        if isinstance(one, WebFile):
            _fetch_file(one, folder)
        else:
            _fetch_from_hub(one, folder)
    write_atomic(marker, b"")
    if not is_on_disk(recipe):
        _say(f"  the files came, but not all of {', '.join(recipe.needs)} are in {folder}; "
             "the publisher may have changed the layout. By hand:")  # fmt: skip
        _say_steps(recipe, folder)
        return False
    _say(f"  check it: vesalius check {recipe.name}")
    return True


def _say_steps(recipe: Recipe, folder: Path) -> None:
    _say(f"  source: {recipe.url}")
    for number, step in enumerate(recipe.steps, start=1):
        _say(f"  {number}. {step}")
    _say(f"  folder: {folder}, or anywhere else with --data {recipe.name}=FOLDER")


def _fetch_file(file: WebFile, folder: Path) -> None:
    known = "" if file.md5 or file.sha256 else "; no hash is known to compare it with"
    _say(f"  {file.name}{known}")
    with notices.status(file.name) as status:
        path = download_file(
            file, folder,
            arrived=lambda here, total: status.update(
                f"{file.name}: {size_text(here)}" + (f" of {size_text(total)}" if total else "")
            ),
        )  # fmt: skip
    if file.unpack:
        _unpack(path, folder)


def _fetch_from_hub(files: HubFiles, folder: Path) -> None:
    open_network()
    from vesalius.models.download import check_files, check_space, download, plan_download

    plan = plan_download(files.repo, revision=files.revision, patterns=files.patterns, into=folder)
    _say(f"  {files.repo} at commit {plan.commit}: {len(plan.files)} files, "
         f"{size_text(plan.missing_bytes)} to download")  # fmt: skip
    check_space(plan)
    download(plan, started=lambda file: _say(f"  {file.name} ({size_text(file.size)})"))
    check_files(folder, plan, pins={})
    _say(f"  {len(plan.files)} files are as the hub describes them")
    for name in files.unpack:
        _unpack(folder / name, folder)


def _unpack(path: Path, folder: Path) -> None:
    n_files = unpack(path, folder)
    path.unlink()
    _say(f"  {path.name}: {n_files:,} files unpacked")


def _say(line: str) -> None:
    console.print(Text(line), soft_wrap=True)
