"""The command line. Commands import what they need when they run, so that help is instant."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from . import __version__, cli_compare, cli_live, cli_styles, cli_train
from .cli_options import (
    FILE,
    Fraction01,
    RateType,
    SizeType,
    WholeRange,
    encoding_options,
    frames,
    keep_color_option,
    open_stylizer,
    progress,
    say,
    style_options,
)
from .completion import StyleType
from .errors import LivestyleError
from .settings import use_settings
from .signals import end_tidily_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from .media.encoding import Encoding
    from .media.size import Size

CAMERA_THREAD = "livestyle-camera"  # media.attempt's; importing that takes time
EXIT_FAILURE, EXIT_INTERRUPTED = 1, 130
_OF_A_FILM = {"source": "--input", "size": "--size", "peer": "--peer"}  # what `bench --loop` has no use for


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="livestyle")
@click.pass_context
def cli(context: click.Context) -> None:
    """Real-time style transfer for webcams and films."""
    use_settings(context)


for _command in (*cli_live.COMMANDS, cli_compare.compare, cli_styles.styles, cli_train.train):
    cli.add_command(_command)


@cli.command()
@click.argument("films", nargs=-1, required=True, metavar="SOURCE TARGET | FILMS...", type=FILE)
@style_options
@click.option("--out-dir", type=FILE, help="All names are inputs; each is rendered into here.")
@click.option("--out-size", type=SizeType(), help="The output's size, if not the input's.")
@encoding_options
@click.option("--rate", type=RateType(), help="Pictures a second of an image sequence; 25 if not given.")
@click.option("--steady", type=Fraction01(), default=0.0, show_default=True, help="Against flicker: 0 for none, to 1.")
@keep_color_option
@click.option("--resume", is_flag=True, help="Go on where a render was interrupted; segments are kept until the end.")
@click.option("--workers", type=WholeRange(1, 64), help="Segments rendered at once; the bits do not depend on it.")
@click.option("--overwrite", is_flag=True, help="Replace an existing target.")
@click.option("--max-pixels", type=WholeRange(min=1), default=2**26, show_default=True, help="Refuse larger frames.")
def video(
    films: tuple[Path, ...],
    out_dir: Path | None,
    size: Size | int | None,
    out_size: Size | int | None,
    encoding: Encoding,
    rate: Fraction | None,
    steady: float,
    keep_color: float,
    resume: bool,
    workers: int | None,
    overwrite: bool,
    max_pixels: int,
    quiet: bool,
    **engine: Any,
) -> None:
    """Style a film: every frame at its own time, with its sound.

    Image sequences are films too, in and out: a folder, or frames/%05d.png.
    With --out-dir all names are inputs: films, folders of films, patterns.
    """
    from .batch import render_all
    from .film import check_film, stylize_film
    from .media.encoding import USUAL

    options: dict[str, Any] = {"overwrite": overwrite, "encoding": encoding, "rate": rate, "max_pixels": max_pixels}
    if out_dir is None:
        if len(films) != 2:
            raise click.UsageError("give an input and an output, or inputs and --out-dir")
        # Before a network is loaded and announced.
        check_film(*films, out_size=out_size, **options)
    with open_stylizer(quiet, film=True, **engine) as stylizer:

        def render_one(source: Path, target: Path) -> None:
            with progress(source.name, quiet) as on_frame, _telling_how_to_go_on(target, quiet=quiet or not resume):
                result = stylize_film(
                    source,
                    target,
                    stylizer,
                    size=size,
                    out_size=out_size,
                    **options,
                    on_encoder=lambda encoder: say(f"{target}: {encoder.describe()}", quiet or encoding == USUAL),
                    steady=steady,
                    keep_color=keep_color,
                    resume=resume,
                    workers=workers,
                    on_frame=on_frame,
                )
            for warning in result.warnings:
                say(f"warning: {warning}", quiet)
            stats = result.stats
            say(f"{target}: {frames(stats.frames)} in {stats.seconds:.1f} s, {stats.fps:.1f} fps", quiet)

        if out_dir is None:
            render_one(*films)
            return
        batch = render_all(
            films,
            out_dir,
            render_one,
            lambda line: say(line, quiet=False),
            codec=encoding.codec,
            resume=resume and not overwrite,
            note=lambda line: say(line, quiet),
        )
    say(batch.line(), quiet)
    if batch.failed:
        sys.exit(EXIT_FAILURE)


@contextmanager
def _telling_how_to_go_on(target: Path, *, quiet: bool) -> Iterator[None]:
    """A word where a render is interrupted that could go on."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        say(f"{target}: interrupted; the same command goes on from here", quiet)
        raise


