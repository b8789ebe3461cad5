"""The command that loads models strictly and checks what identifies them."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from vesalius.catalog import ModelRequest, open_model, parse_model
from vesalius.commands.terminal import console
from vesalius.commands.wanted import expand_models
from vesalius.errors import ModelError
from vesalius.models.verification import Check, verify

_SIGNS = {True: Text("ok", style="green"), False: Text("WRONG", style="bold red"), None: Text("")}


def verify_command(names: Sequence[str], *, device: str, allow_pickle_weights: bool) -> bool:
    """Print the checks of every model; whether all passed.

    Raises:
        InputError: for an unknown model; nothing is loaded then.
    """
    requests = [
        parse_model(name, allow_pickle_weights=allow_pickle_weights)
        for name in expand_models(names)
    ]
    passed = [_verified(request, device) for request in requests]  # every one is shown
    return all(passed)


def _verified(request: ModelRequest, device: str) -> bool:
    try:
        model = open_model(request, device=device)
    except ModelError as error:
        console.print(Text(f"{request.name}: {error}", style="red"), soft_wrap=True)
        return False
    checks = verify(model, model.card, request)
    console.print(_table(request.name, checks))
    wrong = [check for check in checks if check.passed is False]
    for check in wrong:
        line = f"{request.name}: {check.name} is {check.value}, but {check.reason}"
        console.print(Text(line, style="red"), soft_wrap=True)
    if not wrong:
        verdict = f"{request.name}: loaded strictly, no key missing, unexpected or of another shape"
        console.print(Text(verdict), soft_wrap=True)
    return not wrong


def _table(title: str, checks: Sequence[Check]) -> Table:
    """Values that could only be noted have no sign; long ones are folded, never cut."""
    table = Table(title=Text(title), title_justify="left", show_header=False)
    table.add_column(overflow="fold", max_width=28)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    for check in checks:
        table.add_row(Text(check.name), Text(check.value), _SIGNS[check.passed])
    return table
