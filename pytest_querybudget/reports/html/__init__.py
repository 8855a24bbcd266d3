"""The HTML report: one page that needs no network and no server, for 5 tests or 5,000.

`data` packs a report into small JSON; `page.html`, `page.css` and the scripts are put around it, as they are.
A content security policy lets nothing run but these scripts, whatever the SQL in the report may hold.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files

from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.html.data import pack

# In the order in which they build on each other; all of them share one function's scope.
_SCRIPTS = ("dom.js", "data.js", "table.js", "pieces.js", "details.js", "views.js", "app.js")


class HtmlFormat:
    """`html`: the page for people."""

    name = "html"

    def render(self, report: Report) -> Iterator[str]:
        """Yield the page."""
        style = _read("page.css")
        script = f"(() => {{\n'use strict';\n{''.join(map(_read, _SCRIPTS))}}})();\n"
        policy = (
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        )
        before, _, rest = _read("page.html").partition("__DATA__")
        between, _, after = rest.partition("__SCRIPT__")
        yield before.replace("__POLICY__", policy).replace("__STYLE__", style)
        yield _embed(pack(report))
        yield f"{between}{script}{after}"


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embed(plain: object) -> str:
    """JSON that nothing in it can end the script element around it."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
