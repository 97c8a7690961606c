"""A camera, styled live, to a window, a virtual camera, a recording and the local network port of your choice."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from .chain import Chain
from .controls import Controls
from .errors import DeviceError, OutputError
from .frame import Frame
from .governor import Governor, Networks
from .latency import Meter
from .masks import MaskSource
from .media.camera import film_of, import_cv2, open_camera
from .media.overlay import legible_size
from .media.size import Size, fit
from .media.watch import Watched
from .media.window import Window, has_display
from .outputs import Outputs, Sink, file_for_now
from .palette import Palette
from .pipeline import Stats, run

if TYPE_CHECKING:
    from .media.microphone import Microphone
    from .media.recorder import Recorder


@dataclass(frozen=True)
class LiveOptions:
    """Where the picture comes from, what is promised, and where it goes.

    Attributes:
        camera: a number, name, device, film, address, `pattern` or `screen`.
        camera_size, camera_fps: asked of the camera; None for its own choice.
        give_up: seconds without a picture that end the run; None to wait for ever.
        size: the largest processing size; the governor may choose a smaller one.
        out_size: of what comes out, if not the camera's size.
        fps: promised, or the camera's where that is less.
        max_latency: seconds from capture to output, promised for 95 of 100 frames.
        window, virtual, record, mjpeg_port: the sinks. `virtual` is a device, or "" for any free one.
        microphone: recorded too; "" for the usual one.
        control_port, osc_port: for steering from other programs on this machine; 0 for any free one.
        frames: the run ends after so many.
    """

    camera: str = "0"
    camera_size: Size | int | None = None
    camera_fps: float | None = None
    give_up: float | None = None
    size: Size | int | None = None
    out_size: Size | int | None = None
    fps: float = 30.0
    max_latency: float = 0.06
    window: bool = True
    virtual: str | None = None
    record: Path | None = None
    overwrite: bool = False
    microphone: str | None = None
    mjpeg_port: int | None = None
    control_port: int | None = None
    osc_port: int | None = None
    frames: int | None = None


def run_live(
    options: LiveOptions,
    palette: Palette,
    controls: Controls | None = None,
    *,
    mask: MaskSource | None = None,
    sides: tuple[int | None, int | None] = (None, None),
    say: Callable[[str], object] = lambda line: None,
    tell_address: Callable[[str], object] | None = None,
) -> tuple[Stats, Meter]:
    """Styles a camera until the user has had enough, the source ends or `frames` are out.

    Without `controls`, the first style of the palette is shown and the others wait for their keys.
    `tell_address` hears where each port is, which nobody can guess, a line each; without it, `say` does.
    The newest frame wins: what the engine cannot keep up with is forgotten and counted.
    Raises DeviceError if there is no camera, or nowhere to show it, and at the end OutputError if `record` is not
    all there.
    """
    controls = controls or Controls(palette.styles)
    show = options.window and has_display()
    if not (show or options.virtual is not None or options.record or options.mjpeg_port is not None):
        why = "there is no display here" if options.window else "--no-window was given"
        raise DeviceError(f"cam: nowhere to show it, {why}; add --virtual, --record or --mjpeg")
    if show:
        import_cv2()  # before av, which films and recordings bring
    with ExitStack() as stack:
        if mask:
            stack.enter_context(closing(mask))
        source = stack.enter_context(_watched(options, say))
        rate = source.rate

        def govern(full: Size, networks: Networks) -> Governor:
            return Governor(
                full,
                fps=options.fps,
                max_latency=options.max_latency,
                largest=options.size,
                camera_fps=float(rate),
                networks=networks,
            )

        def tell(line: str) -> None:
            say(line)
            outputs.tell(line)

        chain = Chain(palette, controls, govern, out_size=options.out_size, mask=mask, sides=sides, say=tell)
        meter = Meter(device=chain.device)
        say(chain.describe())
        say(source.describe())
        size = fit(source.frame_size, options.out_size)
        opening = _Opening(options, size, rate, stack, say, tell_address or say)
        outputs = opening.outputs(controls, meter, show=show, status=lambda: source.status)
        opening.ports(controls, meter, keys=not show)
        written = itertools.count(1)

        def write(frame: Frame) -> bool:
            go_on = outputs.write(frame)
            chain.observe(None if frame.captured is None else time.monotonic() - frame.captured)
            return go_on and next(written) != options.frames

        def note(stats: Stats) -> None:
            if chain.governor:
                size, why = chain.governor.choice.size, chain.governor.why
                meter.note(dropped=stats.dropped, size=size, why=why, device=chain.device)

        stats = run(
            _counted(source, chain, meter),
            chain,
            write,
            live=True,
            on_frame=note,
            between=outputs.between,
            stop=source.close,
        )
    if outputs.failed:
        raise OutputError(outputs.failed)
    return stats, meter


def _watched(options: LiveOptions, say: Callable[[str], object]) -> Watched:
    return Watched(
        lambda: open_camera(options.camera, size=options.camera_size, fps=options.camera_fps, say=say),
        give_up=options.give_up,
        say=say,
    )


def _counted(source: Watched, chain: Chain, meter: Meter) -> Iterator[Frame]:
    """The frames to be styled; every one is counted, but not those shown again while the camera is lost."""
    for frame in source:
        if source.status is None:
            meter.came()
        if chain.takes(frame.index):
            yield frame


@dataclass(frozen=True)
class _Opening:
    """Opens what a run asks for; the stack closes it."""

    options: LiveOptions
    size: Size
    rate: Fraction
    stack: ExitStack
    say: Callable[[str], object]
    tell_address: Callable[[str], object]

    def outputs(self, controls: Controls, meter: Meter, *, show: bool, status: Callable[[], str | None]) -> Outputs:
        """All sinks as one."""

        def press(key: str) -> None:
            outputs.tell(controls.press(key))

        microphone, window = self._microphone(), None
        if show:
            window = self.stack.enter_context(closing(Window("livestyle", legible_size(self.size), on_key=press)))
        outputs = Outputs(
            list(self._sinks()),
            controls,
            meter,
            window=window,
            status=status,
            trouble=lambda: microphone.failed if microphone else None,
            recorder=self._recorders(microphone),
            record=self.options.record,
            say=self.say,
        )
        return self.stack.enter_context(closing(outputs))

    def _sinks(self) -> Iterator[Sink]:
        if self.options.virtual is not None:
            from .media.virtual import VirtualCamera

            device = self.options.virtual or None
            camera = self.stack.enter_context(closing(VirtualCamera(self.size, self.rate, device=device)))
            self.say(f"virtual camera: {camera.describe()}")
            yield camera
        if self.options.mjpeg_port is not None:
            from .media.mjpeg import MjpegServer

            server = self.stack.enter_context(closing(MjpegServer(self.options.mjpeg_port)))
            self.tell_address(f"picture at {server.url}")
            yield server

    def _microphone(self) -> Microphone | None:
        if self.options.microphone is None:
            return None
        from .media.microphone import open_microphone

        return self.stack.enter_context(open_microphone(self.options.microphone or None))

    def _recorders(self, microphone: Microphone | None) -> Callable[[Path | None], Recorder]:
        """What opens a recording, of the file asked for or one with a new name; the microphone stays open."""
        from .media.recorder import Recorder, unfinished

        def record(target: Path | None) -> Recorder:
            overwrite = self.options.overwrite and target is not None
            target = target or file_for_now(".mp4")
            for path in unfinished(target):
                self.say(f"a recording of that name is not finished, it plays as it is: {path}")
            source = film_of(self.options.camera)
            return Recorder(target, self.size, self.rate, source=source, overwrite=overwrite, microphone=microphone)

        return record

    def ports(self, controls: Controls, meter: Meter, *, keys: bool) -> None:
        """The ways of steering beside the window's: `keys` are the terminal's."""
        if self.options.control_port is not None:
            from .control_port import ControlPort

            port = ControlPort(controls, self.options.control_port, statistics=meter.row)
            self.tell_address(f"control port: {self.stack.enter_context(closing(port)).url}")
        if self.options.osc_port is not None:
            from .osc import OscPort
            from .ports import new_token

            osc = self.stack.enter_context(closing(OscPort(controls, self.options.osc_port, token=new_token())))
            self.tell_address(f"OSC: port {osc.port}, addresses {osc.prefix}...")
        if keys and sys.stdin is not None and sys.stdin.isatty():
            from .terminal import TerminalKeys

            self.stack.enter_context(TerminalKeys(controls, self.say))
            self.say("keys in this terminal: ? lists them, q quits")
