"""Each check of `livestyle compare` sees its own difference and no other."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from click.testing import CliRunner
from conftest import MakeFilm
from test_streams_subtitles import with_pictures_for_subtitles

from livestyle import InputError, load, stylize_film
from livestyle.cli_compare import compare
from livestyle.compare import Check, compare_films, report
from livestyle.compare.grid import mean_colours
from livestyle.compare.streams import boxes
from livestyle.media.size import Size

Ffmpeg = Callable[..., bytes]

SUBTITLES = "1\n00:00:00,200 --> 00:00:00,800\nHallo <i>du</i>\nda\n\n2\n00:00:01,000 --> 00:00:01,500\nBye\n\n"
CHAPTERS = ";FFMETADATA1\ntitle=A film\nartist=me\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={start + 1000}\ntitle={name}\n"
    for start, name in ((0, "one"), (1000, "two"))
)


@pytest.fixture(scope="module")
def rich(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of film with everything in it: sound, subtitles, chapters, a font, titles, languages."""
    folder = tmp_path_factory.mktemp("rich")
    (folder / "s.srt").write_text(SUBTITLES)
    (folder / "c.txt").write_text(CHAPTERS)
    (folder / "font.ttf").write_bytes(b"no real font" * 9)
    picture = ("-f", "lavfi", "-i", "smptebars=s=192x108:r=25:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2")
    tags = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
    ffmpeg(
        *(*picture, "-i", folder / "s.srt", "-i", folder / "c.txt", "-map", "0", "-map", "1", "-map", "2"),
        *("-map_metadata", "3", "-map_chapters", "3", "-c:v", "libx264", "-pix_fmt", "yuv420p", *tags, "-c:s", "srt"),
        *(
            "-c:a",
            "aac",
            "-metadata:s:a",
            "language=ger",
            "-metadata:s:a",
            "title=Ton",
            "-metadata:s:s",
            "language=eng",
        ),
        *("-attach", folder / "font.ttf", "-metadata:s:t:0", "mimetype=font/ttf"),
        *("-disposition:v:0", "default", "-disposition:a:0", "default+original", folder / "in.mkv"),
    )
    return folder / "in.mkv"


def states(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.state for check in checks}


def broken(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if check.broken}


def test_a_copy_is_the_same_in_everything(rich: Path, tmp_path: Path) -> None:
    copy = shutil.copy(rich, tmp_path / "out.mkv")
    checks = compare_films(rich, copy, picture=True)
    assert states(checks) == dict.fromkeys(states(checks), "same") | dict.fromkeys(
        ("faststart", "cover"), "not compared"
    )
    assert "all kept" in report(checks)


