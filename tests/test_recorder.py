"""A recording keeps every frame at its time, survives a kill and a full disk, and never holds up the chain."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import frame_times, gradient, images_of

from livestyle.errors import OutputError
from livestyle.frame import Frame
from livestyle.media import recorder as module
from livestyle.media.recorder import Recorder, next_free, unfinished
from livestyle.media.size import Size
from livestyle.media.temporary import remove_stale

TICK = Fraction(1, 90_000)
SIZE = Size(64, 48)


def plain(index: int, captured: float | None = None, size: Size = SIZE) -> Frame:
    image = np.full((size.height, size.width, 3), 20 + index % 200, np.uint8)
    return Frame(image, Fraction(index, 30), index, captured)


def record(target: Path, frames: list[Frame], **options: object) -> Recorder:
    recorder = Recorder(target, SIZE, Fraction(30), queue=len(frames) + 1, **options)  # type: ignore[arg-type]
    for frame in frames:
        recorder.write(frame)
    recorder.close()
    assert recorder.failed is None
    return recorder


# Times


def test_frames_keep_the_time_they_were_captured(tmp_path: Path) -> None:
    moments = [1000.0, 1000.033, 1000.071, 1000.5, 1003.25, 1003.26]
    record(tmp_path / "out.mp4", [plain(index, at) for index, at in enumerate(moments)])
    assert [float(at) for at in frame_times(tmp_path / "out.mp4")] == pytest.approx(
        [at - 1000 for at in moments], abs=float(TICK)
    )


def test_frames_without_a_capture_time_keep_their_own(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", [plain(index) for index in (7, 8, 10, 40)])
    assert frame_times(tmp_path / "out.mp4") == [0, Fraction(1, 30), Fraction(3, 30), Fraction(33, 30)]


def test_a_repeated_frame_adds_nothing_and_moves_nothing(tmp_path: Path) -> None:
    held = [plain(0, 5.0), plain(1, 6.0), plain(1, 6.0), plain(1, 6.0), plain(0, 5.5), plain(2, 9.0)]
    record(tmp_path / "out.mp4", held)
    assert frame_times(tmp_path / "out.mp4") == [0, 1, 4]


def test_an_hour_does_not_drift(tmp_path: Path) -> None:
    """At a rate that no multiple of a tick makes, every hundredth frame of an hour."""
    moments = [2e6 + index * 100 / 29.97 for index in range(1079)]
    record(tmp_path / "out.mp4", [plain(index, at) for index, at in enumerate(moments)])
    times = frame_times(tmp_path / "out.mp4")
    assert max(abs(float(at) - (moment - 2e6)) for at, moment in zip(times, moments, strict=True)) < 1e-5


# Pictures


@pytest.mark.parametrize("size", [Size(64, 48), Size(65, 49), Size(1280, 720)])
def test_pictures_are_h264_in_their_colours(size: Size, tmp_path: Path) -> None:
    target, image = tmp_path / "out.mp4", gradient(*size)
    recorder = Recorder(target, size, Fraction(30))
    recorder.write(Frame(image, Fraction(0), 0))
    recorder.close()
    with av.open(str(target)) as film:
        codec = film.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        (frame,) = film.decode(video=0)
        assert int(frame.colorspace) == (1 if size.height >= 720 else 6)
        assert (int(frame.color_primaries), int(frame.color_trc)) == ((1, 1) if size.height >= 720 else (6, 6))
        assert int(frame.color_range) == 1
    (shown,) = images_of(target)
    assert shown.shape[:2] == (size.height + size.height % 2, size.width + size.width % 2)
    assert np.abs(shown[: size.height, : size.width].astype(int) - image).mean() < 3


def test_another_size_is_scaled_to_the_recordings(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", [plain(0), plain(60, size=Size(31, 77)), plain(120, size=Size(640, 360))])
    images = images_of(tmp_path / "out.mp4")
    assert {image.shape for image in images} == {(48, 64, 3)}
    assert [float(image.mean()) for image in images] == pytest.approx([20, 80, 140], abs=2)


def test_ffmpeg_finds_nothing_wrong(tmp_path: Path, ffmpeg: Callable[..., bytes]) -> None:
    record(tmp_path / "out.mp4", [plain(index) for index in range(90)])
    assert ffmpeg("-xerror", "-i", tmp_path / "out.mp4", "-f", "null", "-") == b""
    sizes = ffmpeg("-i", tmp_path / "out.mp4", "-f", "rawvideo", "-pix_fmt", "gray", "-vsync", "0", "-")
    assert len(sizes) == 90 * 64 * 48


def test_the_finished_film_is_a_plain_mp4(tmp_path: Path) -> None:
    """No fragments: some editors read none."""
    record(tmp_path / "out.mp4", [plain(index) for index in range(120)])
    assert atoms(tmp_path / "out.mp4") == ["ftyp", "free", "mdat", "moov"]


def atoms(path: Path) -> list[str]:
    """The outermost parts of an MP4."""
    raw, position, found = path.read_bytes(), 0, []
    while position < len(raw):
        found.append(raw[position + 4 : position + 8].decode())
        length = int.from_bytes(raw[position : position + 4])
        position += int.from_bytes(raw[position + 8 : position + 16]) if length == 1 else length
    assert position == len(raw)
    return found


# Names


def test_the_target_appears_when_it_is_complete(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "out.mp4", SIZE, Fraction(30))
    recorder.write(plain(0))
    assert [path.name for path in tmp_path.iterdir()] == [f".out.{os.getpid()}.recording.mp4"]
    recorder.close()
    recorder.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_without_a_frame_nothing_is_left(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_film_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(OutputError, match="exists already; add --overwrite"):
        Recorder(tmp_path / "out.mp4", SIZE, Fraction(30))
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_overwrite_replaces_it(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("mine")
    record(tmp_path / "out.mp4", [plain(0)], overwrite=True)
    assert frame_times(tmp_path / "out.mp4") == [0]


def test_a_name_taken_meanwhile_gets_a_number(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "out.mp4", SIZE, Fraction(30))
    recorder.write(plain(0))
    (tmp_path / "out.mp4").write_text("mine")
    recorder.close()
    assert (tmp_path / "out.mp4").read_text() == "mine"
    assert recorder.target == tmp_path / "out-2.mp4"
    assert frame_times(recorder.target) == [0]


def test_next_free_counts_from_two(tmp_path: Path) -> None:
    assert next_free(tmp_path / "a.mp4") == tmp_path / "a.mp4"
    for name in ("a.mp4", "a-2.mp4", "a-4.mp4"):
        (tmp_path / name).touch()
    assert next_free(tmp_path / "a.mp4") == tmp_path / "a-3.mp4"


@pytest.mark.parametrize("target", ["out.avi", "out", "nowhere/out.mp4", "."])
def test_a_target_that_cannot_be_is_refused_at_the_start(target: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        Recorder(tmp_path / target, SIZE, Fraction(30))
    assert list(tmp_path.iterdir()) == []


def test_a_name_as_long_as_the_disk_takes_is_recorded(tmp_path: Path) -> None:
    target = tmp_path / f"{'a' * 251}.mp4"
    recorder = Recorder(target, SIZE, Fraction(30))
    assert len(unfinished(target)) == 1
    recorder.write(plain(0))
    recorder.close()
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


# Speed


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Encoding waits for this."""
    go = threading.Event()
    real = module.to_yuv
    monkeypatch.setattr(module, "to_yuv", lambda *args: go.wait(timeout=30) and real(*args))
    yield go
    go.set()