@cli.command()
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@style_options
@click.option("--out-size", type=SizeType(), help="The output's size, if not the input's.")
@keep_color_option
@click.option("--overwrite", is_flag=True, help="Replace an existing target.")
def image(
    source: Path,
    target: Path,
    size: Size | int | None,
    out_size: Size | int | None,
    keep_color: float,
    overwrite: bool,
    quiet: bool,
    **engine: Any,
) -> None:
    """Style a still picture."""
    from .effects import keep_color as colored
    from .media.picture import SUFFIXES, check_sides, holds_several, read_image, resize, write_image
    from .media.size import Size, fit
    from .media.writer import check_target

    picture = read_image(source)
    check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)
    if holds_several(source):
        say(f"warning: {source}: holds several pictures; the first is taken", quiet)
    full = Size(picture.shape[1], picture.shape[0])
    check_sides(*fit(full, out_size), target)
    with open_stylizer(quiet, **engine) as stylizer:
        original = resize(picture, fit(full, size))
        styled = colored(original, stylizer(original), keep_color)
    written = resize(styled, fit(full, out_size))
    write_image(written, target)
    say(f"{target}: {written.shape[1]}x{written.shape[0]}", quiet)


@cli.command()
@click.option("--input", "source", type=FILE, help="A film; without it, one is made.")
@click.option("--style", type=StyleType(), default="starry", show_default=True)
@click.option("--size", type=SizeType(), default="640x360", show_default=True, help="Of the film that is made.")
@click.option("--frames", type=WholeRange(10), default=300, show_default=True, help="Frames to measure.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--peer", type=FILE, help="An ONNX network (uint8 NHWC) to run frame by frame beside it.")
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
    useless, why = (_OF_A_FILM, "does not go with --loop") if loop else ({"camera": "--camera"}, "goes with --loop")
    for name, option in useless.items():
        if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} {why}")
    if loop:
        from .loop_command import measure_delay

        delay = measure_delay(camera, style=style, device=device, frames=frames)
        click.echo(json.dumps(delay.row(), indent=2) if as_json else delay.line())
        return
    from .bench import report, run_bench

    result = run_bench(source, style=style, size=size, frames=frames, device=device, peer=peer)
    click.echo(json.dumps(result, indent=2) if as_json else report(result))


def main() -> None:
    """Runs the command line and exits: 0, 2 for usage, 128 and its number for a signal, 1 for every other failure."""
    end_tidily_on_signals()
    _print_anywhere()
    try:
        _run()
    except SystemExit as ending:
        _leave_if_stuck(ending.code)
        raise
    _leave_if_stuck(0)


def _print_anywhere() -> None:
    """What a terminal or a file has no letter for becomes a question mark: the names of painters are no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _leave_if_stuck(code: Any) -> None:
    """Ends the process if a camera's driver still blocks its thread: Python's own ending crashes under that thread."""
    if any(thread.name == CAMERA_THREAD for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it
                stream.flush()
        os._exit(code if isinstance(code, int) else EXIT_FAILURE)


def _signal_behind(error: BaseException | None) -> BaseException | None:
    """What a signal raised, if `error` comes of that: compiled modules being imported make an ImportError of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
        error = error.__cause__
    return error


def _invoke() -> None:
    try:
        cli.main(prog_name="livestyle", standalone_mode=False)
    except Exception as error:
        if ending := _signal_behind(error):
            raise ending from None
        raise


def _run() -> None:
    try:
        _invoke()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except LivestyleError as error:
        say(f"error: {' '.join(str(error).split())}", quiet=False)
        sys.exit(EXIT_FAILURE)
    except BrokenPipeError:
        sys.exit(EXIT_FAILURE)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("livestyle"):
            raise
        click.echo(f"error: the module {error.name} is missing: pip install 'livestyle[cpu]'", err=True)
        sys.exit(EXIT_FAILURE)
    except ImportError as error:  # it is there, but not the system's library that it needs
        what = f"{error.name or 'a module'} cannot be imported ({' '.join(str(error).split())})"
        say(f"error: {what}; livestyle doctor says how to mend it", quiet=False)
        sys.exit(EXIT_FAILURE)
    except OSError as error:  # what the system refuses outright, such as a name of 300 letters
        say(f"error: {error.filename or 'the system'}: {error.strerror or error}", quiet=False)
        sys.exit(EXIT_FAILURE)


if __name__ == "__main__":
    main()
