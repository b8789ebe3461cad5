"""Pages that lie in the repository's root become pages of the site, and links to them hold.

In the repository a link such as ``../ARCHITECTURE.md`` leads to the file beside ``docs``; in the
site the same link leads to its copy under ``project``.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
COPIED = {
    "ARCHITECTURE.md": "project/architecture.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
}
_ELSEWHERE = {**COPIED, "README.md": "index.md"}
_LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=[)#])")


def on_files(files, /, *, config):
    """Add the root's pages to those of the folder ``docs``."""
    for name, target in COPIED.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=text))
    return files


def on_page_markdown(markdown: str, /, *, page, **_kept):
    """Lead links to where their pages are in the site."""
    at = page.file.src_uri
    home = {target: f"../{name}" for name, target in COPIED.items()}.get(at, at)
    folder = posixpath.dirname(home)
    return _LINK.sub(lambda found: _led(found[1], folder, posixpath.dirname(at)), markdown)


def _led(link, written_in, shown_in):
    """A link as it must stand in the page `shown_in`, when it was written for `written_in`."""
    if "://" in link or link.startswith(("mailto:", "/")):
        return link
    target = posixpath.normpath(posixpath.join("docs", written_in, link))
    if target in _ELSEWHERE:
        target = posixpath.join("docs", _ELSEWHERE[target])
    if not target.startswith("docs"):
        return link
    return posixpath.relpath(posixpath.relpath(target, "docs"), shown_in or ".")
