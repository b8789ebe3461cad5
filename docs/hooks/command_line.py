"""The page about the command line, from what the application knows of itself."""

from collections.abc import Iterator

from rich.text import Text
from typer.main import get_command

from vesalius.cli import app

_LEAD = (
    "Every command, as `vesalius COMMAND --help` shows it. Exit codes: 0 all went well, 1 "
    "something failed or was found wrong, 2 the command cannot be carried out as it was written."
)


def command_line_page() -> str:
    """Markdown of the whole page."""
    root = get_command(app)
    parts = ["# Command line", _LEAD]
    for name, command in root.commands.items():
        if not command.hidden:
            parts += _command(name, command)
    return "\n\n".join(parts) + "\n"


def _command(name, command) -> Iterator[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    yield f"## vesalius {name} {{: #{name} }}"
    yield f"```text\n{_usage(name, command, context)}\n```"
    yield _plain(command.help or "")
    by_panel: dict[str, list[str]] = {}
    for parameter in command.params:
        if not getattr(parameter, "hidden", False) and parameter.name != "help":
            panel = getattr(parameter, "rich_help_panel", None) or ""
            by_panel.setdefault(panel, []).append(_row(parameter, context))
    for panel, rows in by_panel.items():
        if panel:
            yield f"**{panel}**"
        yield "\n".join(["| | | default |", "|---|---|---|", *rows])
    if command.epilog:
        yield _plain(command.epilog)


def _usage(name, command, context) -> str:
    return " ".join([f"vesalius {name}", *command.collect_usage_pieces(context)])


def _row(parameter, context) -> str:
    if parameter.param_type_name == "argument":
        names = " ".join(parameter.get_usage_pieces(context))
    else:
        names = ", ".join([*parameter.opts, *parameter.secondary_opts])
        names += "" if parameter.is_flag else f" {_kind(parameter.display_type(context))}"
    default = "" if parameter.default in {None, "", False} else f"`{parameter.default}`"
    if parameter.required:
        default = "required"
    text = _plain(parameter.help or "").replace("|", "\\|").replace("\n", " ")
    return f"| `{names.replace('|', '/')}` | {text} | {default} |"


def _kind(shown: str) -> str:
    """`<list[str]>` of the help as TEXT …, `<int range>` as NUMBER."""
    word = shown.strip("<>").removeprefix("list[").removesuffix("]").removesuffix(" range")
    plain = {"str": "TEXT", "int": "NUMBER", "float": "NUMBER"}.get(word, word.upper())
    return f"{plain} …" if shown.startswith("<list") else plain


def _plain(text: str) -> str:
    """Help without marks of colour; lines that stand apart, such as examples, stay apart."""
    plain = Text.from_markup(text.replace("\b", "").replace("\f", "")).plain
    return "\n\n".join(_paragraph(one) for one in plain.split("\n\n") if one.strip())


def _paragraph(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines[0].startswith("vesalius "):
        return "```text\n" + "\n".join(lines) + "\n```"
    return " ".join(lines)
