"""The command line. Commands import what they need when they run, so that help is instant."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__, cli_compare, cli_live, cli_styles, cli_train
from .cli_options import SizeType, open_stylizer, progress, say, style_options
from .completion import StyleType
from .errors import LivestyleError
from .settings import use_settings

if TYPE_CHECKING:
    from .media.size import Size

EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_SIGNALLED = 1, 130, 128


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="livestyle")
@click.pass_context
def cli(context: click.Context) -> None:
    """Real-time style transfer for webcams and films."""
    use_settings(context)


for _command in (*cli_live.COMMANDS, cli_compare.compare, cli_styles.styles, cli_train.train):
    cli.add_command(_command)


@cli.command()
@click.argument("films", nargs=-1, required=True, metavar="SOURCE TARGET | FILMS...", type=click.Path(path_type=Path))
@style_options
@click.option("--out-dir", type=click.Path(path_type=Path), help="All names are inputs; each is rendered into here.")
@click.option("--out-size", type=SizeType(), help="The output's size, if not the input's.")
@click.option("--overwrite", is_flag=True, help="Replace an existing target.")
@click.option(
    "--max-pixels", type=click.IntRange(min=1), default=2**26, show_default=True, help="Refuse larger frames."
)
def video(
    films: tuple[Path, ...],
    out_dir: Path | None,
    size: Size | int | None,
    out_size: Size | int | None,
    overwrite: bool,
    max_pixels: int,
    quiet: bool,
    **engine: Any,
) -> None:
    """Style a film: every frame at its own time, with its sound.

    With --out-dir all names are inputs: films, folders of films, patterns.
    """
    from .batch import render_all
    from .film import stylize_film

    if out_dir is None and len(films) != 2:
        raise click.UsageError("give an input and an output, or inputs and --out-dir")
    with open_stylizer(quiet, film=True, **engine) as stylizer:

        def render_one(source: Path, target: Path) -> None:
            with progress(source.name, quiet) as on_frame:
                result = stylize_film(
                    source,
                    target,
                    stylizer,
                    size=size,
                    out_size=out_size,
                    overwrite=overwrite,
                    max_pixels=max_pixels,
                    on_frame=on_frame,
                )
            for warning in result.warnings:
                say(f"warning: {warning}", quiet)
            stats = result.stats
            say(f"{target}: {stats.frames} frames in {stats.seconds:.1f} s, {stats.fps:.1f} fps", quiet)

        if out_dir is None:
            render_one(*films)
            return
        batch = render_all(films, out_dir, render_one, lambda line: click.echo(line, err=True))
    say(batch.line(), quiet)
    if batch.failed:
        sys.exit(EXIT_FAILURE)


@cli.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@style_options
@click.option("--out-size", type=SizeType(), help="The output's size, if not the input's.")
@click.option("--overwrite", is_flag=True, help="Replace an existing target.")
def image(
    source: Path,
    target: Path,
    size: Size | int | None,
    out_size: Size | int | None,
    overwrite: bool,
    quiet: bool,
    **engine: Any,
) -> None:
    """Style a still picture."""
    from .media.picture import SUFFIXES, read_image, resize, write_image
    from .media.size import Size, fit
    from .media.writer import check_target

    picture = read_image(source)
    check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)
    full = Size(picture.shape[1], picture.shape[0])
    with open_stylizer(quiet, **engine) as stylizer:
        styled = stylizer(resize(picture, fit(full, size)))
    write_image(resize(styled, fit(full, out_size)), target)


@cli.command()
@click.option("--input", "source", type=click.Path(path_type=Path), help="A film; without it, one is made.")
@click.option("--style", type=StyleType(), default="starry", show_default=True)
@click.option("--size", type=SizeType(), default="640x360", show_default=True, help="Of the film that is made.")
@click.option("--frames", type=click.IntRange(10), default=300, show_default=True, help="Frames to measure.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--peer", type=click.Path(path_type=Path), help="An ONNX network (uint8 NHWC) to run frame by frame beside it."
)
@click.option("--loop", is_flag=True, help="Measure the delay from camera to screen instead.")
@click.option("--camera", default="screen", show_default=True, help="For --loop: one that looks at the screen.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def bench(
    source: Path | None,
    style: str,
    size: Size | int,
    frames: int,
    device: str,
    peer: Path | None,
    loop: bool,
    camera: str,
    as_json: bool,
) -> None:
    """Measure file to file, tensor only, and each stage's share; or with --loop the delay of the live picture."""
    if loop:
        from .loop_command import measure_delay

        delay = measure_delay(camera, style=style, device=device, frames=frames)
        click.echo(json.dumps(delay.row(), indent=2) if as_json else delay.line())
        return
    from .bench import report, run_bench

    result = run_bench(source, style=style, size=size, frames=frames, device=device, peer=peer)
    click.echo(json.dumps(result, indent=2) if as_json else report(result))


def _terminate(signum: int, frame: object) -> None:
    raise SystemExit(EXIT_SIGNALLED + signum)


def _end_tidily_on_signals() -> None:
    """Asked to stop, or the terminal closed: sinks are finished, nothing is left. `nohup` still holds."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)


def main() -> None:
    """Runs the command line and exits: 0, 2 for usage, 130 for Ctrl-C, 1 for every other failure."""
    _end_tidily_on_signals()
    try:
        cli.main(prog_name="livestyle", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except LivestyleError as error:
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(EXIT_FAILURE)
    except BrokenPipeError:
        sys.exit(EXIT_FAILURE)
    except OSError as error:  # what the system refuses outright, such as a name of 300 letters
        click.echo(f"error: {error.filename or 'the system'}: {error.strerror or error}", err=True)
        sys.exit(EXIT_FAILURE)


if __name__ == "__main__":
    main()
