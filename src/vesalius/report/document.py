"""What every page is made with: assets of the package, a content security policy, autoescaping.

All text from runs and checkpoints goes through autoescaping; a policy that names the hashes of
the page's own style and script is the second wall. No such text stands in a URL, a style or an
event handler.
"""

import base64
import hashlib
import importlib.resources
from collections.abc import Callable, Mapping

import jinja2
from markupsafe import Markup

from vesalius.report.exports import visible


def asset(name: str, /) -> str:
    """A template, style sheet or script of the package."""
    return importlib.resources.files("vesalius.report").joinpath(name).read_text("utf-8")


def policy(style: str, script: str = "", /, *, also: str = "") -> str:
    """Nothing may be loaded; only these inline blocks may apply.

    Args:
        style: the inline style sheet.
        script: the inline script; none may run without one.
        also: hash of one more script, which a script of the page puts there.
    """
    hashes = [script_hash(script)] if script else []
    allowed = " ".join(f"'{one}'" for one in (*hashes, also) if one) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src '{script_hash(style)}'; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


def script_hash(text: str, /) -> str:
    """How a policy names an inline block."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def environment(
    assets: Mapping[str, str], filters: Mapping[str, Callable[..., object]], /
) -> jinja2.Environment:
    """Templates by name, strict about what is undefined, escaping every text."""
    made = jinja2.Environment(
        loader=jinja2.DictLoader(dict(assets)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= dict(filters)
    return made


def _shown(value: object) -> object:
    """Neutralise control and direction-changing characters in every text put into the page."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(visible(line) for line in value.split("\n"))
