"""Commands around datasets: check and phantom."""

from pathlib import Path

from rich.text import Text

from vesalius.commands.terminal import console, counting, progress_bars
from vesalius.data.check import check_dataset
from vesalius.data.phantom import write_phantom
from vesalius.records import SPLITS


def check_command(data: str, *, read_pixels: bool) -> int:
    """Print what the dataset has and every bad row; 1 if there is any."""
    with progress_bars() as progress:
        report = check_dataset(
            data, read_pixels=read_pixels, progress=counting(progress, "checking samples")
        )
    here = [split for split in SPLITS if split in report.n_samples]
    counts = ", ".join(f"{report.n_samples[split]} {split}" for split in here)
    summary = f"{report.name}: {sum(report.n_samples.values())} samples ({counts}), "
    console.print(
        f"{summary}{sum(report.n_patients.values())} patients", highlight=False, markup=False
    )
    for note in report.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    if not report.problems:
        console.print("no problem found")
        return 0
    plural = "s" if len(report.problems) > 1 else ""
    console.print(f"{len(report.problems)} problem{plural}:", highlight=False)
    for problem in report.problems:
        line = Text.assemble((f"{problem.where}: ", "bold"), problem.message)
        console.print(line.append(f" [{problem.reason}]", style="dim"), soft_wrap=True)
    return 1


def phantom_command(out: Path, *, n_patients: int, seed: int) -> None:
    """Write the cohort and say how to use it."""
    with progress_bars() as progress:
        steps = counting(progress, "synthetic patients")
        write_phantom(out, n_patients=n_patients, seed=seed, progress=steps)
    console.print(f"radiographs: {out}\nCT volumes:  {out / 'ct'}", highlight=False, markup=False)
