"""Every page of the documentation does what it says."""

import re
import shutil

import pytest
from pages import PAGES, ROOT, blocks_of, commands_of
from running import run_page

LANGUAGES = {"", "python", "bash", "sh", "yaml", "csv", "json", "text"}

# what a block may need that no test has, and how many blocks of a page need it
EXCUSED: dict[str, dict[str, int]] = {
    "docs/architecture-cards.md": {"Needs a few minutes": 1},  # times eight networks
    "docs/datasets.md": {"Needs the network": 2},
    "docs/fusion.md": {"Needs a few minutes": 1},  # a cohort of 300
    "docs/how-to/compare-models.md": {"Needs genuine weights": 1, "Needs the extra mlflow": 1},
    "docs/how-to/cluster.md": {"Needs Slurm": 1, "Needs Kubernetes": 1, "Needs Ray": 1},
    "docs/how-to/offline.md": {
        "Needs the network": 1,
        "Needs the folder wheels": 1,  # which that first block downloads
        "Needs a Linux that allows unshare": 1,
    },
    "docs/models.md": {"Needs the network": 1, "Needs genuine weights": 1},
    "docs/tutorial.md": {"Needs the network": 1, "Needs genuine weights": 1},
}
GENERATED = {
    f"docs/{page}"
    for page in re.findall(r"reference/[\w-]+\.md", (ROOT / "mkdocs.yml").read_text())
}


def name_of(page):
    """Path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if blocks_of(p)], ids=name_of)
def test_its_blocks_run(page, page_folder):
    """What a reader copies works as it stands, from the top of the page to its end."""
    if "--out runs/first" in page.read_text(encoding="utf-8"):  # it makes that run itself
        shutil.rmtree(page_folder / "runs" / "first")
    run_page(page, page_folder)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_that_cannot_run_are_counted(page):
    """No block is left out in silence: each says in its title what it needs."""
    found: dict[str, int] = {}
    for block in blocks_of(page):
        if block.is_excused:
            found[block.title] = found.get(block.title, 0) + 1
    assert found == EXCUSED.get(name_of(page), {})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page):
    """A language that nobody executes or parses is a way around these tests."""
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block.where}: {block.language!r}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page):
    """Links and pictures hold in the repository, not only in the site."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve()
        generated = path.relative_to(ROOT).as_posix() in GENERATED  # the site's build checks them
        assert path.exists() or generated, f"{name_of(page)}: {target}"


def test_commands_are_found():
    """The runner sees what it shall run: a wrong pattern would pass every page."""
    readme = [block for block in blocks_of(ROOT / "README.md") if block.is_shell]
    assert any(line.startswith("vesalius run ") for b in readme for line in commands_of(b))
