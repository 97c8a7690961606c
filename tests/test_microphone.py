"""Sound on the pictures' clock, from a scripted sound card whose arrival times are known."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from livestyle.errors import DeviceError
from livestyle.frame import Frame
from livestyle.media.microphone import KEPT_SECONDS, Microphone, _gathered, open_microphone
from livestyle.media.recorder import Recorder
from livestyle.media.size import Size

IN_STEP = 0.040  # seconds between a beep and its flash


class Card:
    """A sound card: `hear` hands over a chunk at a time of the test's clock, and returns once it is taken."""

    def __init__(self, layout: str = "mono") -> None:
        self.rate, self.layout, self.now, self.closed = 44_100, layout, 0.0, 0
        self._chunk: AudioFrame | None = None
        self._there, self._asked = threading.Semaphore(0), threading.Semaphore(0)
        self.microphone = Microphone(self._chunks(), self._close, clock=lambda: self.now)

    def _close(self) -> None:
        self.closed += 1

    def _chunks(self) -> Iterator[AudioFrame]:
        while True:
            self._asked.release()
            self._there.acquire()
            if self._chunk is None:
                return
            yield self._chunk

    def hear(self, samples: np.ndarray, at: float) -> None:
        """Samples, -1..1, that arrive at a time, the same in every channel."""
        self._asked.acquire()
        self.now = at
        channels = np.repeat(samples.astype(np.float32), av.AudioLayout(self.layout).nb_channels).reshape(1, -1)
        self._chunk = AudioFrame.from_ndarray(channels, format="flt", layout=self.layout)
        self._chunk.sample_rate = self.rate
        self._there.release()
        self._asked.acquire()  # it is taken once the next is asked for
        self._asked.release()

    def end(self) -> None:
        self._asked.acquire()
        self._chunk = None
        self._there.release()
        self.microphone._thread.join(timeout=5)
        self._asked.release()


@pytest.fixture
def card() -> Iterator[Card]:
    card = Card()
    yield card
    if card.microphone._thread.is_alive():
        card.end()
    card.microphone.close()


def test_sound_is_stamped_with_the_time_it_was_heard(card: Card) -> None:
    for index in range(3):  # chunks of a tenth of a second arrive when their last sample is there
        card.hear(np.zeros(4410), at=100 + (index + 1) / 10)
    assert [sound.start for sound in card.microphone.take()] == pytest.approx([100.0, 100.1, 100.2])
    assert card.microphone.take() == []


def test_chunks_that_arrive_late_are_stamped_by_the_prompt_ones(card: Card) -> None:
    for index, late in enumerate([0.09, 0.05, 0.0, 0.2, 0.03]):
        card.hear(np.zeros(4410), at=100 + (index + 1) / 10 + late)
    assert [sound.start for sound in card.microphone.take()] == pytest.approx([100 + index / 10 for index in range(5)])


def test_a_card_that_runs_slow_is_followed(card: Card) -> None:
    for index in range(1000):  # 100 seconds, 500 millionths late
        card.hear(np.zeros(4410), at=(index + 1) / 10 * 1.0005)
        last = card.microphone.take()[-1]
        assert last.start == pytest.approx(index / 10 * 1.0005, abs=0.003)


def test_sound_nobody_takes_is_forgotten(card: Card) -> None:
    for index in range(int(KEPT_SECONDS) * 2):
        card.hear(np.zeros(44_100), at=index + 1)
    assert len(card.microphone.take()) == KEPT_SECONDS + 1


def test_a_microphone_that_ends_says_so(card: Card) -> None:
    assert card.microphone.failed is None
    card.end()
    assert card.microphone.failed == "microphone: it gives no more sound; is it still plugged in?"


def test_a_sample_at_a_time_is_gathered() -> None:
    """As ALSA's `null` gives it; 48,000 chunks a second would be more than a recording takes in."""

    def chunks() -> Iterator[AudioFrame]:
        for index in range(1000):
            chunk = AudioFrame.from_ndarray(np.full((1, 1), index, np.int16), format="s16", layout="mono")
            chunk.sample_rate = 48_000
            yield chunk

    gathered = [chunk.to_ndarray()[0] for chunk in _gathered(chunks())]
    assert [len(chunk) for chunk in gathered] == [480, 480]
    assert (np.concatenate(gathered) == np.arange(960)).all()


