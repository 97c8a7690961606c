"""A camera, styled live, to a window and a virtual camera."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack, closing

from .errors import DeviceError
from .frame import Frame
from .media.camera import import_cv2, open_camera
from .media.display import VirtualCamera, Window, has_display
from .media.size import Size
from .pipeline import Stats, run
from .stylizer import Stylizer


def run_live(
    camera: str,
    stylizer: Stylizer,
    *,
    size: Size | int | None = None,
    window: bool = True,
    virtual: bool = False,
    frames: int | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Stats:
    """Styles a camera until the window is closed, q is pressed, the source ends or `frames` are out.

    The newest frame wins: what the engine cannot keep up with is forgotten and counted.
    Raises DeviceError if there is no camera, or nowhere to show it.
    """
    show = window and has_display()
    if not (show or virtual):
        raise DeviceError("cam: nowhere to show it, there is no display here; add --virtual, or run on a desktop")
    if show:
        import_cv2()  # before av, which a film as a camera brings
    with ExitStack() as stack:
        source = stack.enter_context(open_camera(camera, size=size))
        sinks: list[Window | VirtualCamera] = []
        if virtual:
            camera_out = stack.enter_context(closing(VirtualCamera(source.frame_size, source.rate)))
            say(f"virtual camera: {camera_out.device}")
            sinks.append(camera_out)
        if show:
            sinks.append(stack.enter_context(closing(Window("livestyle", source.frame_size))))

        written = itertools.count(1)

        def write(frame: Frame) -> bool:
            go_on = [sink.write(frame) for sink in sinks]
            return all(go_on) and next(written) != frames

        return run(source, stylizer, write, live=True)
