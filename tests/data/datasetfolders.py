"""A small dataset folder for the manifest tests."""

from pathlib import Path

import numpy as np
from imagefiles import write_png

CARD = """\
format: 1
name: little
modality: xray
classes:
  normal: ["no finding"]
  pneumonia: ["pneumonia", "consolidation"]
positive: pneumonia
templates: ["x-ray showing {}"]
structures: {lung: 1, heart: 2}
tabular: {age: numeric, sex: categorical}
subgroups: [sex]
"""
SAMPLES = """\
id,patient,split,image,label,mask,caption,age,sex,note
a,p1,train,images/a.png,normal,masks/a.png,"clear, both sides",30,F,x
b,p1,train,images/b.png,pneumonia,,,,M,x
c,p2,val,images/c.png,normal,,,44.5,,x
d,p3,test,images/d.png,,,,71,F,x
"""
QUESTIONS = """\
id,question,answer,type,answers,choices,question_type
a,Is it normal?,yes,closed,yes|normal,yes|no,FIND
d,Where?,left,open,,,
"""
PHRASES = """\
id,phrase,x0,y0,x1,y1
a,opacity,1,0,3,2.5
a,effusion,,,,
"""


def write_folder(
    root: Path,
    *,
    card: str = CARD,
    samples: str = SAMPLES,
    questions: str = QUESTIONS,
    phrases: str = PHRASES,
) -> Path:
    """Four radiographs of 3 × 4 pixels, one mask, two questions, two phrases."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "masks").mkdir(exist_ok=True)
    for index, name in enumerate("abcd"):
        write_png(root / "images" / f"{name}.png", np.full((3, 4), 50 * index, np.uint8))
    write_png(root / "masks" / "a.png", np.array([[0, 1, 2, 0]] * 3, np.uint8))
    (root / "dataset.yaml").write_text(card)
    (root / "samples.csv").write_text(samples)
    (root / "questions.csv").write_text(questions)
    (root / "phrases.csv").write_text(phrases)
    return root
