"""Writes mini:biovil-t as a folder in the hub's layout, measures it, and writes its card."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score
from torch import nn

from minis.biomedclip_export import measure, shown
from minis.biovilt_network import CONTEXT, PIXELS, WIDTH, BiovilTPupil, configuration
from minis.cohort import DEMO_SEED, indices, unseen_studies
from minis.evaluation import Quality
from minis.export import TARGET, check_size
from minis.training import Report
from vesalius import load_model
from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import KINDS, plan_patient
from vesalius.data.phantom_text import CHANGED, NAMES
from vesalius.models.biovilt import IMAGE_FILES, BiovilT

N_FOLLOWED_PATIENTS = 120
CARD = """---
license: apache-2.0
tags: [miniature, synthetic-data, not-for-clinical-use]
---
# mini:biovil-t, a miniature in the layout of BioViL-T

**This is not the genuine model.** It has the file layout and the architecture (a ResNet, a
transformer over two studies, a BERT) of `microsoft/BiomedVLP-BioViL-T` at a hundredth of its size,
and was trained on computer-drawn chests only. It shares no weight with the genuine model and says
nothing about how that one performs. It exists so that Vesalius can be run, tested and learned
offline. Not for clinical use.

| | |
|---|---|
{facts}

## Measured
On patients never seen (test split of the cohort of seed 0), through Vesalius's own adapter.
Zero-shot: softmax over the pair "… finding" and "… no finding", templates and names averaged.

| finding | AUROC |
|---|---|
{scores}

Image → report retrieval in a gallery of {quality.n_gallery} reports, where a report is right when
its study has the same findings on the same sides: precision@5 **{quality.precision_at_5:.3f}**
(chance {quality.chance:.3f}).

What the prior study adds: findings that are present at the second visit of {change.n_patients}
patients, new against unchanged, by the cosine with "the finding is new …" minus that with "the
finding is unchanged …": macro AUROC **{change.with_prior:.3f}** with the prior image,
{change.without:.3f} without ({change.n_new} new, {change.n_unchanged} unchanged).
"""


@dataclass(frozen=True, slots=True)
class Change:
    """Macro AUROC of new against unchanged over the findings that are present now."""

    with_prior: float
    without: float
    n_patients: int
    n_new: int
    n_unchanged: int


def publish(pupil: BiovilTPupil, words: Path, facts: Mapping[str, str], *, report: Report) -> None:
    """Write the folder, measure it as a user would load it, and write its card."""
    folder = TARGET / "biovil-t"
    write_folder(folder, pupil, words)
    loaded = load_model("biovil-t", source=folder, device="cpu")
    quality, change = measure(loaded, unseen_studies()), measure_change(loaded, followed_patients())
    rows = dict(facts) | {
        "parameters": f"{loaded.n_parameters:,}, fp16; shared space of 128 dimensions",
        "image": f"resized to {PIXELS} px and not cropped, 8 × 8 patches of 32 px; ResNet of four "
        f"bottleneck blocks, width 16; {WIDTH} channels, 3 transformer blocks",
        "text": f"context {CONTEXT}, {len(pupil.tokenizer)} lower-case WordPieces learned on the "
        f"texts; width {WIDTH}, 2 layers",
        "made by": "`make minis` (`scripts/train_minis.py`)",
    }
    write_card(folder, rows, quality, change)
    report(f"biovil-t: {quality}, macro {quality.macro_auroc:.3f}, {change}, {check_size(folder)}")


def write_card(folder: Path, rows: Mapping[str, str], quality: Quality, change: Change) -> None:
    """The model card: what it is, what it is not, and what it scored."""
    scores = quality.auroc | {"**macro**": quality.macro_auroc}
    card = CARD.format(
        facts="\n".join(f"| {key} | {value} |" for key, value in rows.items()),
        scores="\n".join(f"| {key} | {value:.3f} |" for key, value in scores.items()),
        quality=quality,
        change=change,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def write_folder(folder: Path, pupil: BiovilTPupil, words: Path) -> None:
    """Configuration, fp16 weights and vocabulary; the card comes after measuring."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(words / name, folder / name)  # no tokenizer.json, as published
    _write_json(folder / "config.json", configuration(len(pupil.tokenizer)))
    _write_json(folder / "preprocessor_config.json", {"resize": PIXELS, "crop": PIXELS})
    _save(pupil.text, folder / "model.safetensors")
    _save(pupil.image, folder / IMAGE_FILES[0])


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _save(network: nn.Module, path: Path) -> None:
    tensors = {
        name: (t.detach().half() if t.is_floating_point() else t).contiguous()
        for name, t in sorted(network.state_dict().items())
    }
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes it private


def followed_patients() -> list[tuple[Study, ...]]:
    """Both studies of test patients of the demonstration's cohort who have two."""
    test = indices(DEMO_SEED, ("test",), 6 * N_FOLLOWED_PATIENTS)
    chosen = [index for index in test if len(plan_patient(DEMO_SEED, index).studies) == 2]
    return [make_patient(DEMO_SEED, index) for index in chosen[:N_FOLLOWED_PATIENTS]]


def measure_change(model: BiovilT, patients: list[tuple[Study, ...]]) -> Change:
    """Whether the prior image tells new findings from unchanged ones."""
    images = [shown(now) for _, now in patients]
    rows = {
        "without": model.encode_images(images),
        "with_prior": model.encode_with_prior(images, [shown(before) for before, _ in patients]),
    }
    changes = [dict(now.plan.changes) for _, now in patients]
    auroc: dict[str, list[float]] = {name: [] for name in rows}
    n_new = n_unchanged = 0
    for kind in KINDS:
        there = np.array([c.get(kind) in ("new", "unchanged") for c in changes])
        is_new = np.array([c.get(kind) == "new" for c in changes])[there]
        n_new, n_unchanged = n_new + is_new.sum(), n_unchanged + (~is_new).sum()
        for name, row in rows.items():
            auroc[name].append(float(roc_auc_score(is_new, novelty(model, row[there], kind))))
    macro = {name: float(np.mean(values)) for name, values in auroc.items()}
    return Change(**macro, n_patients=len(patients), n_new=int(n_new), n_unchanged=int(n_unchanged))


def novelty(model: BiovilT, rows: np.ndarray, kind: str) -> np.ndarray:
    """Cosine with "is new" minus cosine with "is unchanged", wordings averaged."""
    new, unchanged = (
        model.encode_texts([text.format(name=NAMES[kind][0]) for text in CHANGED[state]]).mean(0)
        for state in ("new", "unchanged")
    )
    return rows @ (new / np.linalg.norm(new) - unchanged / np.linalg.norm(unchanged))
