"""What goes wrong midway: full disks, killed programs, damage, pipes. A film or one line, never a trace or a hang."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import MakeFilm, Outcome, RunCli, frame_times

from livestyle import OutputError, load, stylize_film
from livestyle.compare import compare_films
from livestyle.frame import Frame
from livestyle.media import temporary
from livestyle.media.reader import FilmReader
from livestyle.media.temporary import Temporary, remove_stale
from livestyle.pipeline import run

Ffmpeg = Callable[..., bytes]

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
PATIENCE = 60  # seconds before a program counts as hanging

# The real command line, but the writer says when it is midway, and waits there.
WAITS_MIDWAY = """
import time
from livestyle import cli
from livestyle.media.writer import FilmWriter
write = FilmWriter.write
def waits(self, frame):
    write(self, frame)
    if frame.index == 20:
        print("midway", flush=True)
        time.sleep(60)
FilmWriter.write = waits
cli.main()
"""


def livestyle(*arguments: str | Path, code: str = "from livestyle import cli; cli.main()") -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


def ended(*arguments: str | Path) -> Outcome:
    """How the program ends, in a process of its own; a hang fails the test."""
    done = subprocess.run(livestyle(*arguments), capture_output=True, text=True, check=False, timeout=PATIENCE)
    return Outcome(done.returncode, done.stdout, done.stderr.splitlines())


def assert_one_line(outcome: Outcome, *words: str) -> None:
    lines = [line for line in outcome.err if not line.startswith("none: ")]
    assert (outcome.code, len(lines)) == (1, 1), outcome
    assert lines[0].startswith("error: ")
    assert all(word in lines[0] for word in words), lines[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Disks


@contextlib.contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """Something mounted on a folder, for as long as the context lasts."""
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root may mount")
    folder.mkdir(exist_ok=True)
    mount = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"mount: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # lazily: somebody may look into it


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """A film of noise, which takes a megabyte or so when it is written again."""
    path, noise = tmp_path / "in.mkv", np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(60):
            pixels = noise.integers(0, 256, (120, 160, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("size", ["8k", "200k"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    size: str, target: str, noisy: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", f"size={size}", "tmpfs") as small:
        assert_one_line(run_cli("video", noisy, small / target, "--style", "none"), target, "No space left")
        assert names(small) == []


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_a_disk_that_fills_up_keeps_the_older_film(target: str, noisy: Path, tmp_path: Path, run_cli: RunCli) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=200k", "tmpfs") as small:
        (small / target).write_bytes(b"mine")
        assert_one_line(run_cli("video", noisy, small / target, "--style", "none", "--overwrite"), "No space left")
        assert (small / target).read_bytes() == b"mine"
        assert names(small) == [target]


def test_a_folder_on_a_read_only_disk_is_one_line(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    film = make_film()
    with mounted(tmp_path / "readonly", "-t", "tmpfs", "-o", "ro", "tmpfs") as readonly:
        assert_one_line(run_cli("video", film, readonly / "out.mp4", "--style", "none"), "out.mp4")


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """A folder in which even root may write nothing."""
    folder = tmp_path / "immutable"
    folder.mkdir()
    if (
        not shutil.which("chattr")
        or subprocess.run(["chattr", "+i", str(folder)], check=False, capture_output=True).returncode
    ):
        pytest.skip("chattr +i does not work here")
    yield folder
    subprocess.run(["chattr", "-i", str(folder)], check=True)


def test_a_folder_that_may_not_be_written_is_one_line(make_film: MakeFilm, immutable: Path, run_cli: RunCli) -> None:
    assert_one_line(run_cli("video", make_film(), immutable / "out.mp4", "--style", "none"), "out.mp4")
    assert names(immutable) == []


# Killed programs


@POSIX
def test_a_killed_render_leaves_one_temporary_at_most(make_film: MakeFilm) -> None:
    film = make_film(pts=range(30))
    kill_midway(film)
    assert len(names(film.parent)) <= 2


@POSIX
def test_the_next_render_removes_what_a_killed_one_left(make_film: MakeFilm, run_cli: RunCli) -> None:
    film = make_film(pts=range(30))
    kill_midway(film)
    assert run_cli("video", film, film.with_name("out.mp4"), "--style", "none").code == 0
    assert names(film.parent) == ["in.mp4", "out.mp4"]


def kill_midway(film: Path) -> None:
    program = livestyle("video", film, film.with_name("out.mp4"), "--style", "none", code=WAITS_MIDWAY)
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout and process.stdout.readline() == "midway\n"
        process.send_signal(signal.SIGKILL)


HOLDS = """
import sys
from pathlib import Path
from livestyle.media.temporary import Temporary
held = Temporary(Path(sys.argv[1]))
print(held.path, flush=True)
sys.stdin.read()
"""


def test_a_temporary_is_removed_only_once_its_writer_is_dead(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    program = livestyle(target, code=HOLDS)
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        held = Path(process.stdout.readline().strip())
        assert remove_stale(target) == []
        assert held.exists()
        process.kill()
    assert remove_stale(target) == [held]
    assert names(tmp_path) == []


def test_the_number_of_a_living_process_protects_nothing(tmp_path: Path) -> None:
    stale = tmp_path / f".out.{os.getppid()}.part.mp4"  # used again since
    stale.write_bytes(b"half a film")
    Temporary(tmp_path / "out.mp4").discard()
    assert names(tmp_path) == []


@POSIX
@pytest.mark.parametrize(("pid", "age", "left"), [("dead", 99, False), ("dead", 0, True), ("alive", 99, True)])
def test_where_there_are_no_locks_age_and_number_decide(
    pid: str, age: float, left: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(temporary.fcntl, "flock", refuses)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    number = os.getppid() if pid == "alive" else process.pid
    stale = tmp_path / f".out.{number}.part.mp4"
    stale.touch()
    os.utime(stale, (stale.stat().st_mtime - age,) * 2)
    remove_stale(tmp_path / "out.mp4")
    assert stale.exists() == left


def test_other_files_are_none_of_our_business(tmp_path: Path) -> None:
    others = ["out.mp4", ".out.mp4", ".out.12.part.mkv", ".out.x.part.mp4", ".out2.12.part.mp4", ".xout.12.part.mp4"]
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    assert remove_stale(tmp_path / "out.mp4") == []
    assert names(tmp_path) == sorted(others)


@POSIX
def test_a_link_with_a_temporarys_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / ".out.12.part.mp4").symlink_to(tmp_path / "precious")
    assert remove_stale(tmp_path / "out.mp4") == []
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_a_temporary_is_published_under_its_targets_name(tmp_path: Path) -> None:
    held = Temporary(tmp_path / "out.mp4")
    held.path.write_bytes(b"film")
    held.publish()
    held.discard()
    assert (names(tmp_path), (tmp_path / "out.mp4").read_bytes()) == (["out.mp4"], b"film")


@POSIX
def test_one_process_does_not_write_one_target_twice_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_PAUSE", 0.0)
    held = Temporary(tmp_path / "out.mp4")
    with pytest.raises(OSError, match="being written already"):
        Temporary(tmp_path / "out.mp4")
    held.discard()
    Temporary(tmp_path / "out.mp4").discard()


@POSIX
def test_a_temporary_that_is_taken_away_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks, left = temporary.fcntl.flock, [1]

    def loses_it_once(file: int, how: int) -> None:
        if left and left.pop():
            path = next(tmp_path.iterdir())
            path.rename(tmp_path / "taken")
            path.touch()
        locks(file, how)

    monkeypatch.setattr(temporary.fcntl, "flock", loses_it_once)
    held = Temporary(tmp_path / "out.mp4")
    assert remove_stale(tmp_path / "out.mp4") == []
    assert held.path.exists()
    held.discard()


@POSIX
def test_a_writer_and_one_who_cleans_up_never_lose_a_file(tmp_path: Path) -> None:
    target, stop = tmp_path / "out.mp4", threading.Event()

    def clean() -> None:
        while not stop.is_set():
            remove_stale(target)

    cleaner = threading.Thread(target=clean)
    cleaner.start()
    try:
        for _ in range(300):
            held = Temporary(target)
            assert held.path.exists()
            held.discard()
    finally:
        stop.set()
        cleaner.join()


@pytest.mark.parametrize("letter", ["a", "é"])
@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_a_name_of_any_legal_length_will_do(
    letter: str, options: tuple[str, ...], tmp_path: Path, make_film: MakeFilm, run_cli: RunCli
) -> None:
    source = make_film()
    target = tmp_path / f"{letter * (251 // len(letter.encode()))}.mp4"
    assert run_cli("video", source, target, "--style", "none", *options).code == 0
    assert names(tmp_path) == sorted([source.name, target.name])


def test_folders_of_pictures_have_names_of_any_legal_length(
    tmp_path: Path, make_film: MakeFilm, run_cli: RunCli
) -> None:
    target = tmp_path / ("a" * 255)
    assert run_cli("video", make_film(), f"{target}/", "--style", "none").code == 0
    assert any(target.iterdir())


def test_what_was_left_under_a_long_name_is_removed_and_no_other(tmp_path: Path) -> None:
    one, two = (tmp_path / f"{'a' * 250}{end}.mp4" for end in "12")
    held = [Temporary(target) for target in (one, two)]
    left = [file.path.with_name(file.path.name.replace(f".{os.getpid()}.", ".999999999.")) for file in held]
    for path in left:
        path.touch()
        os.utime(path, (0, 0))
    assert remove_stale(one) == left[:1]
    assert left[1].exists()
    for file in held:
        file.discard()


# Damage


KINDS = {  # codecs of picture and sound
    ".mp4": ("libx264", "aac", "-movflags", "+faststart"),
    ".mkv": ("libx264", "aac"),
    ".ts": ("libx264", "aac"),
    ".avi": ("mpeg4", "mp3"),
    ".webm": ("libvpx-vp9", "libopus", "-deadline", "realtime", "-cpu-used", "8"),
    ".mpg": ("mpeg2video", "mp2"),
    ".flv": ("flv", "mp3", "-ar", "44100"),
    ".ogv": ("libtheora", "libvorbis"),
    ".wmv": ("wmv2", "wmav2"),
}


@pytest.fixture(scope="module")
def films(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A film of 50 frames with sound in each container, as bytes."""
    folder = tmp_path_factory.mktemp("films")
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2")
    for suffix, (video, sound, *flags) in KINDS.items():
        codecs = ("-c:v", video, "-pix_fmt", "yuv420p", "-g", "10", "-c:a", sound)
        ffmpeg(*inputs, *codecs, *flags, folder / f"f{suffix}")
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