def test_a_slow_encoder_loses_frames_and_delays_nothing(stuck: threading.Event, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "out.mp4", SIZE, Fraction(30))
    began = time.perf_counter()
    for index in range(300):
        recorder.write(plain(index))
    assert time.perf_counter() - began < 1
    stuck.set()
    recorder.close()
    kept = frame_times(tmp_path / "out.mp4")
    assert recorder.dropped == 300 - len(kept)
    assert module.QUEUE <= len(kept) <= module.QUEUE + 1  # and the one at hand
    assert kept[-1] - kept[-module.QUEUE] == Fraction(module.QUEUE - 1, 30)  # the newest, at their times


# Trouble

KILLED = """
import sys, time
from fractions import Fraction
from pathlib import Path
import numpy as np
from livestyle.frame import Frame
from livestyle.media.recorder import Recorder
from livestyle.media.size import Size
recorder = Recorder(Path(sys.argv[1]), Size(64, 48), Fraction(30), queue=1000)
for index in range(300):
    recorder.write(Frame(np.full((48, 64, 3), index % 200, np.uint8), Fraction(index, 30), index))
while recorder._frames._items:
    time.sleep(0.01)
print("written", flush=True)
time.sleep(60)
"""


def test_a_killed_recording_can_be_played(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "out.mp4"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    (left,) = tmp_path.iterdir()
    assert left.name == f".out.{process.pid}.recording.mp4"
    times = frame_times(left)
    assert times == [Fraction(index, 30) for index in range(len(times))]
    assert len(times) > 300 - 2.5 * 30  # a fragment of a second, and what the encoder looked ahead


def test_what_a_crash_left_outlives_a_render_of_that_name_and_is_found(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "out.mp4", SIZE, Fraction(30))
    left = unfinished(tmp_path / "out.mp4")  # as another program sees it, while it is written and after a crash
    assert [path.name for path in left] == [f".out.{os.getpid()}.recording.mp4"]
    assert remove_stale(tmp_path / "out.mp4") == []
    assert left[0].exists() and unfinished(tmp_path / "other.mp4") == []
    recorder.write(plain(0))
    recorder.close()
    assert unfinished(tmp_path / "out.mp4") == []


def test_what_a_crash_left_is_not_written_over(tmp_path: Path) -> None:
    """In a container the next process may well have the same number."""
    left = tmp_path / f".out.{os.getpid()}.recording.mp4"
    left.write_text("mine")
    record(tmp_path / "out.mp4", [plain(0)])
    assert left.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [left.name, "out.mp4"]


def noise(index: int) -> Frame:
    """What does not compress."""
    image = np.random.default_rng(index).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    return Frame(image, Fraction(index, 30), index)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "livestyle-test", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root on Linux")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a failed test may hold a file


def test_a_full_disk_ends_the_recording_and_keeps_it(small_disk: Path) -> None:
    recorder = Recorder(small_disk / "out.mp4", Size(320, 240), Fraction(30), queue=1000)
    for index in range(200):
        recorder.write(noise(index))
    recorder.close()
    assert recorder.failed is not None
    assert recorder.failed.endswith(
        f"the recording ended early ({os.strerror(errno.ENOSPC)}); what came until then is kept"
    )
    recorder.write(noise(0))  # the picture goes on
    assert [path.name for path in small_disk.iterdir()] == ["out.mp4"]
    assert len(readable_times(small_disk / "out.mp4")) > 20


def readable_times(path: Path) -> list[Fraction]:
    """As far as a player gets."""
    times = []
    with av.open(str(path)) as film:
        try:
            for frame in film.decode(video=0):
                assert frame.pts is not None
                times.append(frame.pts * frame.time_base)
        except av.FFmpegError:
            pass
    return times


class FullAtTheEnd(module._File):
    """Takes everything but the index, of which it takes a little."""

    ending = False

    def write(self, data: bytes) -> int:
        if self.ending and self._error is None:
            super().write(data[:100])
            self._error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)

    def finish(self, container: av.container.OutputContainer) -> None:
        self.ending = True
        super().finish(container)


def test_a_disk_too_full_for_the_index_keeps_the_fragments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_File", FullAtTheEnd)
    recorder = Recorder(tmp_path / "out.mp4", SIZE, Fraction(30), queue=1000)
    for index in range(300):
        recorder.write(plain(index))
    recorder.close()
    assert recorder.failed is not None
    assert len(frame_times(tmp_path / "out.mp4")) > 200
    assert atoms(tmp_path / "out.mp4")[-2:] == ["moof", "mdat"]  # the last is whole


def test_a_bug_reaches_the_caller_and_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "to_yuv", lambda *args: 1 / 0)
    before = threading.active_count()
    recorder = Recorder(tmp_path / "out.mp4", SIZE, Fraction(30))
    recorder.write(plain(0))
    with pytest.raises(ZeroDivisionError):
        recorder.close()
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []
