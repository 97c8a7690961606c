"""The commands around a camera: cam, cameras, doctor, and completion for shells."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from .cli_options import FILE, FiniteRange, Fraction01, SizeType, WholeRange, frames, say, style_options
from .completion import SHELLS, StyleType, completion_script

if TYPE_CHECKING:
    from .live import LiveOptions
    from .masks import MaskSource


class Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`50ms`, `0.05s` or plain milliseconds."""

    name = "50ms|2s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|)", str(value).strip())
        seconds = float(match[1]) / (1 if match[2] == "s" else 1000) if match else 0.0
        return seconds or self.fail(f"{value!r}: give a time above 0, such as 50ms or 0.05s", param, ctx)


_CAMERA_HELP = "A number, name, device, film, address, pattern or screen."


def _cam_options(command: Callable[..., Any]) -> Callable[..., Any]:
    port = WholeRange(0, 65535)
    options = [
        click.option("--camera", default="0", show_default=True, help=_CAMERA_HELP),
        click.option("--camera-size", type=SizeType(), help="Asked of the camera: WxH, or its long side."),
        click.option("--camera-fps", type=FiniteRange(0.001, 1000), help="Asked of the camera."),
        click.option("--give-up", type=FiniteRange(0), help="End after so many seconds without a picture."),
        style_options,
        click.option("--styles", help="Those the keys change between: a,b,c. Default: all of lite, and your own."),
        click.option("--steady", type=Fraction01(), default=0.5, show_default=True, help="Against flicker."),
        click.option("--keep-color", type=Fraction01(), default=0.0, help="How much of the camera's colour stays."),
        click.option("--mirror", is_flag=True, help="Left and right exchanged."),
        click.option("--out-size", type=SizeType(), help="The output's size, if not the camera's."),
        click.option("--fps", type=FiniteRange(1, 240), default=30.0, show_default=True, help="Promised."),
        click.option("--max-latency", type=Seconds(), default="60ms", show_default=True, help="Promised, for 95 %."),
        click.option("--mask", help="Who is styled: person, a picture (white is inside), or a model.onnx."),
        click.option("--inside", type=StyleType(), help="Style inside the mask. Default: --style."),
        click.option("--outside", type=StyleType(), help="Style outside the mask. Default: none."),
        click.option("--virtual", is_flag=True, help="Also send to a virtual camera, for video calls."),
        click.option("--virtual-device", help="Which virtual camera, such as /dev/video2."),
        click.option("--record", type=FILE, help="Also record to this .mp4."),
        click.option("--overwrite", is_flag=True, help="Replace an existing recording."),
        click.option("--microphone", is_flag=True, help="Record the sound too."),
        click.option("--microphone-device", help="Which microphone."),
        click.option("--mjpeg", type=port, help="Also serve the picture on this local port; 0 for any free one."),
        click.option("--control", type=port, help="Be steered by HTTP on this local port; 0 for any free one."),
        click.option("--osc", type=port, help="Be steered by OSC on this local port; 0 for any free one."),
        click.option("--no-window", is_flag=True, help="Open no window."),
        click.option("--frames", type=WholeRange(1), help="Stop after so many frames."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_cam_options
def cam(style: str, styles: str | None, device: str, threads: int, quiet: bool, **given: Any) -> None:
    """Style a webcam live: a window, and a virtual camera for calls. ? shows the keys, q quits."""
    from .controls import Controls, Look
    from .live import run_live
    from .palette import Palette

    def tell(line: str) -> None:
        say(line, quiet)

    mask = _open_mask(given.pop("mask"), given["inside"], given["outside"])
    shown = _shown(style, styles, tell)
    names, sides = _with_sides(shown, given.pop("inside"), given.pop("outside"), masked=mask is not None)
    look = Look(**{name: given.pop(name) for name in ("strength", "steady", "keep_color", "mirror")})
    palette = Palette(names, device=device, threads=threads)
    stats, meter = run_live(
        _live_options(given),
        palette,
        Controls(shown, look),
        mask=mask,
        sides=sides,
        say=tell,
        tell_address=lambda line: say(line, quiet=False),  # a port whose token is a secret to all is of no use
    )
    figures = meter.stats()
    latency = "" if figures.p50_ms is None else f", {figures.p50_ms:.0f} / {figures.p95_ms:.0f} ms p50 / p95 latency"
    tell(f"{frames(stats.frames)}, {stats.fps:.1f} fps{latency}, {stats.dropped} forgotten to stay live")


def _live_options(given: dict[str, Any]) -> LiveOptions:
    from .live import LiveOptions

    virtual, microphone = given.pop("virtual"), given.pop("microphone")
    device, sound = given.pop("virtual_device"), given.pop("microphone_device")
    ports = {f"{name}_port": given.pop(name) for name in ("mjpeg", "control", "osc")}
    return LiveOptions(
        window=not given.pop("no_window"),
        virtual=device or ("" if virtual else None),
        microphone=sound or ("" if microphone else None),
        **ports,
        **given,
    )


def _shown(style: str, styles: str | None, tell: Callable[[str], object]) -> list[str]:
    """The styles the keys change between, the chosen one first."""
    if styles is None:
        names = _every_style(tell)
    else:
        names = [name.strip() for name in styles.split(",") if name.strip()]
        if not names:
            raise click.UsageError(f"--styles {styles!r}: name at least one style, such as starry,wave")
    return list(dict.fromkeys([style, *names]))


def _every_style(tell: Callable[[str], object]) -> list[str]:
    """All that run live; a file of the user's own that cannot be used is left out, aloud, for nobody asked for it."""
    from .errors import StyleError
    from .styles import find, own_styles, shipped

    names = [name for name, row in shipped().items() if row.kind == "lite"]  # a johnson is no live style on a CPU
    for name in own_styles():
        try:
            find(name)
            names.append(name)
        except StyleError as error:
            tell(f"left out: {error}")
    return names


def _with_sides(
    shown: list[str], inside: str | None, outside: str | None, *, masked: bool
) -> tuple[list[str], tuple[int | None, int | None]]:
    """All styles to load, and the places of those fixed to a side of a mask, which come last."""
    if not masked:
        return shown, (None, None)
    fixed = [name for name in (inside, outside or "none") if name is not None]
    first = None if inside is None else len(shown)
    return [*shown, *fixed], (first, len(shown) + len(fixed) - 1)


def _open_mask(mask: str | None, inside: str | None, outside: str | None) -> MaskSource | None:
    if mask is None:
        if inside or outside:
            raise click.UsageError("--inside and --outside need --mask")
        return None
    from .masks import open_mask

    return open_mask(mask)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def cameras(as_json: bool) -> None:
    """List the cameras with their formats."""
    from .media.devices import list_cameras

    found = list_cameras()
    if as_json:
        click.echo(json.dumps([camera.row() for camera in found], indent=2))
        return
    for camera in found:
        click.echo("\n".join(camera.lines()))
    if not found:
        click.echo("no camera found; livestyle doctor says what may be wrong", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Look at everything livestyle needs, and say how to mend what is wrong."""
    from .doctor import report, run_doctor

    findings = run_doctor()
    click.echo(json.dumps([finding.row() for finding in findings], indent=2) if as_json else report(findings))
    sys.exit(any(finding.state == "problem" for finding in findings))


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete livestyle's commands, options and styles."""
    group = context.find_root().command
    assert isinstance(group, click.Group)
    click.echo(completion_script(shell, group))


COMMANDS: Sequence[click.Command] = (cam, cameras, doctor, completion)