def assert_salvaged_or_one_line(content: bytes, suffix: str, folder: Path, run_cli: RunCli) -> bool:
    """Renders what is left of a film; whether a film came of it. Whatever did not decode is said."""
    film, target = folder / f"in{suffix}", folder / "out.mkv"
    film.write_bytes(content)
    outcome = run_cli("video", film, target, "--style", "none", "--overwrite")
    assert not any("Traceback" in line for line in outcome.err)
    if outcome.code:
        assert_one_line(outcome, str(folder))
        assert names(folder) == [film.name]
        return False
    assert frame_times(target)
    target.unlink()
    return True


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("percent", [0, 1, 3, 10, 25, 50, 75, 90, 99])
def test_a_truncated_film(suffix: str, percent: int, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli) -> None:
    whole = films[suffix]
    salvaged = assert_salvaged_or_one_line(whole[: len(whole) * percent // 100], suffix, tmp_path, run_cli)
    assert salvaged or percent <= 25


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits(suffix: str, seed: int, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli) -> None:
    content, chance = bytearray(films[suffix]), random.Random(seed)
    for _ in range(chance.choice([1, 10, 100, 1000])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    assert_salvaged_or_one_line(bytes(content), suffix, tmp_path, run_cli)


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fill", ["cut out", "zeros"])
def test_missing_packets(
    suffix: str, seed: int, fill: str, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    content, chance = bytearray(films[suffix]), random.Random(seed)
    for _ in range(chance.choice([1, 5, 20])):
        at, length = chance.randrange(len(content) // 10, len(content)), chance.choice([188, 1316, 4000])
        content[at : at + length] = b"" if fill == "cut out" else bytes(len(content[at : at + length]))
    assert_salvaged_or_one_line(bytes(content), suffix, tmp_path, run_cli)


# Of the others nobody can tell how long they were.
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".flv"])
def test_a_cut_film_says_how_much_of_it_is_left(
    suffix: str, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    film = tmp_path / f"in{suffix}"
    film.write_bytes(films[suffix][: len(films[suffix]) // 2])
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    assert outcome.code == 0
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert 10 < frames < 40
    told = [match for line in outcome.err if (match := re.search(r"warning: .*; (\d+) of (\d+) frames decoded", line))]
    assert [int(match[1]) for match in told] == [frames]
    assert abs(int(told[0][2]) - 50) <= 1


def test_packets_that_are_missing_from_a_transport_stream_are_told(
    films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    film, whole = tmp_path / "in.ts", films[".ts"]
    middle = len(whole) // 376 * 188
    film.write_bytes(whole[:middle] + whole[middle + 40 * 188 :])
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert frames < 50
    assert [line for line in outcome.err if f"{frames} of 50 frames decoded" in line]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
@pytest.mark.parametrize("share", [3, 5, 8])
def test_bytes_that_are_missing_from_a_matroska_film_are_told(
    suffix: str, share: int, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    film, whole = tmp_path / f"in{suffix}", films[suffix]
    at = len(whole) * share // 10
    film.write_bytes(whole[:at] + whole[at + 1500 :])
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    # Matroska's own length of a film with B-frames is one frame too long.
    assert re.search(rf"damaged; {frames} of 5[01] frames decoded", "\n".join(outcome.err))


def test_a_bit_of_a_matroska_film_that_is_wrong_is_told(
    films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    film, content = tmp_path / "in.mkv", bytearray(films[".mkv"])
    content[len(content) * 2 // 3] ^= 1
    film.write_bytes(content)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    assert [line for line in outcome.err if "damaged; 50 of 5" in line]


@pytest.mark.parametrize("harm", ["cut", "hole", "zeros", "noise"])
@pytest.mark.parametrize("suffix", [".gif", ".dv", ".mxf"])
def test_pieces_that_a_film_lacks_are_told(
    suffix: str, harm: str, ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli
) -> None:
    film = tmp_path / f"in{suffix}"
    codec = {".gif": ("gif",), ".dv": ("dvvideo",), ".mxf": ("mpeg2video",)}[suffix]
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1", "-pix_fmt", "yuv420p", "-c:v", *codec, film)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    assert not [line for line in outcome.err if "damaged" in line]
    content = bytearray(film.read_bytes())
    begin, size = len(content) // 2, 60_000 if suffix == ".mxf" else 3000
    end = len(content) if harm == "cut" else begin + size
    content[begin:end] = {"zeros": bytes(size), "noise": random.Random(1).randbytes(size)}.get(harm, b"")
    film.write_bytes(content)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none", "--overwrite")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert re.search(rf"damaged; {frames} of \d+ frames decoded", "\n".join(outcome.err))


def test_an_mxf_film_that_is_cut_anywhere_is_told(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mxf"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1", "-f", "lavfi", "-i", "sine=r=48000:d=1")
    ffmpeg(*inputs, "-c:v", "mpeg2video", "-c:a", "pcm_s16le", film)
    whole = film.read_bytes()
    for share in range(40, 90, 2):
        film.write_bytes(whole[: len(whole) * share // 100])
        with FilmReader(film) as reader:
            frames = sum(1 for _ in reader.pictures())
            assert f"damaged; {frames} of " in (reader.damage(frames) or "")


NO_INDEX = [
    (".mpg", ("-c:v", "mpeg2video", "-c:a", "mp2"), "cut hole zeros"),
    (".mpg", ("-c:v", "mpeg1video", "-f", "mpeg"), "cut hole zeros"),
    (".vob", ("-c:v", "mpeg2video", "-c:a", "ac3"), "cut hole zeros"),
    (".ivf", ("-c:v", "libvpx", "-an"), "cut hole zeros"),
    (".y4m", ("-pix_fmt", "yuv420p", "-an"), "cut hole"),  # zeros are pixels there
    (".y4m", ("-pix_fmt", "yuv422p10", "-strict", "-1", "-an"), "cut hole"),
    (".y4m", ("-pix_fmt", "gray", "-an"), "cut hole"),
    (".mjpeg", ("-c:v", "mjpeg", "-an"), "cut"),
]


@pytest.mark.parametrize(
    ("suffix", "coding", "harm"),
    [
        pytest.param(suffix, coding, harm, id=f"{suffix}-{coding[1]}-{harm}")
        for suffix, coding, harms in NO_INDEX
        for harm in harms.split()
    ],
)
def test_films_without_an_index_are_told_to_be_damaged(
    suffix: str, coding: tuple[str, ...], harm: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    def told() -> bool:
        with FilmReader(film) as reader:
            frames = sum(1 for _ in reader.pictures())
            return f"damaged; {frames} of " in (reader.damage(frames) or "")

    film = tmp_path / f"in{suffix}"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=161x97:r=25:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2")
    ffmpeg(*inputs, *coding, film)
    assert not told()
    whole = film.read_bytes()
    for share in range(45, 85, 8):
        begin = len(whole) * share // 100
        after = b"" if harm == "cut" else whole[begin + 3000 :]
        film.write_bytes(whole[:begin] + (bytes(3000) if harm == "zeros" else b"") + after)
        assert told(), share


def test_a_program_stream_with_zeros_up_to_the_end_of_a_sector_is_whole(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mpg"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1", "-c:v", "mpeg2video", film)
    whole = film.read_bytes()
    for zeros, is_whole in ((700, True), (5000, False)):
        film.write_bytes(whole + bytes(zeros))
        with FilmReader(film) as reader:
            frames = sum(1 for _ in reader.pictures())
            assert (reader.damage(frames) is None) == is_whole


def test_a_gif_without_its_last_byte_is_not_called_damaged(ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli) -> None:
    film = tmp_path / "in.gif"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1", film)
    film.write_bytes(film.read_bytes()[:-1])
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    assert not [line for line in outcome.err if "damaged" in line]


def hevc(ffmpeg: Ffmpeg, film: Path, options: str = "") -> Path:
    parameters = f"log-level=none:keyint=10:bframes=4{options}"
    picture = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2")
    ffmpeg(*picture, "-pix_fmt", "yuv420p", "-c:v", "libx265", "-x265-params", parameters, film)
    return film


@pytest.mark.parametrize("suffix", [".mp4", ".hevc"])
def test_what_is_left_of_hevc_pictures_is_kept_and_counted(
    suffix: str, ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli
) -> None:
    """FFmpeg's decoder leaves out, without a word, all that was made from a lost picture."""
    film = hevc(ffmpeg, tmp_path / f"in{suffix}")
    content = bytearray(film.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 1500] = bytes(1500)
    film.write_bytes(content)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert frames > 40
    assert re.search(rf"damaged; {frames} of \d+ frames decoded, \d+ of them with errors", "\n".join(outcome.err))
    assert [it.name for it in compare_films(film, tmp_path / "out.mkv") if it.broken] == []


def test_a_recording_of_hevc_begins_with_its_first_whole_picture(
    ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli
) -> None:
    whole = hevc(ffmpeg, tmp_path / "whole.ts", ":open-gop=1").read_bytes()
    film, middle = tmp_path / "in.ts", len(whole) // 470 * 188
    film.write_bytes(whole[: 3 * 188] + whole[middle:])
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    assert 10 < len(frame_times(tmp_path / "out.mkv")) < 40
    assert not [line for line in outcome.err if "damaged" in line]


CLUSTER = b"\x1f\x43\xb6\x75"


def test_a_cluster_that_is_missing_is_told(ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli) -> None:
    """Nothing of what is left has an error, and pictures and sound pause together, as they may."""
    film = tmp_path / "in.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=4", "-g", "25", "-cluster_time_limit", "900", film)
    before, lost, *rest = film.read_bytes().split(CLUSTER)[1:]
    film.write_bytes(CLUSTER.join([film.read_bytes().split(CLUSTER)[0], before, *rest]))
    assert lost
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert 50 <= frames < 100
    assert re.search(rf"damaged; {frames} of 10[01] frames decoded", "\n".join(outcome.err))


def test_a_matroska_film_that_does_not_say_its_length_or_is_longer_is_sound(
    ffmpeg: Ffmpeg, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "longer.mkv").write_bytes(films[".mkv"] + b"junk")
    source = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2")
    (tmp_path / "live.mkv").write_bytes(ffmpeg(*source, "-f", "matroska", "-live", "1", "pipe:1"))
    for name in ("longer.mkv", "live.mkv"):
        outcome = run_cli("video", tmp_path / name, tmp_path / f"out-{name}", "--style", "none")
        assert len(frame_times(tmp_path / f"out-{name}")) == 50
        assert not [line for line in outcome.err if "damaged" in line]


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".flv", ".avi"])
@pytest.mark.parametrize("seed", range(5))
def test_bytes_that_others_lie_over_are_told(
    suffix: str, seed: int, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    """FFmpeg goes on at the next place that it knows, and says nothing."""
    film, content, chance = tmp_path / f"in{suffix}", bytearray(films[suffix]), random.Random(seed)
    at = chance.randrange(len(content) // 4, len(content) // 2)
    content[at : at + 3000] = chance.randbytes(3000)
    film.write_bytes(content)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert outcome.code == 0
    assert frames < 50
    assert re.search(rf"damaged; {frames} of 5[01] frames decoded", "\n".join(outcome.err))


def test_pictures_of_an_avi_that_others_lie_over_whole_are_told(
    films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    """Zeros over two chunks and their heads: nothing is left that could fail to decode."""
    content = bytearray(films[".avi"])
    begins = [match.start() for match in re.finditer(b"00dc", content)]
    content[begins[20] : begins[22]] = bytes(begins[22] - begins[20])
    (tmp_path / "in.avi").write_bytes(content)
    outcome = run_cli("video", tmp_path / "in.avi", tmp_path / "out.mkv", "--style", "none")
    assert outcome.code == 0
    assert re.search(r"damaged; 48 of 5[01] frames decoded", "\n".join(outcome.err))


def test_an_avi_that_was_never_finished_is_not_called_damaged(
    films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    """As a camera leaves it when its power fails: no sizes, no index."""
    content = bytearray(films[".avi"][: films[".avi"].rindex(b"idx1")])
    for head in (content.index(b"RIFF"), content.index(b"movi") - 8):
        content[head + 4 : head + 8] = bytes(4)
    (tmp_path / "in.avi").write_bytes(content)
    outcome = run_cli("video", tmp_path / "in.avi", tmp_path / "out.mkv", "--style", "none")
    assert len(frame_times(tmp_path / "out.mkv")) == 50
    assert not [line for line in outcome.err if "damaged" in line]


def test_a_lost_fragment_of_an_mp4_is_told(ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli) -> None:
    film = tmp_path / "in.mp4"
    flags = ("-movflags", "frag_keyframe+empty_moov", "-g", "25", "-bf", "0")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=4", "-pix_fmt", "yuv420p", *flags, film)
    content = bytearray(film.read_bytes())
    third = [match.start() for match in re.finditer(b"moof", content)][2]
    content[third - 4 : third + 100] = random.Random(1).randbytes(104)
    film.write_bytes(content)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert 25 <= frames < 100
    assert re.search(rf"damaged; {frames} of \d+ frames decoded", "\n".join(outcome.err))


@pytest.mark.parametrize("harm", ["hole", "zeros", "noise", "cut"])
def test_packets_that_an_asf_film_lacks_are_told(
    harm: str, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    content = bytearray(films[".wmv"])
    middle = len(content) // 2
    end = len(content) if harm == "cut" else middle + 4000
    content[middle:end] = {"zeros": bytes(4000), "noise": random.Random(1).randbytes(4000)}.get(harm, b"")
    (tmp_path / "in.wmv").write_bytes(content)
    outcome = run_cli("video", tmp_path / "in.wmv", tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert frames < 50
    assert [line for line in outcome.err if re.search(rf"damaged; {frames} of \d+ frames decoded", line)]


def test_an_asf_film_through_a_pipe_is_not_called_damaged(ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli) -> None:
    """It says no sizes, and an index follows on its packets."""
    source = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2")
    (tmp_path / "in.wmv").write_bytes(ffmpeg(*source, "-c:v", "wmv2", "-f", "asf", "pipe:1"))
    outcome = run_cli("video", tmp_path / "in.wmv", tmp_path / "out.mkv", "--style", "none")
    assert len(frame_times(tmp_path / "out.mkv")) == 50
    assert not [line for line in outcome.err if "damaged" in line]


TS_HARM = {
    "within the last packet": lambda whole: whole[: len(whole) // 376 * 188 + 100],
    "a piece of a packet": lambda whole: whole[: len(whole) // 376 * 188 + 100] + whole[len(whole) // 376 * 188 :],
}


@pytest.mark.parametrize("harm", TS_HARM)
def test_a_transport_stream_out_of_step_is_told(
    harm: str, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "in.ts").write_bytes(TS_HARM[harm](films[".ts"]))
    outcome = run_cli("video", tmp_path / "in.ts", tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert [line for line in outcome.err if re.search(rf"damaged; {frames} of \d+ frames decoded", line)]


TS_SOUND = {
    "junk before it": lambda packets: [b"GGGG" + bytes(300), *packets],
    "junk after it": lambda packets: [*packets, bytes(100), random.Random(1).randbytes(3000)],
    "error correction": lambda packets: [packet + bytes(16) for packet in packets],
    "nothing after the last": lambda packets: [*(packet + bytes(16) for packet in packets[:-1]), packets[-1]],
    "times": lambda packets: [bytes(4) + packet for packet in packets],
    "two films": lambda packets: [*packets, *packets],
}


@pytest.mark.parametrize("shape", TS_SOUND)
def test_a_transport_stream_of_a_rare_shape_is_not_called_damaged(
    shape: str, films: dict[str, bytes], tmp_path: Path
) -> None:
    whole = films[".ts"]
    (tmp_path / "in.ts").write_bytes(
        b"".join(TS_SOUND[shape]([whole[at : at + 188] for at in range(0, len(whole), 188)]))
    )
    with FilmReader(tmp_path / "in.ts") as reader:
        frames = sum(1 for _ in reader.pictures())
        assert frames in (50, 100)
        assert reader.damage(frames) is None


@pytest.mark.parametrize("harm", ["cut", "hole", "zeros", "noise", "bit"])
def test_pages_that_an_ogg_film_lacks_are_told(
    harm: str, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    """FFmpeg steps over pages with a wrong checksum, and says nothing."""
    film, content = tmp_path / "in.ogv", bytearray(films[".ogv"])
    middle = len(content) // 2
    if harm == "bit":
        content[middle] ^= 1
    else:
        end = len(content) if harm == "cut" else middle + 1500
        put = {"zeros": bytes(1500), "noise": random.Random(1).randbytes(1500)}
        content[middle:end] = put.get(harm, b"")
    film.write_bytes(content)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    frames = len(frame_times(tmp_path / "out.mkv"))
    assert outcome.code == 0
    assert frames < 50
    assert re.search(rf"damaged; {frames} of \d+ frames decoded", "\n".join(outcome.err))


def ogg_pages(content: bytes) -> list[bytes]:
    pages = []
    while content:
        size = 27 + content[26] + sum(content[27 : 27 + content[26]])
        pages.append(content[:size])
        content = content[size:]
    return pages


def test_a_page_that_is_missing_whole_is_told(films: dict[str, bytes], tmp_path: Path, run_cli: RunCli) -> None:
    pages = ogg_pages(films[".ogv"])
    del pages[len(pages) // 2]
    (tmp_path / "in.ogv").write_bytes(b"".join(pages))
    outcome = run_cli("video", tmp_path / "in.ogv", tmp_path / "out.mkv", "--style", "none")
    assert [line for line in outcome.err if "damaged" in line]


def test_an_ogg_film_of_a_broadcast_is_not_called_damaged(
    films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    """Its first pages, then those from when somebody tuned in until he went: others are missing at either end."""
    pages = ogg_pages(films[".ogv"])
    heads = [page for page in pages if page[6:14] == bytes(8)]
    shown = pages[len(heads) :]
    (tmp_path / "in.ogv").write_bytes(b"".join(heads + shown[len(shown) // 3 : -1]))
    outcome = run_cli("video", tmp_path / "in.ogv", tmp_path / "out.mkv", "--style", "none")
    assert 10 < len(frame_times(tmp_path / "out.mkv")) < 50
    assert not [line for line in outcome.err if "damaged" in line]


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b"TAG" + bytes(125)), (b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128), b"")],
    ids=["a tag at the end", "a tag before it"],
)
def test_an_ogg_film_with_something_around_it_is_not_called_damaged(
    before: bytes, after: bytes, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "in.ogv").write_bytes(before + films[".ogv"] + after)
    outcome = run_cli("video", tmp_path / "in.ogv", tmp_path / "out.mkv", "--style", "none")
    assert len(frame_times(tmp_path / "out.mkv")) == 50
    assert not [line for line in outcome.err if "damaged" in line]


SOUND = {  # what is rare and still as it should be
    "live.webm": ("libvpx-vp9", "-f", "webm", "-live", "1"),
    "dash.mp4": ("libx264", "-f", "mp4", "-movflags", "dash+frag_keyframe"),
    "every.mp4": ("libx264", "-f", "mp4", "-movflags", "frag_every_frame+empty_moov"),
    "cues.mkv": ("libx264", "-cues_to_front", "1"),
    "reserved.mkv": ("libx264", "-reserve_index_space", "5000", "-write_crc32", "0"),
    "uneven.mkv": ("libx264", "-vf", "setpts=PTS+if(gt(N\\,20)\\,9/TB)+mod(N\\,3)*0.01/TB", "-fps_mode", "vfr"),
    "alpha.webm": ("libvpx-vp9", "-vf", "format=yuva420p", "-auto-alt-ref", "0"),  # in groups of blocks
    "odd.avi": ("rawvideo", "-pix_fmt", "gray", "-vf", "scale=95:63"),
    "motion.avi": ("mjpeg",),
    "index.flv": ("flv", "-flvflags", "add_keyframe_index"),
    "live.flv": ("flv", "-f", "flv", "-flvflags", "no_duration_filesize"),
    "small.wmv": ("wmv2", "-packet_size", "1000"),
    "tiny.ogv": ("libtheora", "-page_duration", "20000"),
    "large.ogg": ("libvpx", "-page_duration", "9000000"),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_film_of_a_rare_shape_is_not_called_damaged(
    name: str, ffmpeg: Ffmpeg, tmp_path: Path, run_cli: RunCli
) -> None:
    film, (codec, *flags) = tmp_path / name, SOUND[name]
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2", "-g", "10", "-c:v", codec, *flags, film)
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    assert outcome.code == 0
    assert len(frame_times(tmp_path / "out.mkv")) == 50
    assert not [line for line in outcome.err if "damaged" in line]


@pytest.mark.parametrize("suffix", KINDS)
def test_a_sound_film_is_not_called_damaged(
    suffix: str, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli
) -> None:
    film = tmp_path / f"in{suffix}"
    film.write_bytes(films[suffix])
    outcome = run_cli("video", film, tmp_path / "out.mkv", "--style", "none")
    assert outcome.code == 0
    assert not [line for line in outcome.err if "damaged" in line]
    assert len(frame_times(tmp_path / "out.mkv")) == 50


@pytest.mark.parametrize("suffix", KINDS)
def test_nothing_but_damage_is_one_line(suffix: str, films: dict[str, bytes], tmp_path: Path, run_cli: RunCli) -> None:
    head = films[suffix][:64]
    noise = random.Random(1).randbytes(len(films[suffix]))
    assert not assert_salvaged_or_one_line(head + noise, suffix, tmp_path, run_cli)


# What would never end


@POSIX
def test_a_pipe_that_nobody_writes_to_is_no_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PATIENCE", 10)
    os.mkfifo(tmp_path / "in.mp4")
    assert_one_line(
        ended("video", tmp_path / "in.mp4", tmp_path / "out.mp4", "--style", "none"), "in.mp4", "not a film"
    )
    assert names(tmp_path) == ["in.mp4"]


@POSIX
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/full"])
def test_a_device_is_no_film(device: str, tmp_path: Path) -> None:
    assert_one_line(ended("video", device, tmp_path / "out.mp4", "--style", "none"), device, "not a film")
    assert names(tmp_path) == []


# Memory


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_20_000_frames(tmp_path: Path) -> None:
    film = tmp_path / "in.mp4"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        frame = av.VideoFrame.from_ndarray(np.full((24, 16), 90, np.uint8), format="yuv420p")
        for index in range(20_000):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    sizes: list[int] = []
    stylize_film(
        film, tmp_path / "out.mp4", load("none"), on_frame=lambda stats, _: sizes.append(resident(stats.frames))
    )
    usual = [size for size in sizes if size]
    warm, last = usual[len(usual) // 5], usual[-1]
    assert last <= 1.1 * warm, usual


def resident(frames: int) -> int:
    """This process's memory in kilobytes, every thousandth frame, else 0."""
    if frames % 1000:
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


# The pipeline


def test_a_sink_that_fails_ends_the_run_at_once() -> None:
    frames = (Frame(np.zeros((4, 4, 3), np.uint8), Fraction(index), index) for index in range(10**9))

    def refuses(frame: Frame) -> None:
        raise OutputError("full")

    with pytest.raises(OutputError, match="full"):
        run(frames, lambda image: image, refuses)


def test_a_run_that_fails_leaves_no_lane_behind() -> None:
    frames = (Frame(np.zeros((4, 4, 3), np.uint8), Fraction(index), index) for index in range(100))

    def refuses(frame: Frame) -> None:
        raise OutputError("full")

    with pytest.raises(OutputError) as raised:
        run(frames, lambda image: image, refuses, lanes=2)
    assert raised.traceback  # holds on to all that the run held
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("livestyle-")] == []
