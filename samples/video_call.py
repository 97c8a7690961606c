"""A camera for video calls, without a window:  python samples/video_call.py [CAMERA] [STYLE] [FRAMES]

Choose the camera it names in the call. Needs pip install 'livestyle[live]' and a virtual camera (see live.md).
"""

import sys

from livestyle.errors import LivestyleError
from livestyle.live import LiveOptions, run_live
from livestyle.palette import Palette

camera, style, frames = [*sys.argv[1:], *["0", "starry", "0"][len(sys.argv) - 1 :]]
options = LiveOptions(camera, window=False, virtual="", frames=int(frames) or None)
try:
    run_live(options, Palette([style]), say=print)
except LivestyleError as error:  # no camera, no virtual camera, no such style
    sys.exit(f"error: {error}")
