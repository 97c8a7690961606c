"""A photograph in the style of a painting:  python samples/picture.py IN.jpg OUT.png [STYLE]"""

import sys
from pathlib import Path

import livestyle

if len(sys.argv) < 3:
    sys.exit("usage: python samples/picture.py IN.jpg OUT.png [STYLE]")
source, target, style = [*sys.argv[1:], "starry"][:3]
try:
    stylize = livestyle.load(style, strength=0.9)
    livestyle.write_image(stylize(livestyle.read_image(Path(source))), Path(target))
except livestyle.LivestyleError as error:  # no such picture, no such style
    sys.exit(f"error: {error}")
