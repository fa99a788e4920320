"""A page that is complete in itself: a title, what stands below it, and tables. Pure: words in, a document out.

No network, no script, no font; light and dark as the reader's. What always holds: what a table is given is text, and
becomes no part of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from deploy.analysis import plots

_HEAD: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}}
pre,.scroll{{overflow-x:auto}}table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
td,th{{padding:.1rem .6rem;text-align:left;border-bottom:1px solid #8883}}
.scroll{{font-size:.85rem}}.scroll td,.scroll th{{white-space:nowrap}}
svg{{max-width:100%;height:auto}}{style}</style>
<h1>{title}</h1>"""


def sheet(title: str, parts: Iterable[str]) -> str:
    """The document. Args: parts: elements, as `table` and `plots` make them, whose texts are safe."""
    head = _HEAD.format(title=escape(title), style=plots.STYLE)
    return "\n".join([head, *parts]) + "</html>\n"


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; one that is wider than the page is moved by itself."""
    head = "".join(f"<th>{escape(name)}" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
    return f"<div class='scroll'><table><tr>{head}{body}</table></div>"
