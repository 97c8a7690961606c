"""A film in the style of a painting:  python samples/film.py IN.mp4 OUT.mp4 [STYLE]"""

import sys

import livestyle

if len(sys.argv) < 3:
    sys.exit("usage: python samples/film.py IN.mp4 OUT.mp4 [STYLE]")
source, target, style = [*sys.argv[1:], "starry"][:3]
try:
    with livestyle.load(style, film=True) as stylizer:
        result = livestyle.stylize_film(source, target, stylizer, overwrite=True)
except livestyle.LivestyleError as error:  # no such film, no such style
    sys.exit(f"error: {error}")
print(f"{target}: {result.stats.frames} frames at {result.stats.fps:.0f} fps on {stylizer.device}")
