"""A camera in a window, q quits, ? shows the keys:  python samples/camera.py [CAMERA] [STYLE] [FRAMES]"""

import sys

from livestyle.errors import LivestyleError
from livestyle.live import LiveOptions, run_live
from livestyle.media.window import has_display
from livestyle.palette import Palette

camera, style, frames = [*sys.argv[1:], *["0", "starry", "0"][len(sys.argv) - 1 :]]
if not has_display():
    sys.exit("error: there is no display here to open a window on")
try:
    stats, meter = run_live(LiveOptions(camera, frames=int(frames) or None), Palette([style]))
except LivestyleError as error:  # no camera, no display, no such style
    sys.exit(f"error: {error}")
print(f"{stats.frames} frames at {stats.fps:.0f} fps, {stats.dropped} forgotten to stay live")
print(*meter.lines(), sep="\n")
