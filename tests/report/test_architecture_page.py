"""The page and the table of architecture cards: complete, escaped, inert, and of one width."""

import html
import io
import math
import re
from dataclasses import replace

import pytest
from payloads import PAYLOADS
from rich.console import Console

from vesalius.models.architecture import (
    Architecture,
    ArchitectureCard,
    Block,
    ForwardPass,
    Geometry,
    Inspection,
    Measurement,
    Similarity,
    Timing,
    Tower,
)
from vesalius.records import Estimate, ModelCard
from vesalius.report import architecture_facts as words
from vesalius.report.architecture_console import cards_table
from vesalius.report.architecture_page import render_cards, write_cards
from vesalius.report.diagram import diagram

TOWER = Tower(
    name="image encoder", role="image", kind="vision transformer", parameters=87_849_216,
    passes=(ForwardPass("one image", 8_817_623_040, 50), ForwardPass("two images", 17 * 10**9)),
    depth=12, width=768, heads=12, patch=32, input_size=224,
)  # fmt: skip
DRAWN = Architecture(
    adapter="clip",
    fusion="dual encoder",
    embedding_dims={"shared": 512},
    tokenizer="byte pairs",
    preprocessing="crop",
    towers=(TOWER,),
    other_parameters=1,
    blocks=(
        Block("a", "Image", ("grey",), "input", 0, 0),
        Block("b", "Tower", ("12 layers",), "tower", 1, 0.5),
        Block("c", "Below", (), "step", 1, 1.5),
        Block("d", "Score", (), "output", 2, 0),
    ),
    links=(("a", "b"), ("c", "b"), ("b", "d"), ("b", "nowhere")),
)
GENUINE = ArchitectureCard(
    name="clip", source="org/clip", license="MIT", training_data="the web", miniature=False,
    architecture=DRAWN, missing="run it", not_measured="no weights", no_geometry="no data",
)  # fmt: skip
NAN = math.nan
FULL = ArchitectureCard(
    name="mini:clip", source="embedded", license="Apache-2.0", training_data="synthetic cohort",
    miniature=True, architecture=DRAWN, loaded_parameters=5, weight_bytes=2_250_000,
    identity=ModelCard("mini:clip", "clip", "embedded", weights={"model.safetensors": "ab" * 32}),
    measurement=Measurement(
        device="Processor", threads=2, input="one image", load_s=1.5, peak_memory=3e8,
        memory_kind="rise of the peak", network_share=0.5,
        timings=(Timing("encode_images", 1, 9, 0.01, 0.02, 0.03),
                 Timing("encode_images", 8, 9, 0.05, 0.06, 0.07),
                 Timing("generate", 1, 3, 2.0, 2.5, 3.0)),
    ),
    geometry=Geometry("phantom", 10, 0, (Estimate("uniformity[image]", -2.5),
                                        Estimate("alignment", NAN, reason="no pairs"))),
)  # fmt: skip
ALIKE = Similarity(
    "linear_cka_unbiased[image]", "phantom", 10, ("mini:clip", "other"),
    ((1.0, 0.25), (0.25, NAN)), "too few",
)  # fmt: skip
BOTH = Inspection((GENUINE, FULL), (ALIKE,))


