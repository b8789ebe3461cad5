"""The table printed at the end of a run."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from vesalius.records import MetricRow, Outcome
from vesalius.report.exports import remark, visible
from vesalius.report.tables import Entry, entries, interval_text, outcome_counts, text_of

_STYLES = {"done": "", "n/a": "yellow", "failed": "bold red", "not run": "yellow"}


def summary_table(metrics: Sequence[MetricRow], outcomes: Sequence[Outcome], /) -> Table:
    """Headline of every cell with interval and patients; controls dimmed, nothing left out.

    Texts are added as `rich.text.Text`, so that brackets in a name are not read as markup.
    """
    counts = outcome_counts(outcomes)
    made = entries(outcomes, metrics)
    table = Table(
        title="Results", title_justify="left", header_style="bold", caption_justify="left"
    )
    table.caption = ", ".join(f"{n} {status}" for status, n in counts.items())
    for name in ("Dataset", "Task", "Protocol", "Model", "Metric"):
        table.add_column(name, overflow="fold")
    for name in ("Value", "Interval", "Patients"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Remark", overflow="fold")
    for entry, following in zip(made, [*made[1:], None], strict=True):
        last = following is None or _block(following) != _block(entry)
        table.add_row(*_cells(entry), style="dim" if entry.is_control else None, end_section=last)
    return table


def _block(entry: Entry) -> tuple[str, str, str]:
    return (entry.cell.dataset, entry.cell.task, entry.cell.protocol)


def _cells(entry: Entry) -> list[Text]:
    cell = entry.cell
    place = [cell.dataset, cell.task, cell.protocol, cell.model]
    value = ["", entry.status, "", ""]
    if entry.headline is not None:
        estimate = entry.headline.estimate
        patients = str(estimate.n_patients)
        value = [estimate.metric, text_of(estimate.value), interval_text(estimate), patients]
    texts = [Text(visible(text)) for text in [*place, *value]]
    return [*texts, Text(visible(remark(entry)), style=_STYLES[entry.status])]
