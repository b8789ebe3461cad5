"""Every command: its panel on the top page of help, examples that run, and what comes next."""

from collections.abc import Callable
from dataclasses import dataclass

from vesalius.cli import checkpoints, data, evaluate, looking, studies

START = "Start here"
EVALUATE = "Evaluate"
LOOK = "Look at results"
DATA = "Data"
MODELS = "Models"


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        panel: where it stands on the top page.
        call: the function; its docstring is the help.
        examples: whole lines that a shell can run.
        then: the command that people give next.
    """

    panel: str
    call: Callable[..., None]
    examples: tuple[str, ...]
    then: str

    @property
    def help(self) -> str:
        """The docstring, a line a paragraph, so that it is folded to the width of the terminal."""
        paragraphs = (self.call.__doc__ or "").split("\n\n")
        return "\n\n".join(" ".join(one.split()) for one in paragraphs)

    @property
    def epilog(self) -> str:
        """Examples and next command in rich's markup."""
        lines = [f"  {line}" for line in "\n".join(self.examples).split("\n")]
        then = f"[bold]Next[/bold]: {_literal(self.then)}"
        return "\n".join(("[bold]Examples[/bold]", *map(_literal, lines), then))


def _literal(line: str) -> str:
    return line.replace("[", r"\[")


COMMANDS = (
    Command(
        START,
        evaluate.demo,
        ("vesalius demo", "vesalius demo --model mini:clip --patients 20 --out small"),
        "vesalius report demo-run --format markdown",
    ),
    Command(START, checkpoints.doctor, ("vesalius doctor",), "vesalius models"),
    Command(
        EVALUATE,
        evaluate.run,
        (
            "vesalius run --model mini:clip --data cohort --out runs/first",
            "vesalius run --model mini:all --data cohort --task vqa --out runs/vqa",
            "vesalius run spec.yaml --limit 20 --out runs/trial --dry-run",
        ),
        "vesalius compare runs/first",
    ),
    Command(
        EVALUATE,
        evaluate.score,
        ("vesalius score runs/first", "vesalius score demo-run"),
        "vesalius report runs/first",
    ),
    Command(
        EVALUATE,
        studies.fuse,
        (
            "vesalius fuse --data cohort --features mini:clip:image --features tabular \\\n"
            "    --target nodule --out fused",
            "vesalius fuse --data cohort --features mini:clip:image \\\n"
            "    --features mini:clip:question --task vqa --head concat --out fused-vqa",
        ),
        "open fusion.html in the folder of --out",
    ),
    Command(
        EVALUATE,
        studies.reproduce,
        (
            "vesalius reproduce",
            "vesalius reproduce biomedclip-rsna --out reproduced",
        ),
        "vesalius report reproduced",
    ),
    Command(
        LOOK,
        looking.report,
        (
            "vesalius report runs/first runs/second --out both.html",
            "vesalius report runs/first --format csv --out metrics.csv",
            "vesalius report runs/first --format latex",
        ),
        "vesalius compare runs/first",
    ),
    Command(
        LOOK,
        looking.compare,
        ("vesalius compare runs/first", "vesalius compare runs/first runs/second --task vqa"),
        "vesalius report runs/first runs/second --out both.html",
    ),
    Command(
        DATA,
        data.check,
        ("vesalius check cohort", "vesalius check pneumoniamnist --no-pixels"),
        "vesalius run --model mini:clip --data cohort --out runs/first",
    ),
    Command(
        DATA,
        data.datasets,
        ("vesalius datasets", "vesalius datasets --json"),
        "vesalius fetch pneumoniamnist",
    ),
    Command(
        DATA,
        data.phantom,
        ("vesalius phantom --out cohort", "vesalius phantom --out small --patients 40 --seed 1"),
        "vesalius check cohort",
    ),
    Command(
        DATA,
        data.fetch,
        ("vesalius fetch clip", "vesalius fetch biomedclip pneumoniamnist"),
        "vesalius verify clip",
    ),
    Command(
        MODELS,
        checkpoints.models,
        ("vesalius models", "vesalius models --json"),
        "vesalius inspect mini:clip",
    ),
    Command(
        MODELS,
        checkpoints.verify,
        ("vesalius verify mini:clip", "vesalius verify clip=path/to/folder"),
        "vesalius inspect mini:clip",
    ),
    Command(
        MODELS,
        checkpoints.inspect,
        (
            "vesalius inspect mini:all --out cards.html",
            "vesalius inspect mini:clip --data cohort",
            "vesalius inspect clip --no-measure --json",
        ),
        "vesalius run --model mini:clip --data cohort --out runs/first",
    ),
)
"""Every command, in the order of the top page of help."""
