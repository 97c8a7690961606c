"""The scripts in samples/ and the README's Python run as they are printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

import livestyle
from livestyle.styles import shipped

ROOT = Path(__file__).parents[1]

FAKE_VIRTUAL_CAMERA = '''
"""Stands in for pyvirtualcam: counts the frames it is sent."""
from enum import Enum
class PixelFormat(Enum):
    RGB = 1
class Camera:
    device = "fake camera"
    def __init__(self, width, height, fps, fmt):
        self.size, self.sent = (height, width, 3), 0
    def send(self, frame):
        assert frame.shape == self.size
        self.sent += 1
    def close(self):
        print(f"sent {self.sent}")
'''


def ended(name: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script, when it is over."""
    command = [sys.executable, str(ROOT / "samples" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def run_sample(name: str, *arguments: str | Path, **environment: str) -> str:
    """What the script prints; its failure fails the test with all it said."""
    done = ended(name, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_film_sample_writes_a_film(make_film, tmp_path):
    target = tmp_path / "out.mp4"
    assert "12 frames" in run_sample("film.py", make_film(), target)
    with av.open(str(target)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


def test_picture_sample_paints_a_picture(tmp_path):
    photo = tmp_path / "photo.png"
    livestyle.write_image(np.full((40, 60, 3), 99, np.uint8), photo)
    run_sample("picture.py", photo, tmp_path / "out.jpg", "wave")
    assert livestyle.read_image(tmp_path / "out.jpg").shape == (40, 60, 3)


def test_video_call_sample_sends_to_the_virtual_camera(make_film, tmp_path):
    (tmp_path / "pyvirtualcam.py").write_text(FAKE_VIRTUAL_CAMERA)
    printed = run_sample("video_call.py", make_film(), "starry", "3", PYTHONPATH=str(tmp_path))
    assert "fake camera" in printed
    assert "sent 3" in printed


@pytest.mark.skipif(not shutil.which("xvfb-run"), reason="no xvfb-run here (apt package xvfb)")
def test_camera_sample_opens_a_window(make_film):
    command = ["xvfb-run", "-a", sys.executable, str(ROOT / "samples" / "camera.py"), str(make_film()), "starry", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 frames" in done.stdout


@pytest.mark.parametrize("name", ["film.py", "picture.py"])
@pytest.mark.parametrize("arguments", [(), ("in",)])
def test_a_sample_without_its_arguments_says_its_usage_in_one_line(name, arguments):
    done = ended(name, *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith(f"usage: python samples/{name} IN")


@pytest.mark.parametrize("name", ["film.py", "picture.py"])
@pytest.mark.parametrize(("source", "style"), [("nowhere.png", "starry"), (__file__, "starry"), (None, "nosuchstyle")])
def test_a_sample_that_cannot_read_says_why_in_one_line(name, source, style, make_film, tmp_path):
    done = ended(name, source or make_film(), tmp_path / "out.png", style)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("name", ["camera.py", "video_call.py"])
@pytest.mark.parametrize(("camera", "style"), [("nowhere.mp4", "starry"), ("pattern", "nosuchstyle")])
def test_a_live_sample_that_cannot_begin_says_why_in_one_line(name, camera, style, tmp_path):
    (tmp_path / "pyvirtualcam.py").write_text(FAKE_VIRTUAL_CAMERA)
    done = ended(name, camera, style, "3", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith("error: ")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is one")
def test_the_camera_sample_without_a_display_speaks_of_no_options_it_has_not():
    done = ended("camera.py", "pattern:64x48", "none", "3", DISPLAY="")
    assert (done.returncode, done.stderr) == (1, "error: there is no display here to open a window on\n")


def test_benchmark_sample_times_every_style():
    printed = run_sample("benchmark.py", "64x48")
    assert set(re.findall(r"^\S+", printed, re.MULTILINE)) == set(shipped())


def test_gallery_sample_shows_every_style(tmp_path):
    pytest.importorskip("skimage", reason="needs scikit-image (extra train)")
    run_sample("make_gallery.py", tmp_path / "gallery.png")
    height, width, _ = livestyle.read_image(tmp_path / "gallery.png").shape
    assert height * width > 2 * 300 * 225 * len(shipped())


def test_clip_sample_renders_a_film_with_sound(tmp_path):
    run_sample("make_clip.py", tmp_path / "clip.mp4", "--frames", "2")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (640, 360)
        assert container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 2


def test_the_readmes_python_runs_as_printed(make_film, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    make_film("in.mp4")
    livestyle.write_image(np.full((40, 60, 3), 99, np.uint8), tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(block, {})
    assert (tmp_path / "painted.png").exists()
    assert (tmp_path / "styled.mp4").exists()


def test_the_readmes_commands_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"^ +livestyle (\w+)", readme, re.MULTILINE))
    from livestyle.cli import cli

    assert commands <= set(cli.commands)
    assert len(commands) >= 5


def test_the_bundled_clip_is_as_promised():
    clip = ROOT / "samples" / "bay.mp4"
    assert clip.stat().st_size < 2_000_000
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == (640, 360)
        assert container.streams.audio
        assert sum(1 for _ in container.decode(video)) == 150
