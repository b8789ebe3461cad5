"""Trains the miniature checkpoints of the CLIP layout: mini:clip, mini:pubmedclip, mini:clipmd.

Run: ``make minis`` or ``.venv/bin/python scripts/train_minis.py [--threads N]``. About twenty
minutes on two quiet cores. Deterministic for one version of torch and one number of threads.

``clip`` is trained from nothing. The other two start from it, as PubMedCLIP and ClipMD started from
CLIP, and go on with the same train patients but other seeds and captions: figure captions for
``pubmedclip``; long reports, read in windows of 77 tokens every 70, for ``clipmd``.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from minis.cohort import Cohort, build_cohort, indices, version
from minis.evaluation import measure
from minis.export import Recipe, check_size, write_folder, write_readme
from minis.network import new_model, start_from_patches
from minis.texts import corpus
from minis.tokenizer import write_tokenizer
from minis.training import Schooling, contrast, supervise
from transformers import CLIPModel

from vesalius.data.phantom import Study, make_patient

TARGET = Path(__file__).parents[1] / "src" / "vesalius" / "minis"
DEMO_SEED = 0  # the cohort of the demonstration; training never sees it
N_TEST_PATIENTS = 165  # a little over 200 studies


@dataclass(frozen=True, slots=True)
class Course:
    """What one miniature goes through."""

    name: str
    genuine: str
    seed: int
    cohort_seed: int
    n_patients: int
    style: str
    n_supervised: int
    n_contrastive: int
    peak: float


COURSES = (
    Course("clip", "openai/clip-vit-base-patch32", 11, 1000, 1600, "plain", 1600, 450, 8e-4),
    Course(
        "pubmedclip",
        "flaviagiammarino/pubmed-clip-vit-base-patch32",
        12,
        1000,
        1600,
        "figure",
        0,
        130,
        4e-4,
    ),
    Course("clipmd", "Idan0405/ClipMD", 13, 1000, 1600, "long", 0, 130, 4e-4),
)
_BEGIN = time.monotonic()


def say(text: str) -> None:
    """One line with the seconds since the start."""
    sys.stdout.write(f"{time.monotonic() - _BEGIN:7.0f} s  {text}\n")
    sys.stdout.flush()


def train(course: Course, cohort: Cohort, start: CLIPModel | None, words: Path) -> CLIPModel:
    """Run one course; `start` is the finished model that it goes on from, if any."""
    tokenizer = write_tokenizer(words, corpus(cohort.plans[:800], np.random.default_rng(7)))
    torch.manual_seed(course.seed)
    model = new_model(len(tokenizer))
    if start is None:
        start_from_patches(model, cohort.images[:400])
    else:
        model.load_state_dict(start.state_dict())
    school = Schooling(model, tokenizer, cohort, course.style, course.seed, say)
    if course.n_supervised:
        _supervise_once(school, course)
    contrast(school, n_steps=course.n_contrastive, peak=course.peak)
    return model


def _supervise_once(school: Schooling, course: Course) -> None:
    """The first stage, or its result from the temporary folder: it is most of the time."""
    name = f"vesalius-minis-{version()}-{course.name}-{course.n_supervised}.pt"
    cache = Path(tempfile.gettempdir()) / name
    if not cache.exists():
        supervise(school, n_steps=course.n_supervised)
        torch.save(school.model.state_dict(), cache)
    school.model.load_state_dict(torch.load(cache, weights_only=True))


def unseen_studies() -> list[Study]:
    """Studies of test patients of the demonstration's cohort."""
    chosen = indices(DEMO_SEED, ("test",), N_TEST_PATIENTS)
    return list(chain.from_iterable(make_patient(DEMO_SEED, index) for index in chosen))


def publish(
    course: Course, model: CLIPModel, *, words: Path, n_studies: int, unseen: list[Study]
) -> None:
    """Write the folder, measure it as a user would load it, and write its card."""
    folder = TARGET / course.name
    write_folder(folder, model, words)
    quality = measure(folder, unseen, long=course.style == "long")
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    recipe = Recipe(
        name=course.name,
        genuine=course.genuine,
        start="the finished mini:clip"
        if not course.n_supervised
        else "random; patch embedding from the principal components of image patches",
        seed=course.seed,
        cohort_seed=course.cohort_seed,
        n_patients=course.n_patients,
        n_studies=n_studies,
        steps=f"{course.n_supervised} supervised, {course.n_contrastive} contrastive",
        style=course.style,
    )
    write_readme(folder, recipe, quality, n_parameters)
    say(f"{course.name}: {quality}, macro {quality.macro_auroc:.3f}, {check_size(folder)} bytes")


def main() -> None:
    """Train one after the other; the first is where the others start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    first: CLIPModel | None = None
    unseen = unseen_studies()
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch)
        for course in COURSES:
            cohort = build_cohort(
                course.cohort_seed, splits=("train",), n_patients=course.n_patients
            )
            say(f"{course.name}: {len(cohort.images)} studies")
            model = train(course, cohort, first, words)
            publish(course, model, words=words, n_studies=len(cohort.images), unseen=unseen)
            first = first or model


if __name__ == "__main__":
    main()
