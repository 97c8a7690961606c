"""Renders the project's sample film: from a windy cliff someone waves to a boat sailing across a bay at dusk.

Everything is computed from one seed with NumPy and Pillow (there is no source picture), then encoded by PyAV.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from clip.canvas import (
    FPS,
    FRAMES,
    HEIGHT_PX,
    HORIZON,
    NEAR_SPEED,
    SUPERSAMPLE,
    WIDTH_PX,
    Array,
    Brush,
    H,
    W,
    fractal_noise,
    over,
)
from clip.figures import boat, paint_figure, paint_gulls
from clip.landscape import Sea, cloud_layer, headland_layer, mirrored, mountain_layers, sky_layer, sunshine
from clip.plants import cliff_layer, draw_strokes, grass, needles, paint_pine
from clip.sound import AUDIO_HZ, soundtrack
from numpy.typing import NDArray

SEED = 1889


class Scene:
    """The whole landscape, ready to be painted at any frame."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)  # drawn from in the order of these lines: another order, another film
        self.weave = fractal_noise(rng, 768, 768, 1.0)
        self.sky, self.clouds, self.mountains = sky_layer(rng), cloud_layer(rng), mountain_layers(rng)
        self.headland = headland_layer(rng, self.weave)
        self.sunshine, self.sea, self.cliff = sunshine(), Sea(rng), cliff_layer(rng)
        self.grass_behind, self.grass_before = grass(rng, 2600, -3, 50, 34), grass(rng, 1500, 40, 125, 48)
        self.needles = needles(rng)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """One finished frame, RGB, at the film's size."""
        t, pan = index / FPS, index * NEAR_SPEED
        frame = np.zeros((H, W, 3), np.float32)
        self.paint_view(frame, index, t, pan)
        self.cliff.paint(frame, index)
        paint_pine(Brush(frame, (30 - pan, 0), self.weave), self.needles, t)
        draw_strokes(frame, self.grass_behind, t, pan, 480)
        paint_figure(frame, self.weave, t, 462 - pan)
        draw_strokes(frame, self.grass_before, t, pan, 480)
        small = np.clip(frame, 0, 1).reshape(HEIGHT_PX, SUPERSAMPLE, WIDTH_PX, SUPERSAMPLE, 3).mean(axis=(1, 3))
        return np.asarray(small * 255 + 0.5, np.uint8)

    def paint_view(self, frame: Array, index: int, t: float, pan: float) -> None:
        """Everything beyond the cliff: the sky, the far shores, the sea and the boat on it."""
        self.sky.paint(frame, index)
        self.clouds.paint(frame, index)
        frame[:HORIZON] += self.sunshine
        for layer in self.mountains:
            layer.paint(frame, index)
        slope = self.sea.paint(frame, t, pan)
        over(frame, mirrored(self.headland.view(index), t), HORIZON + 18)
        self.headland.paint(frame, index)
        paint_gulls(frame, self.weave, t)
        hull, left, water = boat(t, self.weave), int(610 + 50 * t), int(452 + 3 * np.sin(2.1 * t))
        over(frame, mirrored(hull, t), water - 6, left)
        self.sea.glitter(frame, slope)
        over(frame, hull, water - len(hull), left)


def write_film(path: Path, scene: Scene, sound: NDArray[np.float32], *, frames: int = FRAMES) -> None:
    """Encodes the first frames of the scene, and the sound under them, as H.264 with AAC, ready to stream."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as film:
        picture, audio = add_streams(film)
        for index in range(frames):
            rgb = av.VideoFrame.from_ndarray(scene.frame(index), format="rgb24")
            yuv = rgb.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            yuv.pts, yuv.time_base = index, Fraction(1, FPS)
            film.mux(picture.encode(yuv))
        film.mux(picture.encode())
        sound = sound[:, : frames * AUDIO_HZ // FPS]
        for start in range(0, sound.shape[1], 1024):
            samples = np.ascontiguousarray(sound[:, start : start + 1024])
            block = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
            block.sample_rate, block.pts, block.time_base = AUDIO_HZ, start, Fraction(1, AUDIO_HZ)
            film.mux(audio.encode(block))
        film.mux(audio.encode())


def add_streams(film: OutputContainer) -> tuple[av.VideoStream, av.AudioStream]:
    """The film's picture (bt709, limited range) and sound, both set up, as the first mux opens both encoders."""
    picture = film.add_stream("libx264", rate=FPS, options={"crf": "24", "preset": "slow"})
    audio = film.add_stream("aac", rate=AUDIO_HZ, layout="stereo")
    assert isinstance(picture, av.VideoStream) and isinstance(audio, av.AudioStream)
    picture.width, picture.height, picture.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
    codec = picture.codec_context
    codec.color_primaries = codec.color_trc = codec.colorspace = 1  # bt709
    codec.color_range, codec.thread_count = 1, 1  # limited range; one thread gives the same bytes anywhere
    audio.bit_rate = 160_000
    return picture, audio


def frame_count(text: str) -> int:
    """The number of frames asked for; the layers are painted wide enough for a pan of FRAMES and no more."""
    if not text.isdecimal() or not 1 <= int(text) <= FRAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames from 1 to {FRAMES}")
    return int(text)


def main() -> None:
    """Reads the command line and writes the film."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path, metavar="OUT.mp4", help="where the film goes")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed gives other clouds, hills and flowers")
    parser.add_argument(
        "--frames", type=frame_count, default=FRAMES, metavar="N", help="how many, from 1 to %(default)s (the default)"
    )
    options = parser.parse_args()
    sound = soundtrack(np.random.default_rng(options.seed))
    write_film(options.film, Scene(options.seed), sound, frames=options.frames)


if __name__ == "__main__":
    main()
