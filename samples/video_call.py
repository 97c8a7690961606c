"""A camera for video calls, without a window:  python samples/video_call.py [CAMERA] [STYLE] [FRAMES]

Choose the camera it names in the call. Needs pip install 'livestyle[live]' and a virtual camera (see README).
"""

import sys

import livestyle
from livestyle.live import run_live

camera, style, frames = [*sys.argv[1:], *["0", "starry", "0"][len(sys.argv) - 1 :]]
stylizer = livestyle.load(style)
run_live(camera, stylizer, window=False, virtual=True, frames=int(frames) or None, say=print)
