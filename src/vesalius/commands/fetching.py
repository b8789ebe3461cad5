"""The command that opens the network: models into the hub's cache, data sets, all verified."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from vesalius.catalog import ModelEntry, ModelRequest, parse_model
from vesalius.commands.network import open_network
from vesalius.commands.recipes import fetch_recipe
from vesalius.commands.terminal import console, size_text
from vesalius.commands.viewer import NAME, fetch_viewer
from vesalius.commands.wanted import expand_models
from vesalius.data.recipes import RECIPES
from vesalius.errors import InputError, UsageError, did_you_mean
from vesalius.models.checkpoint import PICKLES, sha256
from vesalius.models.naming import split_options

if TYPE_CHECKING:
    from vesalius.models.download import Plan


def fetch_command(names: Sequence[str]) -> bool:
    """Download models, data sets and the viewer one after the other, each verified.

    A data set that must be had by hand is explained instead; whether none was.

    Raises:
        UsageError: if one of them is not of a repository; nothing is downloaded then.
        ModelError: if one cannot be downloaded or is not what it should be.
    """
    wants_viewer = NAME in names
    names = [name for name in names if name != NAME]
    recipes = [RECIPES[name] for name in names if name in RECIPES]
    models = [name for name in names if name not in RECIPES]
    requests = [_fetchable(name) for name in expand_models(models)]
    open_network()
    for request in requests:
        _fetch(request)
    got = [fetch_recipe(recipe) for recipe in recipes]  # every one is tried
    if wants_viewer:
        got.append(fetch_viewer())
    return all(got)


def _fetchable(name: str) -> ModelRequest:
    try:
        request = parse_model(name)
    except InputError as error:
        raise UsageError(f"{error}{did_you_mean(name, RECIPES)}") from error
    if request.kind != "hub" or not request.entry.repo:
        raise UsageError(f"{name} is not downloaded; name a model of `vesalius models`")
    return request


def _fetch(request: ModelRequest) -> None:
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from vesalius.models.download import check_files, check_space, download, plan_download

    entry = request.entry
    _say(f"{request.name}: {entry.repo}")
    for line in licence_lines(entry):
        _say(f"  {line}")
    plan = plan_download(entry.repo, revision=entry.revision, patterns=entry.patterns)
    _announce(plan, entry)
    check_space(plan)
    if not console.is_terminal:
        disable_progress_bars()
    folder = download(plan, started=lambda file: _say(f"  {file.name} ({size_text(file.size)})"))
    check_files(folder, plan, pins=pins_of(entry, plan))
    _say(f"  {len(plan.files)} files are as the hub describes them")
    for file in plan.files:
        if file.name.endswith(PICKLES) and not entry.pickles:
            _say(
                f"  {file.name} is a pickle of which no hash is known beforehand (SHA-256 "
                f"{sha256(folder / file.name)}); loading it needs --allow-pickle-weights"
            )
    _say(f"  check that it loads: vesalius verify {split_options(request.name)[0]}")


def licence_lines(entry: ModelEntry) -> list[str]:
    """What a user must know before the download."""
    lines = [f"licence: {entry.license or 'not known to the catalog; see the repository'}"]
    if entry.research_only:
        lines.append("FOR RESEARCH ONLY: this licence allows no commercial use")
    return lines


def pins_of(entry: ModelEntry, plan: "Plan") -> dict[str, frozenset[str]]:
    """File name → allowed SHA-256, for the weight files of which the catalog knows one."""
    pins = {name: frozenset({digest}) for name, digest in entry.expected.safetensors.items()}
    if entry.pickles:
        pins |= {file.name: entry.pickles for file in plan.files if file.name.endswith(PICKLES)}
    there = {file.name for file in plan.files}
    return {name: known for name, known in pins.items() if name in there}


def _announce(plan: "Plan", entry: ModelEntry) -> None:
    if entry.revision is None:
        _say(
            f"  no revision is pinned for it; main is commit {plan.commit} now. Write this down: "
            "another download may bring other weights"
        )
    else:
        _say(f"  pinned commit {plan.commit}")
    if entry.revision_note and entry.revision:
        _say(f"  {entry.revision_note}")
    total = sum(file.size for file in plan.files)
    here = len(plan.files) - len(plan.missing)
    _say(
        f"  {len(plan.files)} files, {size_text(total)}; {here} are here already, "
        f"{size_text(plan.missing_bytes)} to download"
    )


def _say(line: str) -> None:
    console.print(Text(line), soft_wrap=True)
