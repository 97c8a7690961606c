"""What the commands share: kinds of values, the styling options, a word to the user."""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from .completion import StyleType
from .errors import InputError

if TYPE_CHECKING:
    from .pipeline import Stats
    from .stylizer import Stylizer

_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "?")  # a stranger's text may hold orders to the terminal
F = TypeVar("F", bound=Callable[..., Any])


class FileType(click.Path):  # type: ignore[type-arg,unused-ignore]
    """The name of a file or a folder; an empty one would be the folder we are in."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)  # click would call one that may not be read a usage error

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            option = f"{param.opts[0]} " if isinstance(param, click.Option) else ""
            raise InputError(f"{option}'': an empty name; give a file's or a folder's")
        return super().convert(value, param, ctx)


FILE = FileType()


class SizeType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`WxH` or the long side in pixels."""

    name = "WxH|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from .media.size import parse_size

        try:
            return parse_size(value) if isinstance(value, str) else value
        except InputError as error:
            self.fail(str(error), param, ctx)


class RateType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Pictures a second: `25`, `30000/1001`, or `29.97`, which means 30000/1001."""

    name = "FPS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Fraction):
            return value
        try:
            rate = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            self.fail(f"'{value}': write pictures a second, such as 25, 29.97 or 30000/1001", param, ctx)
        if not 0 < rate <= _MAX_RATE:
            self.fail(f"'{value}': from 0 to {_MAX_RATE} pictures a second", param, ctx)
        broadcast = Fraction(math.ceil(rate) * 1000, 1001)
        return broadcast if rate.denominator > 1 and abs(rate - broadcast) < _ROUNDED else rate


def _limits(numbers: click.IntRange | click.FloatRange) -> str:
    """In words: `from 1 to 240`, `above 0`."""
    least = f"{'above' if numbers.min_open else 'from'} {numbers.min or 0:g}"
    return least if numbers.max is None else f"{least} to {numbers.max:g}"


class WholeRange(click.IntRange):
    """A whole number; click's own range says of text that it is no \"integer range\"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            int(value)
        except ValueError:
            self.fail(f"{value!r}: write a whole number {_limits(self)}", param, ctx)
        return super().convert(value, param, ctx)


class FiniteRange(click.FloatRange):
    """A number; click's own range lets `nan` and `inf` through, and says of text that it is no \"float range\"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            float(value)
        except ValueError:
            self.fail(f"{value!r}: write a number {_limits(self)}", param, ctx)
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value!r} is not a finite number", param, ctx)


class Fraction01(FiniteRange):
    """A number from 0 to 1."""

    def __init__(self) -> None:
        super().__init__(0, 1)


_MAX_RATE = 1000  # pictures a second
_ROUNDED = Fraction(1, 200)  # 29.97 and 23.98 are short for 30000/1001 and 24000/1001
CODECS = (  # those of media.encoders, which takes long to import
    "h264",
    "hevc",
    "av1",
    "vp9",
    "prores",
)
keep_color_option = click.option(
    "--keep-color", type=Fraction01(), default=0.0, show_default=True, help="How much of the input's colour stays."
)
_STYLE_HELP = "A name, a file, none, or a:0.7+b:0.3."


def style_options(command: F) -> F:
    """The options every styling command shares."""
    options = [
        click.option(
            "--style",
            type=StyleType(),
            default="starry",
            show_default=True,
            help="A name, a file, none, or a:0.7+b:0.3.",
        ),
        click.option("--strength", type=Fraction01(), default=1.0, help="0 the input, 1 the full style."),
        click.option("--size", type=SizeType(), help="Processing size: WxH or the long side."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
        click.option("--threads", type=WholeRange(0, 256), default=0, help="CPU threads; 0 for all cores."),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors; cam: and where its ports are."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def encoding_options(command: F) -> F:
    """How films are coded; the command gets it as `encoding`."""

    @functools.wraps(command)
    def with_encoding(codec: str | None, crf: float | None, encoder: str, **others: Any) -> Any:
        from .media.encoding import Encoding

        return command(encoding=Encoding(codec, crf, encoder), **others)

    options = [
        click.option("--codec", type=click.Choice(CODECS), help="Default: h264 where the container takes it."),
        click.option("--crf", type=FiniteRange(0), help="Lower is better and larger. Default: 20 for h264."),
        click.option(
            "--encoder",
            default="software",
            show_default=True,
            help="Or auto (hardware if a trial works), nvenc, videotoolbox, qsv, amf.",
        ),
    ]
    wrapped: Any = with_encoding
    for option in reversed(options):
        wrapped = option(wrapped)
    return cast(F, wrapped)


def open_stylizer(quiet: bool, style: str, strength: float, device: str, threads: int, film: bool = False) -> Stylizer:
    from .stylizer import load

    stylizer = load(style, strength=strength, device=device, threads=threads, film=film)
    say(f"{style}: {stylizer.device}", quiet)
    for note in stylizer.notes:
        say(f"note: {note}", quiet)
    return stylizer


def say(line: str, quiet: bool) -> None:
    """Prints what it is: one line, whatever the names of strangers' files and tracks hold."""
    if not quiet:
        click.echo(" ".join(line.splitlines()).translate(_CONTROLS), err=True)


def frames(count: int) -> str:
    """So many frames, in words."""
    return "1 frame" if count == 1 else f"{count} frames"


@contextlib.contextmanager
def progress(name: str, quiet: bool) -> Iterator[Callable[[Stats, int | None], None] | None]:
    """A bar with fps and time left on a terminal; None elsewhere."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():  # None if a service closed it
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),  # a film may be called a[red].mp4
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} fps"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, fps=0.0)
        yield lambda stats, expected: bar.update(task, completed=stats.frames, total=expected, fps=stats.fps)