def test_a_microphone_that_fails_says_why() -> None:
    def chunks() -> Iterator[AudioFrame]:
        raise OSError(19, "No such device")
        yield

    microphone = Microphone(chunks())
    microphone._thread.join(timeout=5)
    assert microphone.failed == "microphone: it gives no more sound (No such device); is it still plugged in?"


def test_close_releases_the_device_once(card: Card) -> None:
    card.end()
    card.microphone.close()
    card.microphone.close()
    assert card.closed == 1


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA is Linux")
def test_no_microphone_is_one_line() -> None:
    with pytest.raises(DeviceError, match=r"^microphone hw:97: cannot be opened \(.*\); plug one in or .* arecord -L$"):
        open_microphone("hw:97")


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA is Linux")
def test_a_real_alsa_device_gives_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without a sound card, whose sound comes as fast as it is read."""
    settings = tmp_path / "alsa.conf"
    settings.write_text("pcm.silence { type null }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(settings))
    with open_microphone("silence") as microphone:
        pause = threading.Event()
        for _ in range(500):
            if sounds := microphone.take():
                break
            pause.wait(0.01)
    assert microphone.failed is None
    assert {(sound.samples.sample_rate, sound.samples.layout.name) for sound in sounds} == {(48_000, "2 channels")}


# In a recording


def record(
    target: Path, card: Card, *, seconds: float, moments: list[float], drift: float = 0, late: float = 0
) -> None:
    """Beeps and flashes of a tenth of a second at the same moments; sound and pictures arrive as time goes on.

    The first picture is captured at 50 on the clock; the card has been on for a second by then.
    """
    flat, flash = (np.full((48, 64, 3), level, np.uint8) for level in (20, 230))
    random, heard, chunk = np.random.default_rng(0), 0, 1024
    recorder = Recorder(target, Size(64, 48), Fraction(30), microphone=card.microphone, queue=100_000)
    for index in range(round(seconds * 30)):
        moment = index / 30
        while (ends := (heard + chunk) / card.rate * (1 + drift) - 1) <= moment:
            times = (heard + np.arange(chunk)) / card.rate * (1 + drift) - 1
            on = np.any([(times >= begin) & (times < begin + 0.1) for begin in moments], axis=0)
            card.hear(np.where(on, 0.5 * np.sin(times * 6000), 0), at=50 + ends + random.uniform(0, late))
            heard += chunk
        lit = any(begin <= moment < begin + 0.1 for begin in moments)
        recorder.write(Frame(flash if lit else flat, Fraction(index, 30), index, captured=50 + moment))
        if index % 30 == 0:  # the microphone keeps 10 seconds, and here they pass in one
            keep_up(recorder)
    recorder.close()
    assert recorder.failed is None
    assert recorder.dropped == 0


def keep_up(recorder: Recorder) -> None:
    """Returns once the encoder has all frames."""
    pause = threading.Event()
    while recorder._frames._items:
        pause.wait(0.001)


def begins(values: np.ndarray, times: np.ndarray) -> list[float]:
    """When the values rise over half of their maximum after at least half a second below."""
    loud = times[values > values.max() / 2]
    return [float(loud[0]), *(float(b) for a, b in itertools.pairwise(loud) if b - a > 0.5)]


def flashes(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        shown = [(float(frame.time), frame.to_ndarray(format="gray").mean()) for frame in film.decode(video=0)]
    times, levels = np.array(shown).T
    return begins(levels, times)


def beeps(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        heard = [(frame.time, np.abs(frame.to_ndarray()[0])) for frame in film.decode(audio=0)]
    times = np.concatenate([time + np.arange(len(values)) / 48_000 for time, values in heard])
    return begins(np.concatenate([values for _, values in heard]), times)


CASES: dict[str, dict[str, float]] = {
    "prompt": {},
    "with delays up to 15 ms": {"late": 0.015},
    "a card 2000 millionths slow": {"drift": 2e-3, "late": 0.005},
    "a card 2000 millionths fast": {"drift": -2e-3, "late": 0.005},
}


@pytest.mark.parametrize("case", CASES)
def test_a_beep_is_heard_with_its_flash(case: str, card: Card, tmp_path: Path) -> None:
    target, moments = tmp_path / "out.mp4", [0.5, 15.0, 28.0]
    record(target, card, seconds=30, moments=moments, **CASES[case])
    seen, heard = flashes(target), beeps(target)
    assert seen == pytest.approx(moments, abs=1 / 60)
    assert heard == pytest.approx(moments, abs=IN_STEP / 2)
    assert max(abs(a - b) for a, b in zip(seen, heard, strict=True)) < IN_STEP


@pytest.mark.parametrize("layout", ["stereo", "2C", "3C", "5.1"])
def test_any_number_of_channels_is_recorded(layout: str, tmp_path: Path) -> None:
    card = Card(layout)
    record(tmp_path / "out.mp4", card, seconds=2, moments=[1.0])
    card.end()
    assert beeps(tmp_path / "out.mp4") == pytest.approx([1.0], abs=0.01)


def test_sound_before_the_first_picture_is_left_out(card: Card, tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", card, seconds=2, moments=[-0.6, 1.0])
    assert beeps(tmp_path / "out.mp4") == pytest.approx([1.0], abs=0.01)


def test_sound_that_begins_late_is_in_its_place(card: Card, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "out.mp4", Size(64, 48), Fraction(30), microphone=card.microphone, queue=1000)
    for index in range(90):
        if index >= 45:  # chunks of a thirtieth of a second
            loud = 0.5 * np.sin(np.arange(1470) * 0.1) if 60 <= index < 63 else np.zeros(1470)
            card.hear(loud, at=50 + (index + 1) / 30)
        recorder.write(Frame(np.zeros((48, 64, 3), np.uint8), Fraction(index, 30), index, captured=50 + index / 30))
    recorder.close()
    assert beeps(tmp_path / "out.mp4") == pytest.approx([2.0], abs=0.01)
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert [frame.pts for frame in film.decode(audio=0)][:3] == [0, 1024, 2048]  # silence first, not a hole


def test_the_track_is_aac_and_as_long_as_the_pictures(card: Card, tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", card, seconds=3, moments=[1.0])
    with av.open(str(tmp_path / "out.mp4")) as film:
        (stream,) = film.streams.audio
        assert (stream.codec_context.name, stream.rate, stream.layout.name) == ("aac", 48_000, "stereo")
        assert float(stream.duration * stream.time_base) == pytest.approx(3, abs=0.1)


def test_a_gap_in_the_sound_keeps_its_length(card: Card, tmp_path: Path) -> None:
    """Sound that was lost: what comes behind it is not moved forward for long."""
    recorder = Recorder(tmp_path / "out.mp4", Size(64, 48), Fraction(30), microphone=card.microphone, queue=1000)
    image = np.zeros((48, 64, 3), np.uint8)
    heard = 0
    for index in range(30 * 30):
        moment = index / 30
        while (ends := (heard + 1024) / card.rate) <= moment:
            heard += 1024
            if not 10 < ends < 11:  # lost
                tone = 0.5 * np.sin(np.arange(1024) * 0.1) if 25 <= ends < 25.1 else np.zeros(1024)
                card.hear(tone, at=50 + ends)
        recorder.write(Frame(image, Fraction(index, 30), index, captured=50 + moment))
        keep_up(recorder)
    recorder.close()
    assert beeps(tmp_path / "out.mp4") == pytest.approx([25.0], abs=IN_STEP)


def test_a_recording_goes_on_without_its_microphone(card: Card, tmp_path: Path) -> None:
    hear: Callable[[float], None] = lambda at: card.hear(np.zeros(4410), at=at)  # noqa: E731
    recorder = Recorder(tmp_path / "out.mp4", Size(64, 48), Fraction(30), microphone=card.microphone, queue=1000)
    hear(50.1)
    card.end()
    for index in range(60):
        recorder.write(Frame(np.zeros((48, 64, 3), np.uint8), Fraction(index, 30), index, captured=50 + index / 30))
    recorder.close()
    assert recorder.failed is None
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 60
