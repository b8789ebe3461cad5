"""The built site: it builds without a warning, loads nothing, and draws formulas as MathML."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT

sys.path.insert(0, str(ROOT / "docs" / "hooks"))

from command_line import command_line_page
from mathematics import mathml
from navigation import pages_in

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data|srcset)\s*=\s*["']?\s*(?:https?:)?//"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["']?(?:stylesheet|icon|preconnect|prefetch|preload|dns-prefetch|modulepreload))[^>]*\bhref\s*=\s*["']?\s*(?:https?:)?//""",
    re.IGNORECASE,
)
STYLE_LOADS = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built as ``make docs`` builds it."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_nothing_is_loaded_from_another_host(site):
    """The site works without a network, and nobody learns who reads it."""
    pages, sheets = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert pages
    assert sheets
    for path in pages:
        found = LOADED.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(site)}: {found[0]}"
    for path in [*pages, *sheets]:
        found = STYLE_LOADS.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(site)}: {found[0]}"


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://example.org/a.js">',
        "<img alt='x' src='//example.org/a.png'>",
        '<link href="https://example.org/a.css" rel="stylesheet">',
    ],
)
def test_the_pattern_finds_what_it_looks_for(text):
    """A pattern that matches nothing would pass every site."""
    assert LOADED.search(text)
    assert STYLE_LOADS.search("@import 'https://example.org/a.css'")


def test_search_works_without_a_server(site):
    """The index is a script, and our stand-in for a worker takes the place of a remote one."""
    assert (site / "search" / "search_index.js").stat().st_size > 10_000
    assert "javascripts/iframe-worker.js" in (site / "index.html").read_text(encoding="utf-8")


def test_the_reference_has_every_public_name(site):
    """A public function without an entry is not documented."""
    import vesalius

    text = (site / "reference" / "api.html").read_text(encoding="utf-8")
    modules = {"metrics", "notebook"}
    assert all((site / "reference" / f"{name}.html").is_file() for name in modules)
    for name in set(vesalius.__all__) - modules:
        assert re.search(rf'id="vesalius\.[\w.]*\b{name}"', text), name


def test_no_hook_is_published(site):
    """Python files beside the pages are no part of the site."""
    assert not list(site.rglob("*.py"))


def test_no_formula_is_left_as_tex(site):
    """A mark that the hook does not know would stand in the page as it is."""
    for path in site.rglob("*.html"):
        assert 'class="arithmatex"' not in path.read_text(encoding="utf-8"), path.name


def test_every_command_has_its_options():
    """The page is made from the application; every option of every command stands in it."""
    from typer.main import get_command

    from vesalius.cli import app

    page = command_line_page()
    for name, command in get_command(app).commands.items():
        section = page.split(f"## vesalius {name} ")[1].split("\n## ")[0]
        for parameter in command.params:
            if parameter.name != "help":
                words = [parameter.metavar] if parameter.metavar else parameter.opts
                assert any(word in section for word in words), (name, parameter.name)


@pytest.mark.parametrize(
    ("tex", "part"),
    [
        (r"\frac{1}{2}", "<mfrac>"),
        (r"\lvert A \rvert", 'stretchy="false">&#x0007C;</mo>'),
        (r"\log p", '<mo lspace="0.17em" rspace="0.17em">log</mo>'),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "<mtable"),
        (r"\arg\max_k s_k", "arg"),
        (r"\mathbb{1}", "&#x1D7D9;"),
    ],
)
def test_formulas_are_mathml(tex, part):
    """What pages use is drawn; browsers know no bold or double-struck letters by attribute."""
    drawn = mathml(tex, display="block")
    assert part in drawn
    assert drawn.startswith("<math alttext=")


@pytest.mark.parametrize("tex", [r"\nosuch{x}", r"\frac{1}{", r"a & b"])
def test_formulas_that_cannot_be_drawn_are_refused(tex):
    """An unknown command ends the build and does not end up in the page."""
    with pytest.raises(ValueError, match="formula"):
        mathml(tex)


def test_a_folder_in_the_navigation_is_its_pages(tmp_path):
    """Index first, then by title; decisions by number; folders are sections."""
    folder = tmp_path / "metrics"
    (folder / "text").mkdir(parents=True)
    (folder / "index.md").write_text("# All\n")
    (folder / "b.md").write_text("---\nmetrics: [a]\n---\n# `alpha`\n")
    (folder / "a.md").write_text("# Beta\n")
    (folder / "text" / "c.md").write_text("# Gamma\n")
    assert pages_in(folder, tmp_path) == [
        "metrics/index.md",
        "metrics/b.md",
        "metrics/a.md",
        {"Text": ["metrics/text/c.md"]},
    ]
    assert pages_in(tmp_path / "none", tmp_path) == []