COPY = ("-map", "0", "-c", "copy", "-default_mode", "passthrough", "-avoid_negative_ts", "disabled")
ENCODE = (*COPY, "-c:v", "libx264", "-fps_mode", "passthrough", "-enc_time_base", "1:1000")
CHANGES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "a frame is missing at the end": ((*ENCODE, "-frames:v", "49"), {"frames", "timestamps", "sync at end"}),
    "every frame is 3 ms late": (
        ("-bsf:v", "setts=pts=PTS+3:dts=DTS+3"),
        {"timestamps", "sync at start", "sync at end"},
    ),
    "a frame in the middle is 3 ms late": (("-bsf:v", "setts=pts=PTS+3*eq(N\\,20):dts=DTS"), {"timestamps", "rate"}),
    "times drift": (("-bsf:v", "setts=pts=PTS*1.1:dts=DTS*1.1"), {"timestamps", "duration", "sync at end"}),
    "the picture is smaller": ((*ENCODE, "-vf", "scale=96:54"), {"size"}),
    "pixels are not square": (("-aspect", "2"), {"pixel shape"}),
    "the matrix is another": (("-bsf:v", "h264_metadata=matrix_coefficients=6"), {"colour"}),
    "the transfer is not told": (("-bsf:v", "h264_metadata=transfer_characteristics=2"), {"colour"}),
    "the sound is lost": (("-map", "-0:a"), {"sound"}),
    "the sound is encoded again by its codec": (("-c:a", "aac", "-b:a", "48k"), {"sound"}),
    "the sound is encoded again though it fits": (("-c:a", "libopus"), {"sound"}),
    "the sound's language is another": (("-metadata:s:a", "language=fra"), {"sound"}),
    "sound is late": (("-bsf:a", "setts=ts=TS+60"), {"sync at start", "sync at end"}),
    "sound drifts": (("-bsf:a", "setts=ts=TS*1.05"), {"sync at end"}),
    "a packet of sound in the middle is late": (("-bsf:a", "setts=ts=TS+200*gt(N\\,30)*lt(N\\,60)"), {"sound"}),
    "the subtitles are lost": (("-map", "-0:s"), {"subtitles"}),
    "subtitles are late": (("-bsf:s", "setts=ts=TS+30"), {"subtitles"}),
    "subtitles are shorter": (("-bsf:s", "setts=duration=DURATION-30"), {"subtitles"}),
    "the subtitles' language is another": (("-metadata:s:s", "language=fra"), {"subtitles"}),
    "there are no chapters": (("-map_chapters", "-1"), {"chapters"}),
    "the title is another": (("-metadata", "title=B"), {"metadata"}),
    "the artist is lost": (("-metadata", "artist="), {"metadata"}),
    "a track's title is lost": (("-metadata:s:a", "title="), {"metadata"}),
    "a track is marked as a comment": (("-disposition:a:0", "comment"), {"flags"}),
    "there is no attachment": (("-map", "-0:t"), {"attachments"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_is_seen(change: str, rich: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    options, seen = CHANGES[change]
    target = tmp_path / "out.mkv"
    ffmpeg("-copyts", "-i", rich, *(() if options[: len(COPY)] == COPY else COPY), *options, target)
    assert broken(compare_films(rich, target)) == seen


def test_words_and_times_of_chapters_and_subtitles_are_compared(rich: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    for name, text, wrong in (("s.srt", SUBTITLES, ("Bye", "By")), ("c.txt", CHAPTERS, ("=one", "=none"))):
        (tmp_path / name).write_text(text.replace(*wrong))
    (tmp_path / "late.txt").write_text(CHAPTERS.replace("1000\nEND", "1100\nEND"))
    for given, options, name in (
        ("s.srt", ("-map", "0", "-map", "-0:s", "-map", "1", "-metadata:s:s", "language=eng"), "subtitles"),
        ("c.txt", ("-map", "0", "-map_chapters", "1"), "chapters"),
        ("late.txt", ("-map", "0", "-map_chapters", "1"), "chapters"),
    ):
        ffmpeg("-copyts", "-i", rich, "-i", tmp_path / given, *options, *COPY[2:], tmp_path / "out.mkv")
        assert name in broken(compare_films(rich, tmp_path / "out.mkv"))


def test_an_mp4_has_no_gaps_between_chapters(ffmpeg: Ffmpeg, make_film: MakeFilm, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(
        ";FFMETADATA1\n" + "[CHAPTER]\nTIMEBASE=1/100\nSTART=9\nEND=20\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/100\nSTART=30\nEND=40\ntitle=two\n"
    )
    ffmpeg("-i", make_film(), "-i", tmp_path / "c.txt", "-map_chapters", "1", "-c", "copy", tmp_path / "gaps.mkv")
    for suffix, state in ((".mkv", "same"), (".mp4", "differs")):
        stylize_film(tmp_path / "gaps.mkv", tmp_path / f"out{suffix}", load("none"))
        checks = compare_films(tmp_path / "gaps.mkv", tmp_path / f"out{suffix}")
        assert states(checks)["chapters"] == state
        assert broken(checks) == set()


def test_what_an_mp4_cannot_hold_may_differ(rich: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    options = ("-map", "-0:t", "-c:s", "mov_text", "-movflags", "+faststart")
    ffmpeg("-copyts", "-i", rich, "-map", "0", "-c", "copy", *options, target)
    checks = {check.name: check for check in compare_films(rich, target)}
    assert broken(list(checks.values())) == set()
    assert checks["attachments"].state == "differs"
    assert checks["subtitles"].state == "same"
    assert "subrip -> mov_text" in checks["subtitles"].detail


SMALL = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.6", "-f", "lavfi", "-i", "sine=r=48000:d=0.6")


def test_sound_may_be_encoded_again_where_its_codec_does_not_fit(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target, mono = tmp_path / "in.mkv", tmp_path / "out.webm", tmp_path / "mono.webm"
    ffmpeg(*SMALL, "-c:v", "libx264", "-c:a", "aac", "-ac", "2", film)
    stylize_film(film, target, load("none"))
    checks = {check.name: check for check in compare_films(film, target)}
    assert not broken(list(checks.values()))
    assert (checks["sound"].state, checks["sync at start"].state) == ("differs", "same")
    assert "aac -> opus" in checks["sound"].detail
    ffmpeg("-copyts", "-i", target, *COPY, "-c:a", "libopus", "-ac", "1", mono)
    assert broken(compare_films(film, mono)) == {"sound"}


def test_a_track_without_a_packet_is_none(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*SMALL, "-c:v", "libx264", "-c:a", "aac", "-bsf:a", "noise=drop=1", film)
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    assert broken(compare_films(film, tmp_path / "out.mp4")) == set()


def test_a_language_that_a_mov_has_no_code_for_may_be_lost(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    for language, lost in (("gsw", set()), ("fra", {"sound"})):
        ffmpeg(*SMALL, "-c:v", "libx264", "-c:a", "aac", "-metadata:s:a", f"language={language}", tmp_path / "in.mkv")
        stylize_film(tmp_path / "in.mkv", tmp_path / "out.mov", load("none"), overwrite=True)
        assert broken(compare_films(tmp_path / "in.mkv", tmp_path / "out.mov")) == set()
        bare = ("-map_metadata", "-1", "-metadata:s:a", "language=", "-movflags", "+faststart", tmp_path / "bare.mov")
        ffmpeg("-i", tmp_path / "out.mov", "-c", "copy", *bare)
        assert broken(compare_films(tmp_path / "in.mkv", tmp_path / "bare.mov")) == lost


def test_titles_and_marks_that_an_mp4_has_room_for_are_asked_of_it(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    ffmpeg(*SMALL, "-c:v", "libx264", "-c:a", "aac", "-metadata:s:a", "title=B", "-disposition:a", "comment", film)
    stylize_film(film, target, load("none"))
    assert broken(compare_films(film, target)) == set()
    for lost, option in (("metadata", "-metadata:s:a:0=title="), ("flags", "-disposition:a:0=default")):
        name, _, value = option.partition("=")
        kept = ("-metadata:s:a", "title=B") if lost != "metadata" else ()
        ffmpeg("-i", target, "-c", "copy", *kept, name, value, "-movflags", "+faststart", tmp_path / "other.mp4")
        assert broken(compare_films(film, tmp_path / "other.mp4")) == {lost}


def test_a_title_that_the_film_had_elsewhere_is_no_loss(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mp4"
    ffmpeg(*SMALL, "-c:v", "libx264", "-c:a", "aac", "-metadata:s:a", "handler_name=Commentary", film)
    stylize_film(film, tmp_path / "out.mkv", load("none"))
    assert broken(compare_films(film, tmp_path / "out.mkv")) == set()


def test_a_mark_that_follows_from_another_need_not_be_told(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, two = tmp_path / "in.ts", ("-map", "0:v", "-map", "1:a", "-map", "1:a")
    ffmpeg(*SMALL, *two, "-c:v", "libx264", "-c:a", "mp2", "-metadata:s:a", "language=eng", "-disposition:a:1",
           "visual_impaired", film)  # fmt: skip
    stylize_film(film, tmp_path / "out.mkv", load("none"))
    assert broken(compare_films(film, tmp_path / "out.mkv")) == set()


def test_subtitles_of_pictures_may_be_left_out_of_an_mp4_but_come_at_their_times(
    make_film: MakeFilm, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = with_pictures_for_subtitles(make_film("plain.mkv"), tmp_path / "in.mkv")
    for name in ("out.mp4", "out.mkv"):
        stylize_film(film, tmp_path / name, load("none"))
        assert broken(compare_films(film, tmp_path / name)) == set()
    for change in (("-bsf:s", "setts=ts=TS+50"), ("-map", "-0:s")):
        ffmpeg("-copyts", "-i", tmp_path / "out.mkv", *COPY, *change, tmp_path / "other.mkv")
        assert broken(compare_films(film, tmp_path / "other.mkv")) == {"subtitles"}


def test_sound_of_long_packets_is_at_its_time_too(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-f", "lavfi", "-i", "sine=r=48000:d=1")
    ffmpeg(*inputs, "-c:v", "libx264", "-c:a", "flac", film)  # 96 ms each
    ffmpeg("-copyts", "-i", film, *COPY, "-bsf:a", "setts=ts=TS+40", target)
    assert broken(compare_films(film, target)) == {"sync at start", "sync at end"}


def test_a_last_packet_of_sound_may_be_shorter_in_one_container(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = tmp_path / "in.mp4", tmp_path / "out.mkv"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-f", "lavfi", "-i", "sine=r=44100:d=0.99")
    ffmpeg(*inputs, "-c:v", "libx264", "-c:a", "aac", film)
    stylize_film(film, target, load("none"))
    assert broken(compare_films(film, target)) == set()


def test_sound_of_a_transport_stream_is_the_same_without_its_packet_heads(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = tmp_path / "in.ts", tmp_path / "out.mp4"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-f", "lavfi", "-i", "sine=r=48000:d=1")
    ffmpeg(*inputs, "-c:v", "libx264", "-c:a", "aac", film)
    ffmpeg("-copyts", "-i", film, *COPY, "-movflags", "+faststart", target)
    checks = {check.name: check for check in compare_films(film, target)}
    assert "identical" in checks["sound"].detail


def test_a_cover_must_go_over(make_film: MakeFilm, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = make_film()
    for colour in ("red", "blue"):
        ffmpeg("-f", "lavfi", "-i", f"color={colour}:s=32x32", "-frames:v", "1", tmp_path / "cover.png")
        inputs = ("-i", film, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c", "copy")
        ffmpeg(*inputs, "-disposition:v:1", "attached_pic", "-movflags", "+faststart", tmp_path / f"{colour}.mp4")
    ffmpeg("-i", tmp_path / "red.mp4", "-c", "copy", "-map", "0:v:0", "-movflags", "+faststart", tmp_path / "bare.mp4")
    assert states(compare_films(tmp_path / "red.mp4", tmp_path / "red.mp4"))["cover"] == "same"
    for other in ("blue.mp4", "bare.mp4"):
        assert broken(compare_films(tmp_path / "red.mp4", tmp_path / other)) == {"cover"}


def test_a_cover_that_an_mp4_has_no_room_for_may_be_lost(make_film: MakeFilm, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", tmp_path / "cover.gif")
    attached = ("-attach", tmp_path / "cover.gif", "-metadata:s:t", "mimetype=image/gif", tmp_path / "in.mkv")
    ffmpeg("-i", make_film(), "-c", "copy", *attached)
    for name in ("out.mp4", "out.mkv"):
        stylize_film(tmp_path / "in.mkv", tmp_path / name, load("none"))
        assert broken(compare_films(tmp_path / "in.mkv", tmp_path / name)) == set()


def test_an_mp4_that_cannot_be_played_while_it_loads_is_seen(make_film: MakeFilm, tmp_path: Path) -> None:
    slow = make_film()
    assert [box for box in boxes(slow) if box in ("moov", "mdat")] == ["mdat", "moov"]
    assert broken(compare_films(slow, slow)) == {"faststart"}


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_render_keeps_everything_of_a_turned_film(rotation: int, make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(size=(320, 180), rotation=rotation, sound=True)
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    checks = compare_films(film, tmp_path / "out.mp4", picture=True)
    assert broken(checks) == set()
    assert states(checks)["picture"] == "same"


def test_a_turn_that_is_left_to_the_player_is_seen(make_film: MakeFilm) -> None:
    upright, turned = make_film("a.mp4"), make_film("b.mp4", rotation=90)
    assert "size" in broken(compare_films(upright, turned))
    assert "size" in broken(compare_films(turned, turned))


def test_an_odd_picture_may_be_padded_to_even(make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(size=(163, 91), pts=range(6))
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    checks = {check.name: check for check in compare_films(film, tmp_path / "out.mp4", picture=True)}
    assert not broken(list(checks.values()))
    assert "163x91 -> 164x92 (padded" in checks["size"].detail


def tagged(path: Path, *, transfer: int, primaries: int = 9, matrix: int = 9) -> Path:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        codec = stream.codec_context
        codec.color_trc, codec.color_primaries, codec.colorspace, codec.color_range = transfer, primaries, matrix, 1
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_hdr_may_become_tagged_sdr_but_not_untagged(tmp_path: Path) -> None:
    hdr = tagged(tmp_path / "hdr.mp4", transfer=16)
    sdr = tagged(tmp_path / "sdr.mp4", transfer=1, primaries=1, matrix=1)
    bare = tagged(tmp_path / "bare.mp4", transfer=2, primaries=2, matrix=2)
    checks = {check.name: check for check in compare_films(hdr, sdr, picture=True)}
    assert not checks["colour"].broken
    assert "PQ" in checks["colour"].detail
    assert checks["picture"].state == "not compared"
    assert broken(compare_films(hdr, bare)) == {"colour"}
    assert broken(compare_films(sdr, hdr)) == {"colour"}


def test_the_matrix_of_fcc_may_become_the_one_of_bt601(tmp_path: Path) -> None:
    fcc = tagged(tmp_path / "fcc.mp4", transfer=6, primaries=6, matrix=4)
    stylize_film(fcc, tmp_path / "out.mp4", load("none"))
    for after in (fcc, tmp_path / "out.mp4"):
        assert broken(compare_films(fcc, after, picture=True)) == set()
    assert broken(compare_films(fcc, tagged(tmp_path / "hd.mp4", transfer=6, primaries=6, matrix=1))) == {"colour"}


# The colours


FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuv420p10le", "yuv444p12le", "yuva420p", "gray", "gray10le"]
FORMATS += ["rgb24", "bgr0", "gbrp", "rgba", "nv12", "yuyv422"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rgb", [(255, 255, 255), (0, 0, 0), (200, 100, 50), (10, 60, 230)])
def test_mean_colours_of_every_format_are_the_colours_that_went_in(name: str, rgb: tuple[int, int, int]) -> None:
    image = np.full((90, 160, 3), rgb, np.uint8)
    if name.startswith("gray"):
        image[:] = rgb[0]
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    full = 2 if name.startswith(("yuvj", "gray")) else 1
    exact = Interpolation.BICUBIC | 0x2000 | 0x40000  # SWS_FULL_CHR_H_INT, SWS_ACCURATE_RND
    options = {"dst_colorspace": 5, "src_color_range": 2, "dst_color_range": full, "interpolation": exact}
    coded = frame.reformat(format=name, **options)
    coded.color_range = full
    means = mean_colours(coded, Size(160, 90), Size(16, 9))
    assert means.shape == (9, 16, 3)
    assert np.abs(means - image[0, 0]).max() <= 2  # eight bits of limited range


def test_mean_colours_follow_the_matrix() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), (200, 100, 50), np.uint8), format="rgb24")
    coded = frame.reformat(format="yuv420p", dst_colorspace=1, src_color_range=2, dst_color_range=1)
    coded.colorspace = 5
    assert np.abs(mean_colours(coded, Size(160, 90), Size(16, 9))[0, 0] - (200, 100, 50)).max() > 4
    coded.colorspace = 1
    assert np.abs(mean_colours(coded, Size(160, 90), Size(16, 9))[0, 0] - (200, 100, 50)).max() <= 2


def test_cells_are_where_they_should_be_and_transparency_is_black() -> None:
    rgba = np.zeros((90, 160, 4), np.uint8)
    rgba[10:20, 150:] = (250, 120, 0, 255)
    rgba[80:, :10] = (250, 120, 0, 51)
    rgba[:10, :10] = (255, 255, 255, 0)
    means = mean_colours(av.VideoFrame.from_ndarray(rgba, format="rgba"), Size(160, 90), Size(16, 9))
    assert means[1, 15] == pytest.approx((250, 120, 0))
    assert means[8, 0] == pytest.approx((50, 24, 0))
    assert means.sum() == pytest.approx(370 * 1.2)


def test_other_colours_are_seen_only_if_asked_for(rich: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("-copyts", "-i", rich, *ENCODE, "-vf", "eq=brightness=0.04", tmp_path / "out.mkv")
    assert broken(compare_films(rich, tmp_path / "out.mkv")) == set()
    assert broken(compare_films(rich, tmp_path / "out.mkv", picture=True)) == {"picture"}


def test_a_picture_of_many_small_colours_may_share_them_in_420(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    """A dithered gif holds red beside black: four pixels with one colour between them are darker than that."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=0.4", tmp_path / "in.gif")
    stylize_film(tmp_path / "in.gif", tmp_path / "out.mkv", load("none"))
    assert broken(compare_films(tmp_path / "in.gif", tmp_path / "out.mkv", picture=True)) == set()
    options = ("-vf", "lutrgb=b='clip(val+16,0,255)',format=yuv420p", "-color_range", "tv", "-colorspace", "smpte170m")
    ffmpeg("-copyts", "-i", tmp_path / "out.mkv", *ENCODE, *options, tmp_path / "blue.mkv")
    assert "picture" in broken(compare_films(tmp_path / "in.gif", tmp_path / "blue.mkv", picture=True))


def test_one_wrong_frame_is_seen_if_it_is_looked_at(rich: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("-copyts", "-i", rich, *ENCODE, "-vf", "negate=enable='eq(n,49)'", tmp_path / "out.mkv")
    for samples, seen in ((1, set()), (2, {"picture"})):  # the first; the first and the last
        assert broken(compare_films(rich, tmp_path / "out.mkv", picture=True, samples=samples)) == seen


def test_every_frame_of_a_short_film_is_looked_at(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "smptebars=s=160x90:r=25:d=0.4", "-c:v", "ffv1", tmp_path / "in.mkv")
    ffmpeg("-i", tmp_path / "in.mkv", "-c:v", "ffv1", "-vf", "negate=enable='eq(n,9)'", tmp_path / "out.mkv")
    assert broken(compare_films(tmp_path / "in.mkv", tmp_path / "out.mkv", picture=True)) == {"picture"}


# What is no pair of films


@pytest.mark.parametrize("content", [None, b"", b"to be or not to be\n" * 99])
def test_what_is_no_film_is_one_line(content: bytes | None, rich: Path, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "b.mp4").write_bytes(content)
    for pair in ((rich, tmp_path / "b.mp4"), (tmp_path / "b.mp4", rich)):
        with pytest.raises(InputError, match=r"b\.mp4: ") as raised:
            compare_films(*pair)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("seed", range(30))
def test_damage_ends_in_a_report_or_one_line(seed: int, rich: Path, make_film: MakeFilm, tmp_path: Path) -> None:
    whole = rich if seed % 2 else make_film(sound=True)
    content, chance = bytearray(whole.read_bytes()), random.Random(seed)
    if seed % 3 == 0:
        del content[chance.randrange(len(content)) :]
    for _ in range(chance.choice([1, 20, 200])):
        content[chance.randrange(max(1, len(content)))] = chance.randrange(256)
    damaged = tmp_path / f"damaged{whole.suffix}"
    damaged.write_bytes(content)
    try:
        assert report(compare_films(whole, damaged, picture=True))
    except InputError as error:
        assert "damaged" in str(error)


def test_a_cut_film_differs(make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film("in.mkv", pts=range(100))
    content = film.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    assert {"frames", "duration"} <= broken(compare_films(film, tmp_path / "cut.mkv"))


def test_a_raw_stream_has_no_times_to_compare(ffmpeg: Ffmpeg, make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film()
    ffmpeg("-i", film, "-c", "copy", "-bsf:v", "h264_mp4toannexb", tmp_path / "raw.h264")
    checks = states(compare_films(tmp_path / "raw.h264", film))
    assert checks["frames"] == "same"
    assert checks["timestamps"] in ("not compared", "same")


# Times


@pytest.mark.parametrize(("moved", "state"), [(0, "same"), (1, "same"), (2, "differs")])
def test_times_may_differ_by_a_tick_of_the_coarser_clock(
    moved: int, state: str, make_film: MakeFilm, tmp_path: Path
) -> None:
    fine = make_film("a.mp4", pts=[1000 * i for i in range(9)], time_base=Fraction(1, 90000))
    other = make_film("b.mkv", pts=[1000 * i // 90 + moved for i in range(9)], time_base=Fraction(1, 1000))
    checks = {check.name: check for check in compare_films(fine, other)}
    assert (checks["timestamps"].state, checks["frames"].state) == (state, "same")


def test_a_film_that_starts_before_zero_may_be_moved_to_zero_as_a_whole(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target, late = tmp_path / "in.ts", tmp_path / "out.mkv", tmp_path / "late.mkv"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2")
    wraps = ("-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", f"{2**33 / 90000 - 1:.3f}")
    ffmpeg(*inputs, "-c:v", "libx264", *wraps, film)
    checks = compare_films(film, film)
    assert broken(checks) == set()
    stylize_film(film, target, load("none"))
    checks = compare_films(film, target)
    assert not {"frames", "timestamps"} & broken(checks)
    assert "starts before zero" in next(check.detail for check in checks if check.name == "timestamps")
    ffmpeg("-itsoffset", "0.1", "-i", target, "-c", "copy", late)
    assert "timestamps" in broken(compare_films(film, late))


def test_a_variable_rate_made_constant_is_seen(make_film: MakeFilm) -> None:
    variable = make_film("a.mp4", pts=[0, 1, 2, 7, 8, 9, 10, 18, 19, 20, 21, 22])
    constant = make_film("b.mp4", pts=[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22])
    assert {"rate", "timestamps"} <= broken(compare_films(variable, constant))


# The command


def test_the_command_prints_a_table_and_its_exit_code_is_true(rich: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    good = CliRunner().invoke(compare, [str(rich), str(rich), "--picture"])
    assert (good.exit_code, good.output.splitlines()[-1]) == (0, "all kept: 16 the same")
    ffmpeg("-copyts", "-i", rich, *COPY, "-map_chapters", "-1", tmp_path / "out.mkv")
    bad = CliRunner().invoke(compare, [str(rich), str(tmp_path / "out.mkv")])
    assert (bad.exit_code, bad.output.splitlines()[-1]) == (1, "not kept: chapters")


def test_the_command_gives_json_for_programs(rich: Path) -> None:
    rows = json.loads(CliRunner().invoke(compare, [str(rich), str(rich), "--json"]).output)
    assert rows[0] == {"name": "frames", "state": "same", "detail": "50", "must": True}


def test_an_interlaced_films_colours_are_compared_as_whole_pictures(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    moving = "testsrc2=s=320x180:r=50:d=1,scroll=h=0.13"
    filters = ("-vf", "tinterlace=interleave_top,fieldorder=tff,format=yuv420p")
    ffmpeg("-f", "lavfi", "-i", moving, *filters, "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-q:v", "1", film)
    stylize_film(film, target, load("none"))
    (picture,) = (check for check in compare_films(film, target, picture=True) if check.name == "picture")
    assert (picture.state, picture.broken) == ("same", False), picture.detail


OVERLAPPING = """1
00:00:00,000 --> 00:00:01,000
Hello one

2
00:00:00,500 --> 00:00:01,500
World two

3
00:00:01,700 --> 00:00:02,000
Bye
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("", "", True),
        ("two", "three", False),
        ("01,500", "01,400", False),
        ("00,500", "00,600", False),
        ("Bye\n", "", False),
    ],
    ids=["unchanged", "other words", "shorter", "later", "lost"],
)
def test_subtitles_shown_at_once_may_become_pieces(
    old: str, new: str, same: bool, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    """An mp4 shows one at a time: from 0.5 s to 1 s there is one that says both."""
    for name, text in (("in.mkv", OVERLAPPING), ("other.mkv", OVERLAPPING.replace(old, new))):
        (tmp_path / "s.srt").write_text(text)
        picture = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=3", "-i", tmp_path / "s.srt")
        ffmpeg(*picture, "-c:v", "libx264", "-c:s", "srt", tmp_path / name)
    stylize_film(tmp_path / "other.mkv", tmp_path / "out.mp4", load("none"))
    assert ("subtitles" not in broken(compare_films(tmp_path / "in.mkv", tmp_path / "out.mp4"))) == same
