"""The style card: a page beside the style with all that is known of it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..backend import cores
from ..frame import Image
from ..gallery import page, picture, write_page
from ..stylizer import load
from .measures import flicker, fps, noise_amplification
from .preview import sheet

_PHOTOS = 6  # on the strip, at most


def write_card(
    target: Path, artifact: Path, names: Sequence[str], *, stills: Sequence[Image], facts: Mapping[str, str]
) -> None:
    """Measures every style of a style file and writes the page. Raises OutputError.

    Args:
        names: of the styles in the file.
        stills: square photos kept out of training.
        facts: what else the page is to tell, by its heading.
    """
    body = []
    for name in names:
        with load(f"{artifact}#{name}" if len(names) > 1 else str(artifact)) as stylizer:
            strip = sheet([list(stills[:_PHOTOS]), [stylizer(still) for still in stills[:_PHOTOS]]])
            rows = {
                "flicker": f"{flicker(stylizer, stills):.1f} levels (exact motion, from one frame to the next)",
                "noise amplification": f"{noise_amplification(stylizer, stills):.2f} (sensor noise of 4 levels)",
                "speed": f"{fps(stylizer):.1f} frames of 640x360 a second on {stylizer.device}, {cores()} cores",
            }
        body += [f"<h2>{html.escape(name)}</h2>", picture(strip, name), _table(rows)]
    size = f"{artifact.stat().st_size / 1e6:.2f} MB"
    body += ["<h2>how it was made</h2>", _table({**facts, "size": size})]
    write_page(page(artifact.stem, body), target)


def _table(rows: Mapping[str, str]) -> str:
    cells = (f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in rows.items())
    return f"<table>{''.join(cells)}</table>"
