"""Miniatures of the CLIP layout: mini:clip, mini:pubmedclip, mini:clipmd.

``clip`` is trained from nothing. The other two start from it, as PubMedCLIP and ClipMD started from
CLIP, and go on with the same train patients but other seeds and captions: figure captions for
``pubmedclip``; long reports, read in windows of 77 tokens every 70, for ``clipmd``.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPModel, CLIPTokenizerFast

from minis.cohort import Cohort, build_cohort, unseen_studies, version
from minis.evaluation import measure
from minis.export import TARGET, Recipe, check_size, write_folder, write_readme
from minis.network import Seen, new_model, read, see, start_from_patches, to_input
from minis.texts import corpus
from minis.tokenizer import write_tokenizer
from minis.training import Report, Schooling, contrast, supervise

COHORT_SEED, N_PATIENTS = 1000, 1600
START = "random; patch embedding from the principal components of image patches"


@dataclass(frozen=True, slots=True)
class Course:
    """What one miniature goes through."""

    name: str
    genuine: str
    seed: int
    style: str
    n_supervised: int
    n_contrastive: int
    peak: float


CLIP = Course("clip", "openai/clip-vit-base-patch32", 11, "plain", 1600, 450, 8e-4)
PUBMEDCLIP = Course(
    "pubmedclip", "flaviagiammarino/pubmed-clip-vit-base-patch32", 12, "figure", 0, 130, 4e-4
)
CLIPMD = Course("clipmd", "Idan0405/ClipMD", 13, "long", 0, 130, 4e-4)


@dataclass(frozen=True, slots=True, eq=False)
class ClipPupil:
    """A `CLIPModel` that learns; `long` reads texts in ClipMD's windows."""

    model: CLIPModel
    tokenizer: CLIPTokenizerFast
    long: bool

    @property
    def dim(self) -> int:
        """Dimensions of the shared space."""
        return int(self.model.config.projection_dim)

    @property
    def logit_scale(self) -> nn.Parameter:
        """Logarithm of the factor from cosine to logit."""
        return self.model.logit_scale

    def image_parameters(self) -> list[nn.Parameter]:
        """Of the image tower and its projection."""
        return [*self.model.vision_model.parameters(), *self.model.visual_projection.parameters()]

    def parameters(self) -> list[nn.Parameter]:
        """Of the whole model."""
        return list(self.model.parameters())

    def see(self, grey: Float[Tensor, "n h w"], /) -> Seen:
        """Unit embeddings of images and of their patches."""
        return see(self.model, to_input(grey))

    def read(self, texts: list[str], /) -> Float[Tensor, "n dim"]:
        """Unit embeddings of texts."""
        return read(self.model, self.tokenizer, texts, long=self.long)


def make_clip(report: Report) -> None:
    """Train ``clip`` from nothing."""
    _make(CLIP, report)


def make_pubmedclip(report: Report) -> None:
    """Go on from the finished ``clip`` with figure captions."""
    _make(PUBMEDCLIP, report)


def make_clipmd(report: Report) -> None:
    """Go on from the finished ``clip`` with long reports."""
    _make(CLIPMD, report)


def _make(course: Course, report: Report) -> None:
    cohort = build_cohort(COHORT_SEED, splits=("train",), n_patients=N_PATIENTS)
    report(f"{course.name}: {len(cohort.images)} studies")
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch)
        model = _train(course, cohort, words, report)
        _publish(course, model, words=words, n_studies=len(cohort.images), report=report)


def _train(course: Course, cohort: Cohort, words: Path, report: Report) -> CLIPModel:
    tokenizer = write_tokenizer(words, corpus(cohort.plans[:800], np.random.default_rng(7)))
    torch.manual_seed(course.seed)
    model = new_model(len(tokenizer))
    if course.n_supervised:
        start_from_patches(model, cohort.images[:400])
    else:
        start = CLIPModel.from_pretrained(TARGET / "clip", dtype=torch.float32)
        model.load_state_dict(start.state_dict())
    pupil = ClipPupil(model, tokenizer, course.style == "long")
    school = Schooling(pupil, cohort, course.style, course.seed, report)
    if course.n_supervised:
        _supervise_once(school, model, course)
    contrast(school, n_steps=course.n_contrastive, peak=course.peak)
    return model


def _supervise_once(school: Schooling, model: CLIPModel, course: Course) -> None:
    """The first stage, or its result from the temporary folder: it is most of the time."""
    name = f"vesalius-minis-{version()}-{course.name}-{course.n_supervised}.pt"
    cache = Path(tempfile.gettempdir()) / name
    if not cache.exists():
        supervise(school, n_steps=course.n_supervised)
        torch.save(model.state_dict(), cache)
    model.load_state_dict(torch.load(cache, weights_only=True))


def _publish(
    course: Course, model: CLIPModel, *, words: Path, n_studies: int, report: Report
) -> None:
    """Write the folder, measure it as a user would load it, and write its card."""
    folder = TARGET / course.name
    write_folder(folder, model, words)
    quality = measure(folder, unseen_studies(), long=course.style == "long")
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    recipe = Recipe(
        name=course.name,
        genuine=course.genuine,
        start=START if course.n_supervised else "the finished mini:clip",
        seed=course.seed,
        cohort_seed=COHORT_SEED,
        n_patients=N_PATIENTS,
        n_studies=n_studies,
        steps=f"{course.n_supervised} supervised, {course.n_contrastive} contrastive",
        style=course.style,
    )
    write_readme(folder, recipe, quality, n_parameters)
    report(f"{course.name}: {quality}, macro {quality.macro_auroc:.3f}, {check_size(folder)} bytes")
