"""`--online`: what is named and not on disk is downloaded before anything else is done.

Downloading is left to ``vesalius fetch`` in a process of its own, so that the one which evaluates
never opens the network.
"""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from vesalius.catalog import is_on_disk, parse_model
from vesalius.commands.wanted import expand_models
from vesalius.data.opening import recipe_of
from vesalius.data.recipes import prepare
from vesalius.errors import UsageError
from vesalius.models.naming import split_options


def fetch_missing(models: Sequence[str] = (), data: Sequence[str] = ()) -> tuple[str, ...]:
    """Download what is missing, pinned and verified as by ``vesalius fetch``; its names.

    Raises:
        UsageError: if a data set cannot be had without a signature, before anything is
            downloaded, or a download did not come out.
        InputError, DataError: for an unknown name.
    """
    names = tuple(dict.fromkeys((*_missing_models(models), *_missing_data(data))))
    if not names:
        return ()
    done = subprocess.run([sys.executable, "-P", "-m", "vesalius", "fetch", *names], check=False)  # noqa: S603
    if done.returncode:
        raise UsageError(
            f"--online: not all of {', '.join(names)} could be downloaded; the lines above say why"
        )
    return names


def _missing_models(names: Sequence[str]) -> Iterable[str]:
    for name in expand_models(names):
        # options in brackets can only be judged once the configuration is there
        request = parse_model(name if Path(name).is_dir() else split_options(name)[0])
        if request.kind == "hub" and not is_on_disk(request):
            yield request.name


def _missing_data(names: Sequence[str]) -> Iterable[str]:
    for name in names:
        found = recipe_of(name)
        if found is None or found[1] is not None or prepare.is_on_disk(found[0]):
            continue
        recipe = found[0]
        if not recipe.get:
            needs = f": it needs {recipe.credentials}" if recipe.credentials else ""
            raise UsageError(
                f"--online: {recipe.name} cannot be downloaded without you{needs}; "
                f"`vesalius fetch {recipe.name}` says how to get it and where to put it"
            )
        yield recipe.name
