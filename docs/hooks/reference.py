"""Reference pages are made from the code: the Python names and the command line.

Python pages hold directives that mkdocstrings fills from signatures and docstrings; the command
line page is what the application says of itself.
"""

import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).parent))

from command_line import command_line_page


def on_files(files, /, *, config):
    """Add the generated pages."""
    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    return files


def pages() -> dict[str, str]:
    """File name and Markdown of every generated page."""
    import vesalius
    from vesalius import metrics, stats

    public = [name for name in vesalius.__all__ if name not in {"metrics", "notebook"}]
    return {
        "cli.md": command_line_page(),
        "api.md": _page(
            "The package",
            "`import vesalius as vs` gives these names, and `vs.metrics` and `vs.notebook`, which "
            "have pages of their own: [metrics](metrics.md), [notebook](notebook.md).",
            _directives(vesalius, public),
        ),
        "records.md": _module("Records", "vesalius.records"),
        "capabilities.md": _module("Capabilities", "vesalius.capabilities"),
        "metrics.md": _page(
            "Metrics",
            "Functions on numpy arrays: the reference first, the prediction second, options by "
            "name. `METRICS` is the table of those that results carry.",
            [_metrics_table(), *_directives(metrics, metrics.__all__)],
        ),
        "statistics.md": _page(
            "Statistics",
            "One bootstrap for every metric: a statistic is a function of row indices, and whole "
            "patients are drawn.",
            _directives(stats, stats.__all__),
        ),
        "notebook.md": _module("Notebook", "vesalius.notebook"),
        "errors.md": _module("Errors", "vesalius.errors"),
        "error-codes.md": _page(
            "Error codes",
            "Every problem with a file or a row carries one of these codes, which stay the same "
            "across versions. `vesalius check` prints them; in Python a `DataError` has one as "
            "`reason`.",
            [_reasons_table()],
        ),
    }


def _page(title: str, lead: str, parts: Iterable[str], /) -> str:
    return "\n\n".join([f"# {title}", lead, *parts]) + "\n"


def _module(title: str, name: str, /) -> str:
    """A whole module: its docstring, then everything public that it defines."""
    module = importlib.import_module(name)
    lead = "```text\n" + inspect.getdoc(module) + "\n```"  # drawings keep their columns
    own = [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name
    ]
    if "::" not in lead:
        lead = inspect.getdoc(module) or ""
    return _page(title, lead.replace("::\n\n", "\n"), _directives(module, own))


def _directives(package: object, names: Sequence[str], /) -> Iterator[str]:
    """One directive for each function or class, under the module that defines it."""
    for name in names:
        value = getattr(package, name)
        module = getattr(value, "__module__", None)
        if module is not None and module.startswith("vesalius") and hasattr(value, "__name__"):
            yield f"::: {module}.{value.__name__}"


def _reasons_table() -> str:
    from vesalius.data.reading import REASONS

    rows = [f"| `{code}` | {meaning} |" for code, meaning in REASONS.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def _metrics_table() -> str:
    from vesalius import metrics
    from vesalius.report.glossary import glossary

    directions = {term.name: term.direction for term in glossary(metrics.METRICS)}
    rows = [
        "| name in results | computed by | range | better | source |",
        "|---|---|---|---|---|",
    ]
    for name, info in metrics.METRICS.items():
        whole = inspect.unwrap(getattr(info.function, "func", info.function))  # of a partial
        computed = f"`{whole.__name__}`"
        if whole.__name__ in metrics.__all__:
            computed = f"[{computed}][{whole.__module__}.{whole.__name__}]"
        elif whole.__name__.endswith("_defined"):  # of one value a row
            computed = whole.__name__.removesuffix("_defined") + " of the rows' values"
        better = directions[name].removesuffix(" is better")
        span = f"{info.low:g} – {info.high:g}".replace("inf", "∞").replace("-", "−")
        span += f" {info.unit}" if info.unit else ""
        rows.append(f"| `{name}` | {computed} | {span} | {better} | {info.source} |")
    return "\n".join(rows)
