"""`livestyle styles`: list them, show them, add and remove one's own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .cli_options import FILE


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--gallery",
    "page",
    is_flag=False,
    flag_value=Path("gallery.html"),
    type=FILE,
    metavar="[FILE.html]",
    help="Write a page of all styles on a few photographs; default gallery.html.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
@click.pass_context
def styles(context: click.Context, as_json: bool, page: Path | None, overwrite: bool) -> None:
    """List the styles; add, remove and find your own."""
    if context.invoked_subcommand:
        return
    if page is not None:
        _write_gallery(page, overwrite=overwrite)
    elif as_json:
        from .styles import own_styles, shipped

        rows = [style.row() for style in shipped().values()]
        mine = [{"name": name, "network": str(path)} for name, path in own_styles().items()]
        click.echo(json.dumps(rows + mine, indent=2))
    else:
        _print_table()


def _print_table() -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from .styles import own_styles, shipped, user_folder

    table = Table(Column("style", no_wrap=True), "painter", "painting", "year", Column("network", overflow="fold"))
    for style in shipped().values():
        table.add_row(style.name, style.painter, style.painting, style.dated, style.network)
    for name, path in own_styles().items():
        table.add_row(escape(name), "", "your own", "", escape(path.name))
    console = Console()
    console.print(table)
    for network, style in {style.network: style for style in shipped().values()}.items():
        console.print(f"{network}: weights {style.licence}; trained on {style.data}")
    console.print(f"your own: {escape(str(user_folder()))}", soft_wrap=True)


def _write_gallery(target: Path, *, overwrite: bool) -> None:
    from .gallery import gallery, write_page
    from .media.writer import check_target
    from .styles import own_styles, shipped

    check_target(target, None, overwrite=overwrite, suffixes=(".html", ".htm"))
    rows = [(style.name, f"{style.painter}, {style.painting}, {style.dated}") for style in shipped().values()]
    write_page(gallery([*rows, *((name, "your own") for name in own_styles())]), target)
    click.echo(str(target))


@styles.command()
@click.argument("file", type=FILE)
@click.option("--name", help="Default: the file's name.")
@click.option("--overwrite", is_flag=True, help="Replace one of your own.")
def add(file: Path, name: str | None, overwrite: bool) -> None:
    """Check a style file and copy it to your own styles."""
    from .styles import add as add_style

    click.echo(str(add_style(file, name, overwrite=overwrite)))


@styles.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove one of your own styles, and the pages and pictures beside it."""
    from .styles import remove as remove_style

    for path in remove_style(name):
        click.echo(str(path))


@styles.command()
@click.argument("name", required=False)
def path(name: str | None) -> None:
    """Where a style's file is; without a name, the folder of your own styles."""
    from .styles import path_of, user_folder

    click.echo(str(user_folder() if name is None else path_of(name)))
