"""All sinks as one: who gets what, and recordings and pictures that come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livestyle.controls import Controls
from livestyle.errors import OutputError
from livestyle.frame import Frame, Image
from livestyle.latency import Meter
from livestyle.media.picture import read_image
from livestyle.outputs import MESSAGE_SECONDS, Outputs

PLAIN = np.full((240, 320, 3), 120, np.uint8)


@dataclass
class FakeSink:
    """Keeps what it is sent; also stands for a recorder and a window."""

    answer: bool | None = None
    target: Path = Path("take.mp4")
    failed: str | None = None
    dropped: int = 0
    images: list[Image] = field(default_factory=list)
    closed: int = 0
    full: bool = False
    is_open: bool = True

    def write(self, frame: Frame) -> bool | None:
        self.images.append(frame.image)
        return self.answer

    def look(self) -> bool:
        return self.is_open

    def fill_screen(self, full: bool) -> None:
        self.full = full

    def close(self) -> None:
        self.closed += 1


def frame(number: int = 0) -> Frame:
    return Frame(PLAIN, Fraction(number, 30), number, captured=1.0)


@pytest.fixture
def controls() -> Controls:
    return Controls(["starry", "wave"])


Make = Callable[..., Outputs]


@pytest.fixture
def make(controls: Controls) -> Make:
    """Outputs that share the controls, with a clock that stands still."""
    return lambda *sinks, **given: Outputs(sinks, controls, Meter(), **{"clock": lambda: 0.0, **given})


def test_every_sink_gets_every_frame(make: Make) -> None:
    sinks = FakeSink(), FakeSink(True)
    assert all(make(*sinks).write(frame(number)) for number in range(3))
    assert [len(sink.images) for sink in sinks] == [3, 3]


def test_one_sink_that_has_enough_ends_the_run_and_the_others_get_the_frame(make: Make) -> None:
    sinks = FakeSink(False), FakeSink()
    assert not make(*sinks).write(frame())
    assert len(sinks[1].images) == 1


def test_quitting_ends_the_run(make: Make, controls: Controls) -> None:
    controls.press("q")
    assert not make(FakeSink()).write(frame())


def test_quitting_and_a_closed_window_end_the_run_while_no_frame_comes(make: Make, controls: Controls) -> None:
    window = FakeSink(True)
    outputs = make(window=window)
    assert outputs.between()
    window.is_open = False
    assert not outputs.between()
    assert make().between()
    controls.press("q")
    assert not make().between()


def test_what_a_key_did_is_shown_though_no_frame_comes(make: Make, controls: Controls) -> None:
    window, now = FakeSink(True), [0.0]
    outputs = make(window=window, clock=lambda: now[0])
    outputs.write(frame())
    outputs.between()
    assert len(window.images) == 1  # nothing new to show
    outputs.tell(controls.press("f"))
    outputs.between()
    assert window.full and (window.images[-1] != PLAIN).any()
    now[0] = MESSAGE_SECONDS
    outputs.between()
    outputs.between()
    assert len(window.images) == 3 and (window.images[-1] == PLAIN).all()


def test_the_status_is_drawn_for_everyone(make: Make) -> None:
    sink, window = FakeSink(), FakeSink(True)
    make(sink, window=window, status=lambda: "camera lost").write(frame())
    assert (sink.images[0] != PLAIN).any()
    assert (sink.images[0] == window.images[0]).all()


@pytest.mark.parametrize("switch", ["statistics", "help"])
def test_words_for_the_user_are_in_the_window_only(make: Make, controls: Controls, switch: str) -> None:
    sink, window = FakeSink(), FakeSink(True)
    outputs = make(sink, window=window)
    controls.do(switch, True)
    outputs.write(frame())
    assert (sink.images[0] == PLAIN).all()
    assert (window.images[0] != PLAIN).any()


def test_trouble_beside_the_picture_is_told_once_each(make: Make) -> None:
    said: list[str] = []
    trouble: list[str | None] = [None, None, "microphone: gone", "microphone: gone"]
    outputs = make(FakeSink(), say=said.append, trouble=lambda: trouble.pop(0))
    assert all(outputs.write(frame(number)) for number in range(4))
    assert said == ["microphone: gone"]


def test_a_message_is_shown_for_a_moment(make: Make) -> None:
    now = [0.0]
    window = FakeSink(True)
    outputs = make(window=window, clock=lambda: now[0])
    outputs.tell("style wave")
    outputs.write(frame())
    now[0] = MESSAGE_SECONDS
    outputs.write(frame(1))
    assert (window.images[0] != PLAIN).any()
    assert (window.images[1] == PLAIN).all()


@pytest.mark.parametrize(("key", "word"), [("?", "previous style"), ("i", "output 0.0 fps")])
def test_words_for_the_user_are_said_where_there_is_no_window(
    make: Make, controls: Controls, key: str, word: str
) -> None:
    said: list[str] = []
    outputs = make(FakeSink(), say=said.append)
    for _ in range(2):  # each press says them once
        controls.press(key)
        outputs.write(frame(0))
        outputs.write(frame(1))
    assert len([line for line in said if word in line]) == 2


def test_full_screen_follows_its_switch(make: Make, controls: Controls) -> None:
    window = FakeSink(True)
    outputs = make(window=window)
    controls.press("f")
    outputs.write(frame())
    assert window.full


def test_a_recording_begins_and_ends_with_its_key(make: Make, controls: Controls) -> None:
    recorder, asked = FakeSink(), []
    outputs = make(recorder=lambda target: (asked.append(target), recorder)[1])
    outputs.write(frame(0))
    controls.press("r")
    outputs.write(frame(1))
    outputs.write(frame(2))
    controls.press("r")
    outputs.write(frame(3))
    assert (len(recorder.images), recorder.closed, asked) == (2, 1, [None])


def test_the_recording_asked_for_begins_at_once_and_is_finished_by_close(make: Make, controls: Controls) -> None:
    recorder, said = FakeSink(target=Path("mine.mp4")), []
    outputs = make(recorder=lambda target: recorder, record=Path("mine.mp4"), say=said.append)
    outputs.write(frame())
    outputs.close()
    outputs.close()
    assert (len(recorder.images), recorder.closed, said) == (1, 1, ["recorded mine.mp4"])


def test_a_recording_that_fails_stops_and_the_picture_goes_on(make: Make, controls: Controls) -> None:
    recorder, said = FakeSink(failed="disk full"), []
    outputs = make(recorder=lambda target: recorder, say=said.append)
    controls.press("r")
    assert outputs.write(frame(0)) and outputs.write(frame(1))
    assert (len(recorder.images), recorder.closed) == (1, 1)
    assert "record" not in controls.on
    assert said == ["recording to take.mp4", "disk full"]


def test_the_recording_asked_for_that_fails_is_remembered(make: Make) -> None:
    outputs = make(FakeSink(), recorder=lambda target: FakeSink(failed="disk full"), record=Path("take.mp4"))
    assert outputs.write(frame(0)) and outputs.write(frame(1))
    outputs.close()
    assert outputs.failed == "disk full"


def test_a_failed_recording_that_was_alone_ends_the_run(make: Make) -> None:
    outputs = make(recorder=lambda target: FakeSink(failed="disk full"), record=Path("take.mp4"))
    assert not outputs.write(frame())


def test_a_failed_recording_of_a_key_is_not_the_one_asked_for(make: Make, controls: Controls) -> None:
    recorders = iter([FakeSink(), FakeSink(failed="disk full")])
    outputs = make(recorder=lambda target: next(recorders), record=Path("take.mp4"))
    for number in range(3):  # recorded, stopped, recorded anew
        assert outputs.write(frame(number))
        controls.press("r")
    assert outputs.failed is None


def test_a_recording_without_a_frame_is_not_said_to_be_there(make: Make) -> None:
    said: list[str] = []
    make(recorder=lambda target: FakeSink(), record=Path("take.mp4"), say=said.append).close()
    assert said == ["take.mp4: no frame to record came"]


def test_words_on_a_small_picture_can_be_read_in_the_window(make: Make, controls: Controls) -> None:
    sink, window = FakeSink(), FakeSink(True)
    outputs = make(sink, window=window)
    controls.press("?")
    outputs.write(frame().with_image(PLAIN[:90, :160]))
    assert (sink.images[0].shape, window.images[0].shape) == ((90, 160, 3), (270, 480, 3))


def test_a_recording_that_cannot_begin_is_told_once(make: Make, controls: Controls) -> None:
    def refuse(target: Path | None) -> FakeSink:
        raise OutputError("take.mp4: the folder may not be written")

    said: list[str] = []
    outputs = make(recorder=refuse, say=said.append)
    controls.press("r")
    assert outputs.write(frame(0)) and outputs.write(frame(1))
    assert said == ["no recording: take.mp4: the folder may not be written"]


def test_a_screenshot_is_saved_without_words(
    make: Make, controls: Controls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = make(window=FakeSink(True))
    controls.do("statistics", True)
    for _ in range(2):  # in one second: two names
        controls.press("s")
        outputs.write(frame())
    outputs.write(frame())
    saved = sorted(tmp_path.glob("livestyle-*.png"))
    assert len(saved) == 2
    assert all((read_image(path) == PLAIN).all() for path in saved)
