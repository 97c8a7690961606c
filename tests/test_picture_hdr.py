"""HDR10 and HLG become SDR that looks the same up to a sheet of paper, and says that it is SDR."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import images_of
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from livestyle import load, stylize_film
from livestyle.frame import Image
from livestyle.media import tone
from livestyle.media.playback import NetworkStream
from livestyle.media.reader import FilmReader

Array = NDArray[np.float64]
PQ, HLG, BT2020, BT709 = 16, 18, 9, 1
WHITE = 203  # nits
LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593])  # BT.2020
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087, from 709
COLOURS = np.array([[1, 1, 1], [1, 0.2, 0.2], [0.2, 1, 0.2], [0.3, 0.3, 1], [0.9, 0.6, 0.4], [0.1, 0.3, 0.2]])


def bars(colours: Array) -> Array:
    """A picture (64, 32 per colour, 3) of vertical bars."""
    return np.repeat(np.repeat(colours[None], 64, axis=0), 32, axis=1)


def write_hdr(path: Path, signal: Array, transfer: int, *, frames: int = 2, matrix: int = BT2020) -> Path:
    """A lossless film (10 bit, BT.2020) of one picture of RGB signals in [0,1]; `matrix` is a tag only."""
    luma = signal @ LUMINANCE_2020
    blue, red = (signal[..., 2] - luma) / 1.8814, (signal[..., 0] - luma) / 1.4746
    planes = [np.round(plane).astype("<u2") for plane in (64 + 876 * luma, 512 + 896 * blue, 512 + 896 * red)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = luma.shape
        stream.pix_fmt = "yuv444p10le"
        codec = stream.codec_context
        codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = matrix, BT2020, transfer, 1
        for index in range(frames):
            frame = av.VideoFrame(stream.width, stream.height, "yuv444p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                padded = np.zeros((values.shape[0], plane.line_size // 2), "<u2")
                padded[:, : values.shape[1]] = values
                plane.update(padded.tobytes())
            frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = matrix, BT2020, transfer, 1
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def first_image(path: Path) -> Image:
    with FilmReader(path) as reader:
        return next(iter(reader)).image


def centres(image: Image) -> Array:
    """The colour in the middle of each bar."""
    return image[32, 16::32].astype(float)


def pq(light: Array) -> Array:
    """SMPTE ST 2084, from the standard's text."""
    root = (light / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375


def hlg(light: Array) -> Array:
    """BT.2100's inverse OOTF for a screen of 1000 nits, then its OETF."""
    display = np.maximum(light, 1e-9) / 1000
    scene = display * (display @ LUMINANCE_2020)[..., None] ** (1 / 1.2 - 1)
    with np.errstate(invalid="ignore"):
        high = 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


@pytest.mark.parametrize(("transfer", "signal"), [(PQ, pq), (HLG, hlg)])
@pytest.mark.parametrize("nits", [10, 80])
def test_light_below_the_knee_stays_what_it_is(
    transfer: int, signal: Callable[[Array], Array], nits: int, tmp_path: Path
) -> None:
    light = COLOURS * nits
    shown = centres(first_image(write_hdr(tmp_path / "in.mkv", bars(signal(light @ TO_2020.T)), transfer)))
    assert np.abs(shown - 255 * (light / WHITE) ** (1 / 2.4)).max() <= 3


def test_pq_is_what_the_ffmpeg_program_makes_of_it(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = write_hdr(tmp_path / "in.mkv", bars(pq(COLOURS * 80 @ TO_2020.T)), PQ)
    image = first_image(film)
    chain = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=clip,zscale=t=bt709:m=gbr:r=full"
    raw = ffmpeg(
        "-i", film, "-frames:v", "1", "-vf", f"{chain},format=gbrp", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"
    )
    assert np.abs(centres(image) - centres(np.frombuffer(raw, np.uint8).reshape(image.shape))).max() <= 3


@pytest.mark.parametrize(("transfer", "signal"), [(PQ, pq), (HLG, hlg)])
def test_highlights_keep_their_detail(transfer: int, signal: Callable[[Array], Array], tmp_path: Path) -> None:
    grays = np.repeat(np.array([0.0, 20, 100, 203, 300, 500, 1000])[:, None], 3, axis=1)
    shown = centres(first_image(write_hdr(tmp_path / "in.mkv", bars(signal(grays)), transfer)))
    assert np.ptp(shown, axis=1).max() <= 1  # gray stays gray
    assert (np.diff(shown[:, 0]) >= 1).all()
    assert shown[0, 0] == 0
    assert shown[-1, 0] >= 254
    assert 220 <= shown[3, 0] <= 240  # paper is bright, and there is room above it


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_copy_is_tagged_as_sdr_and_a_line_says_so(
    transfer: int, suffix: str, ffmpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    source, target = write_hdr(tmp_path / "in.mkv", bars(COLOURS * 0.5), transfer), tmp_path / f"out{suffix}"
    with FilmReader(source) as reader:
        image = next(frame.image for frame in reader)
        assert len([line for line in reader.warnings if "HDR" in line]) == 1
    stylize_film(source, target, load("none"))
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
    assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)) == (BT709, BT709, BT709)
    raw = ffmpeg("-i", target, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    written = np.frombuffer(raw, np.uint8).reshape(image.shape)
    assert np.abs(centres(written) - centres(image)).max() <= 4


@pytest.mark.parametrize("transfer", [1, 14, 15])
def test_ten_bits_alone_are_not_hdr(transfer: int, tmp_path: Path) -> None:
    source = write_hdr(tmp_path / "in.mkv", bars(COLOURS * 0.5), transfer)
    with FilmReader(source) as reader:
        image = next(iter(reader)).image
        assert (reader.primaries, reader.transfer, reader.warnings) == (BT2020, transfer, [])
    assert np.abs(centres(image) - COLOURS * 127.5).max() <= 1


def test_a_scaled_hdr_film_has_the_same_colours(tmp_path: Path) -> None:
    source = write_hdr(tmp_path / "in.mkv", bars(COLOURS * 0.5), PQ)
    with FilmReader(source, size=48) as reader:
        small = next(iter(reader)).image
    assert small.shape == (16, 48, 3)
    assert np.abs(small[8, 4::8].astype(float) - centres(first_image(source))).max() <= 2


class Told:
    """A frame with the given side data."""

    def __init__(self, **data: bytes) -> None:
        self.side_data = {getattr(av.sidedata.sidedata.Type, kind): value for kind, value in data.items()}


MASTERED_FOR_4000 = struct.pack("22i", *range(16), 1, 1000, 4000, 1, 1, 1)


@pytest.mark.parametrize(
    ("frame", "peak"),
    [
        (Told(), 1000),
        (Told(CONTENT_LIGHT_LEVEL=struct.pack("2I", 640, 100)), 640),
        (Told(MASTERING_DISPLAY_METADATA=MASTERED_FOR_4000), 4000),
        (Told(CONTENT_LIGHT_LEVEL=bytes(8), MASTERING_DISPLAY_METADATA=MASTERED_FOR_4000), 4000),
        (Told(CONTENT_LIGHT_LEVEL=struct.pack("2I", 65535, 0)), 10000),
        (Told(CONTENT_LIGHT_LEVEL=struct.pack("2I", 90, 0)), WHITE),
    ],
)
def test_the_peak_is_what_the_film_says(frame: Told, peak: float) -> None:
    assert tone.peak_of(frame) == peak  # type: ignore[arg-type]


def test_mastering_metadata_of_a_real_film_is_understood(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    light = "max-cll=1234,400:master-display=G(1,1)B(1,1)R(1,1)WP(1,1)L(40000000,50)"
    params = f"log-level=none:hdr10=1:{light}:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    ffmpeg(
        *("-f", "lavfi", "-i", "color=gray:s=64x64:d=0.1", "-c:v", "libx265", "-pix_fmt", "yuv420p10le"),
        *("-x265-params", params, film),
    )
    with av.open(str(film)) as container:
        frame = next(container.decode(video=0))
    assert tone.is_hdr(frame)
    assert tone.peak_of(frame) == 1234


@example(peak=203.00000000000003, lights=[0.0, 203.0])
@given(peak=st.floats(203, 10000), lights=st.lists(st.floats(0, 10000), min_size=2, max_size=2).map(sorted))
def test_the_curve_rises_to_white_and_never_brightens(peak: float, lights: list[float]) -> None:
    low, high = tone.bend(np.array(lights), peak)
    assert -1e-6 <= low <= high + 1e-6
    assert high <= WHITE + 1e-6
    assert high <= lights[1] * 1.001 + 1e-6


@given(st.floats(0, 10000))
def test_pq_and_its_inverse_cancel(light: float) -> None:
    assert tone.pq_light(tone.pq_signal(np.array(light))) == pytest.approx(light, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("peak", [400.0, 1000.0])
def test_colours_no_sdr_screen_has_stay_in_order_of_brightness(peak: float) -> None:
    steps = np.linspace(0, 1, 40)[:, None] * np.eye(3)[:, None, :]  # pure red, green and blue of BT.2020
    shown = tone.to_sdr(pq(steps * peak), PQ, BT2020, peak)
    assert (shown >= 0).all() and (shown <= 1).all()
    assert (np.diff(shown, axis=1) >= -1e-4).all()
    assert (shown[:, -1].argmax(axis=-1) == [0, 1, 2]).all()


@pytest.mark.parametrize("colour", np.eye(3))
def test_colours_no_sdr_screen_has_keep_their_brightness(colour: Array) -> None:
    light = colour * 40  # below the knee
    shown = WHITE * tone.to_sdr(pq(light), PQ, BT2020, 1000.0) ** 2.4
    assert shown @ [0.2126, 0.7152, 0.0722] == pytest.approx(light @ LUMINANCE_2020, rel=0.01)


def test_hdr_without_a_matrix_is_bt2020(tmp_path: Path) -> None:
    images = [
        first_image(write_hdr(tmp_path / f"{matrix}.mkv", bars(COLOURS * 0.5), PQ, matrix=matrix)) for matrix in (2, 9)
    ]
    assert np.array_equal(*images)


def test_output_of_a_tone_mapped_film_has_all_frames(tmp_path: Path) -> None:
    source = write_hdr(tmp_path / "in.mkv", bars(COLOURS * 0.5), PQ, frames=9)
    stylize_film(source, tmp_path / "out.mp4", load("none"))
    assert len(images_of(tmp_path / "out.mp4")) == 9


def test_a_film_of_the_network_has_the_same_colours(tmp_path: Path) -> None:
    source = write_hdr(tmp_path / "in.mkv", bars(COLOURS * 0.5), PQ)
    with NetworkStream(source.as_uri()) as stream:
        assert np.array_equal(next(iter(stream)).image, first_image(source))
