"""Writes mini:smolvlm as a folder in the hub's layout, measures it, and writes its card."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from safetensors.torch import save_file
from transformers import Idefics3ForConditionalGeneration

from minis import idefics
from minis.answering import BLANK, display, measure_answers
from minis.cohort import PATCH, PIXELS, unseen_studies
from minis.export import TARGET, check_size
from minis.naming import findings_named
from minis.training import Report
from vesalius import load_model
from vesalius.capabilities import AnswerScorer
from vesalius.data.phantom import Study
from vesalius.data.phantom_questions import YES_NO

N_CAPTIONS = 100
PROCESSOR = {
    "do_convert_rgb": True,
    "do_image_splitting": True,
    "do_normalize": True,
    "do_pad": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "Idefics3ImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "max_image_size": {"longest_edge": PIXELS},
    "processor_class": "Idefics3Processor",
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"longest_edge": 2 * PIXELS},
}
CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [miniature, synthetic-data, not-for-clinical-use]
---
# mini:smolvlm, a miniature in the layout of `HuggingFaceTB/SmolVLM-256M-Instruct`

**This is not the genuine model.** It has the file layout and the architecture
(`Idefics3ForConditionalGeneration`) of `HuggingFaceTB/SmolVLM-256M-Instruct` at a two-hundredth of
its size, and was trained on computer-drawn chests only. It shares no weight with the genuine model
and says nothing about how that one performs. It exists so that Vesalius can be run, tested and
learned offline. Not for clinical use.

| | |
|---|---|
{facts}

## Measured
On patients never seen (test split of the cohort of seed 0), through Vesalius's own adapter.
Closed questions: of the answers to choose from, the one of highest log-likelihood counts.

| question | accuracy |
|---|---|
{scores}

With a blank image the accuracy over all {quality.n_questions} questions is {quality.blind:.3f};
the most frequent answer to each type of question would have {quality.majority:.3f}.

Of the {sided.size} questions whether a finding is on a given side, {sided_share:.3f} are answered
rightly.

Greedy captions of {n_captions} studies, mostly one phrase or sentence: {said.true:.3f} name a
finding of the study, or none where there is none (the caption of a blank image: {blank.true:.3f});
{said.false:.3f} name one that is not there; {said.exact:.3f} name exactly those that are there.
"""


def publish(
    model: Idefics3ForConditionalGeneration,
    words: Path,
    facts: Mapping[str, str],
    *,
    report: Report,
) -> None:
    """Write the folder, measure it as a user would load it, and write its card."""
    folder = TARGET / "smolvlm"
    write_folder(folder, model, words)
    loaded = load_model("mini:smolvlm", device="cpu")
    studies = unseen_studies()
    quality = measure_answers(loaded, studies)
    captions = loaded.generate(
        [display(study) for study in studies[:N_CAPTIONS]], [""] * N_CAPTIONS
    )
    said = judge(captions, studies)
    sided = sided_marks(loaded, studies[:N_CAPTIONS])
    rows = dict(facts) | {
        "parameters": f"{loaded.n_parameters:,}, fp16",
        "image": f"{PIXELS} px, patch {PATCH}, 64 patches, {idefics.N_IMAGE_TOKENS} tokens for the "
        "language model; width 128, 4 layers; trained on the whole image as one tile only",
        "text": "byte BPE learned on the turns; width 96, 3 layers, 4 heads",
        "made by": "`make minis` (`scripts/train_minis.py`)",
    }
    scores = quality.by_type | {"**all**": quality.accuracy}
    card = CARD.format(
        facts="\n".join(f"| {key} | {value} |" for key, value in rows.items()),
        scores="\n".join(f"| {key} | {value:.3f} |" for key, value in scores.items()),
        quality=quality,
        said=said,
        blank=judge(loaded.generate([BLANK], [""]) * N_CAPTIONS, studies),
        n_captions=N_CAPTIONS,
        sided=sided,
        sided_share=sided.mean(),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    for caption in captions[:5]:
        report(f"smolvlm says: {caption}")
    report(f"smolvlm: {quality}, {said}, {check_size(folder)} bytes")


def write_folder(folder: Path, model: Idefics3ForConditionalGeneration, words: Path) -> None:
    """All files of the genuine repository, weights in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(words.iterdir()):
        shutil.copyfile(path, folder / path.name)
    model.config.architectures = ["Idefics3ForConditionalGeneration"]
    model.config.dtype = "float16"
    model.config.save_pretrained(folder)
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in sorted(model.state_dict().items())
    }
    weights = folder / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes it private
    text = model.config.text_config
    idefics.write_json(folder / "preprocessor_config.json", PROCESSOR)
    idefics.write_json(folder / "chat_template.json", {"chat_template": idefics.TEMPLATE})
    idefics.write_json(
        folder / "processor_config.json",
        {"image_seq_len": idefics.N_IMAGE_TOKENS, "processor_class": "Idefics3Processor"},
    )
    idefics.write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": text.bos_token_id,
            "eos_token_id": text.pad_token_id,  # not the end of a turn, as in the genuine file
            "pad_token_id": text.pad_token_id,
        },
    )


def sided_marks(model: AnswerScorer, studies: Sequence[Study]) -> Bool[np.ndarray, " questions"]:
    """Which questions that name a side and want a yes or a no are answered rightly."""
    asked = [(s, q) for s in studies for q in s.questions if q.question_type == "side"]
    marks = []
    for study, question in asked:
        if question.choices == YES_NO:
            scores = model.score_answers(display(study), question.question, YES_NO).log_likelihood
            marks.append(YES_NO[int(np.argmax(scores))] == question.answer)
    return np.array(marks)


@dataclass(frozen=True, slots=True)
class Said:
    """Shares of captions by the findings that they name.

    Attributes:
        true: at least one finding of the study, or none where there is none.
        false: a finding that is not there.
        exact: all findings of the study and no other.
    """

    true: float
    false: float
    exact: float


def judge(captions: Sequence[str], studies: Sequence[Study]) -> Said:
    """Hold captions against the plans of the studies, in their order."""
    pairs = [
        (findings_named(caption), frozenset(study.plan.labels))
        for caption, study in zip(captions, studies, strict=False)
    ]
    return Said(
        true=float(np.mean([bool(named & there) or named == there for named, there in pairs])),
        false=float(np.mean([bool(named - there) for named, there in pairs])),
        exact=float(np.mean([named == there for named, there in pairs])),
    )
