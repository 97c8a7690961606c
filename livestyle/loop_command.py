"""What `livestyle bench --loop` does: the live chain between a screen with the time on it and the window."""

from __future__ import annotations

from .chain import Chain
from .controls import Controls
from .governor import Governor, Networks
from .live import LiveOptions
from .loop_bench import SCREEN, LoopResult, run_inside, run_loop
from .media.size import Size
from .media.window import has_display
from .palette import Palette


def measure_delay(camera: str, *, style: str, device: str, frames: int) -> LoopResult:
    """The delay from camera to screen; without a display and a camera, of what lies between alone.

    Raises DeviceError if the time is not to be read in the picture, or there is a camera but no display to point it at.
    """
    promised = LiveOptions()

    def govern(full: Size, networks: Networks) -> Governor:
        return Governor(full, fps=promised.fps, max_latency=promised.max_latency, networks=networks)

    chain = Chain(Palette([style], device=device), Controls([style]), govern)
    if camera == "screen" and not has_display():
        return run_inside(chain, frames=frames)
    place = SCREEN if camera == "screen" else camera
    return run_loop(place, chain, frames=frames, takes=chain.takes, observe=chain.observe)
