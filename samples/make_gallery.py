"""The README's gallery, made by the shipped styles:  python samples/make_gallery.py samples/gallery.jpg

The photographs come with scikit-image: Eileen Collins (NASA, public domain) and Chelsea the cat (Stefan van der
Walt, CC0).
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

import livestyle
from livestyle.styles import shipped

HEIGHT, WIDTH = 225, 300  # pixels, of one picture
PHOTOS = (data.astronaut, data.chelsea)
COLUMNS, GAP, CAPTION = 4, 8, 30  # cells side by side; pixels around a cell; pixels below it


def prepared(photo: np.ndarray) -> np.ndarray:
    """The photo's upper middle, at the size of one picture."""
    picture = Image.fromarray(photo)
    width = min(picture.width, picture.height * WIDTH / HEIGHT)
    height = width * HEIGHT / WIDTH
    left, top = (picture.width - width) / 2, (picture.height - height) / 4
    box = (left, top, left + width, top + height)
    return np.array(picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=box))


def cell(style: str) -> Image.Image:
    """The photos side by side in a style, its name below."""
    stylize = livestyle.load(style)
    images = [stylize(prepared(photo())) for photo in PHOTOS]
    sheet = Image.new("RGB", (len(images) * WIDTH, HEIGHT + CAPTION), "white")
    for index, image in enumerate(images):
        sheet.paste(Image.fromarray(image), (index * WIDTH, 0))
    name = "photographs" if style == "none" else style
    ImageDraw.Draw(sheet).text((4, HEIGHT + 4), name, "black", ImageFont.load_default(18))
    return sheet


def main(target: str) -> None:
    """Writes a sheet: a cell a style, the photographs first."""
    cells = [cell(style) for style in ("none", *shipped())]
    width, height = (side + GAP for side in cells[0].size)
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width - GAP, rows * height - GAP), "white")
    for index, one in enumerate(cells):
        sheet.paste(one, (index % COLUMNS * width, index // COLUMNS * height))
    livestyle.write_image(np.array(sheet), Path(target))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python samples/make_gallery.py OUT.jpg")
    main(sys.argv[1])