def printed(inspection, width=80):
    """The console's text."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(cards_table(inspection))
    return stream.getvalue()


def test_quantities_read_well():
    """Units and digits by hand."""
    assert words.flops(8_817_623_040) == "8.82 GFLOPs"
    assert words.flops(3_634_750_000_000) == "3.63 TFLOPs"
    assert words.flops(40) == "40 FLOPs"
    assert words.amount(NAN) == words.seconds(NAN) == "n/a"
    assert (words.seconds(0.00674), words.seconds(2.5)) == ("6.74 ms", "2.5 s")
    assert (words.parameters(151_277_313), words.parameters(785_152)) == ("151.3 M", "785,152")
    assert words.size(605_200_000) == "605 MB"
    assert words.pass_text(TOWER.passes[0]) == "8.82 GFLOPs (176 MFLOPs a token)"
    assert words.pass_text(TOWER.passes[1]) == "17 GFLOPs"


def test_the_page_has_every_number_and_every_reason():
    """Nothing that the card knows is left out, and nothing undefined looks like a number."""
    text = render_cards(BOTH)
    for expected in (
        "8.82 GFLOPs", "87.8 M", "no weights", "no data", "run it", "encode_images", "20 ms",
        "n/a: no pairs", "-2.500", "0.250", "ab" * 32, "Throughput", "2.25 MB", "50%",
        "87.8 M by the configuration, 5 in the loaded model", "too few", "300 MB",
    ):  # fmt: skip
        assert expected in text, expected
    assert ">nan<" not in text
    assert text.count('<svg class="diagram"') == 2


def test_miniatures_are_marked_and_genuine_cards_are_not():
    """Nobody takes a miniature for the model that it is named after."""
    text = render_cards(BOTH)
    genuine, mini = re.findall(r'<section class="card".*?</section>', text, flags=re.DOTALL)
    assert "miniature" not in genuine
    assert 'class="badge mini"' in mini
    assert "miniature, not the genuine model" in mini
    assert 'role="note"' in text
    assert 'role="note"' not in render_cards(Inspection((GENUINE,)))
    assert "miniature, not the genuine model" in printed(BOTH)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_never_become_markup(payload):
    """Names, reasons and labels from users and checkpoints stay text, on page and terminal."""
    block = Block("a", payload, (payload,), "input", 0, 0)
    drawn = replace(DRAWN, fusion=payload, tokenizer=payload, blocks=(block,), links=())
    card = replace(FULL, name=payload, license=payload, training_data=payload, architecture=drawn)
    harmless = replace(FULL, name="x", architecture=replace(DRAWN, blocks=(block,), links=()))
    alike = replace(ALIKE, models=(payload, "other"), dataset=payload)
    text = render_cards(Inspection((card,), (alike,)))
    plain = render_cards(Inspection((harmless,), (ALIKE,)))
    tags = [re.findall(r"<\s*([a-zA-Z]+)", page) for page in (text, plain)]
    assert sorted(tags[0]) == sorted(tags[1])
    assert "\x1b" not in printed(Inspection((card,), (alike,)))


def test_nothing_is_loaded_and_only_its_own_style_applies():
    """The policy refuses scripts, and the page has no address of another place."""
    text = render_cards(BOTH)
    assert "script-src 'none'" in html.unescape(text)
    assert "<script" not in text
    assert " style=" not in text
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert "http://" not in text
    assert "https://" not in text


def test_equal_cards_give_equal_bytes(tmp_path):
    """No date, no random id."""
    out = write_cards(BOTH, tmp_path / "cards.html")
    assert out.read_text() == render_cards(BOTH)


def test_the_table_fits_eighty_columns():
    """Every line of a terminal of 80 columns holds, and numbers are there."""
    text = printed(BOTH)
    assert max(map(len, text.splitlines())) <= 80
    for expected in (
        "8.82 GFLOPs",
        "Latency and memory: n/a, no weights",
        "n/a: no pairs",
        "0.250",
    ):
        assert expected in text


def test_the_diagram_draws_every_block_and_known_link():
    """A box for each block, an arrow for each link between blocks; unknown ends are left out."""
    drawing = str(diagram(DRAWN, title="D"))
    assert drawing.count("<rect") == 4
    assert drawing.count('class="arrow"') == drawing.count('class="arrowhead"') == 3
    boxes = [
        tuple(map(float, box)) for box in re.findall(r'x="([\d.]+)" y="([\d.]+)" width', drawing)
    ]
    assert len(set(boxes)) == 4
    assert str(diagram(replace(DRAWN, blocks=(), links=()), title="D")).count("<rect") == 0


def test_a_measurement_without_several_batch_sizes_has_no_plot():
    """One point is no curve."""
    lone = replace(FULL.measurement, timings=FULL.measurement.timings[2:], network_share=NAN)
    lone = replace(lone, peak_memory=NAN, memory_kind="not measured: because")
    text = render_cards(Inspection((replace(FULL, measurement=lone),)))
    assert "Throughput</p>" not in text
    assert "not measured: because" in text
    assert "no torch module was seen" in text
