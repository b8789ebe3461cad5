"""Miniature of BiomedCLIP: the image tower of mini:clip, and a small BERT that learns to read."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertTokenizerFast, CLIPModel

from minis.biomedclip_export import publish
from minis.biomedclip_network import CONTEXT, new_network, start_from_clip
from minis.cohort import Cohort, build_cohort
from minis.export import TARGET
from minis.network import DIM, Seen, to_input
from minis.texts import corpus
from minis.training import Report, Schooling, contrast
from minis.wordpiece import write_bert_tokenizer
from vesalius.models.biomedclip_network import Network

SEED, COHORT_SEED, N_PATIENTS = 14, 1000, 1600
N_STEPS, PEAK = 400, 8e-4


@dataclass(frozen=True, slots=True, eq=False)
class BiomedClipPupil:
    """A BiomedCLIP that learns."""

    network: Network
    tokenizer: BertTokenizerFast

    @property
    def dim(self) -> int:
        """Dimensions of the shared space."""
        return DIM

    @property
    def logit_scale(self) -> nn.Parameter:
        """Logarithm of the factor from cosine to logit."""
        return self.network.logit_scale

    def image_parameters(self) -> list[nn.Parameter]:
        """Of the vision transformer and its projection."""
        return list(self.network.visual.parameters())

    def parameters(self) -> list[nn.Parameter]:
        """Of the whole model."""
        return list(self.network.parameters())

    def see(self, grey: Float[Tensor, "n h w"], /) -> Seen:
        """Unit embeddings of images and of their patches; all blocks but one run once for both."""
        visual = self.network.visual
        trunk, last = visual.trunk, visual.trunk.last
        entering = trunk.entering_last(to_input(grey))
        _, _, value = last.attn.split(last.norm1(entering))
        patches = visual.head(trunk.norm(last.attn.join(value)))[:, 1:]
        whole = visual.whole(last(entering))
        return Seen(functional.normalize(whole, dim=-1), functional.normalize(patches, dim=-1))

    def read(self, texts: list[str], /) -> Float[Tensor, "n dim"]:
        """Unit embeddings of texts; short and long ones apart, which is less padding."""
        ids = self.tokenizer(texts, truncation=True, max_length=CONTEXT).input_ids
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        middle = (len(order) + 1) // 2
        groups = [group for group in (order[:middle], order[middle:]) if group]
        rows = torch.cat([self._embedded([ids[place] for place in group]) for group in groups])
        places = torch.tensor([place for group in groups for place in group])
        return functional.normalize(rows[places.argsort()], dim=-1)

    def _embedded(self, ids: list[list[int]]) -> Float[Tensor, "n dim"]:
        width = max(map(len, ids))
        padded = torch.tensor([row + [0] * (width - len(row)) for row in ids])
        return self.network.text(padded)


def make(report: Report) -> None:
    """Train, write and measure ``mini:biomedclip``."""
    cohort = build_cohort(COHORT_SEED, splits=("train",), n_patients=N_PATIENTS)
    report(f"biomedclip: {len(cohort.images)} studies")
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch)
        network = _train(cohort, words, report)
        publish(network, words, _facts(len(cohort.images)), report=report)


def _train(cohort: Cohort, words: Path, report: Report) -> Network:
    texts = corpus(cohort.plans[:800], np.random.default_rng(7))
    tokenizer = write_bert_tokenizer(words, texts, max_length=CONTEXT)
    network = new_network(len(tokenizer), seed=SEED)
    clip = CLIPModel.from_pretrained(TARGET / "clip", dtype=torch.float32)
    grey = torch.from_numpy(cohort.images[:200].astype(np.float32) / 255)
    start_from_clip(network, clip, to_input(grey))
    school = Schooling(BiomedClipPupil(network, tokenizer), cohort, "figure", SEED, report)
    contrast(school, n_steps=N_STEPS, peak=PEAK)
    return network


def _facts(n_studies: int) -> dict[str, str]:
    """How it was made, for its card."""
    return {
        "training data": f"Vesalius synthetic cohort of seed {COHORT_SEED}: {N_PATIENTS} train "
        f"patients, {n_studies} radiographs; nobody was imaged",
        "captions": "style `figure`, drawn anew at every step; prompts with and without "
        '"no"; names of structures for the patches',
        "start": "image tower of the finished mini:clip; text tower random",
        "steps": f"{N_STEPS} contrastive",
        "seed": str(SEED),
    }
