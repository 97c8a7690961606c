"""The command `compare`: a film and what was made of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from .cli_options import FILE, WholeRange

EXIT_NOT_KEPT = 1


@click.command()
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@click.option("--picture", is_flag=True, help="The colours too; only `--style none` keeps them.")
@click.option("--samples", type=WholeRange(1), default=25, show_default=True, help="Frames whose colours are compared.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def compare(source: Path, target: Path, picture: bool, samples: int, as_json: bool) -> None:
    """Check that a render kept all of a film but its style: times, sound, subtitles, chapters, tags.

    Exits with 1 if something is not kept that TARGET's container can hold.
    """
    from .compare import compare_films, report

    checks = compare_films(source, target, picture=picture, samples=samples)
    click.echo(json.dumps([check.row() for check in checks], indent=2) if as_json else report(checks))
    if any(check.broken for check in checks):
        sys.exit(EXIT_NOT_KEPT)
