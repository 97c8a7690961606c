"""A camera in a window, q quits:  python samples/camera.py [CAMERA] [STYLE] [FRAMES]"""

import sys

import livestyle
from livestyle.live import run_live

camera, style, frames = [*sys.argv[1:], *["0", "starry", "0"][len(sys.argv) - 1 :]]
stats = run_live(camera, livestyle.load(style), frames=int(frames) or None)
print(f"{stats.frames} frames at {stats.fps:.0f} fps, {stats.dropped} forgotten to stay live")
