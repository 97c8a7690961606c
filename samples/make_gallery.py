"""The README's gallery, made by the shipped styles:  python samples/make_gallery.py samples/gallery.jpg

The photographs come with scikit-image: Eileen Collins (NASA, public domain), Chelsea the cat (Stefan van der
Walt, CC0), a cup of coffee (Rachel Michetti, CC0) and a SpaceX rocket (SpaceX, CC0).
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

import livestyle
from livestyle.styles import shipped

HEIGHT, WIDTH = 300, 400  # pixels, of one picture
PHOTOS = (data.astronaut, data.chelsea, data.coffee, data.rocket)
GAP = 6  # pixels


def prepared(photo: np.ndarray) -> np.ndarray:
    """The photo's upper middle, 400x300."""
    picture = Image.fromarray(photo)
    width = min(picture.width, picture.height * WIDTH / HEIGHT)
    height = width * HEIGHT / WIDTH
    left, top = (picture.width - width) / 2, (picture.height - height) / 4
    box = (left, top, left + width, top + height)
    return np.array(picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=box))


def main(target: str) -> None:
    """Writes a sheet: a row a photo, the photo first, then every style."""
    stylizers = [livestyle.load("none"), *(livestyle.load(name) for name in shipped())]
    rows = [[stylize(prepared(photo())) for stylize in stylizers] for photo in PHOTOS]
    sheet = np.full((len(rows) * (HEIGHT + GAP) - GAP, len(stylizers) * (WIDTH + GAP) - GAP, 3), 255, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = row * (HEIGHT + GAP), column * (WIDTH + GAP)
            sheet[top : top + HEIGHT, left : left + WIDTH] = image
    livestyle.write_image(sheet, Path(target))


if __name__ == "__main__":
    main(sys.argv[1])
