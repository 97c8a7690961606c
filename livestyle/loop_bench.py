"""The true delay from camera to screen: a window shows the time, the camera sees it, the chain shows it again."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import numpy as np

from .errors import DeviceError
from .frame import Frame, Image
from .latency import percentile
from .media.camera import import_cv2, open_camera
from .media.size import Size
from .media.source import Closing
from .media.window import Window, has_display
from .pipeline import run
from .timecode import WRAP_MS, decode_time, encode_time

BOARD = Size(640, 360)  # the window with the time
TIME_TITLE = "livestyle time"
BOARD_PLACE = (0, 0)  # pixels on the screen
CLOCK_HZ = 120  # how often the time is drawn: at least as often as screens show it
SETTLED = 30  # times drawn, after which a window stands
WARM_UP = 15  # frames not counted: windows open, networks allocate
LONGEST_MS = 10_000  # a delay beyond it is a misreading
READ_WIDTH = 640  # pixels: pictures are kept no wider until they are read, for reading would delay the next
STARTS = 3  # of the loop: one in thirty windows never repaints (Qt under Xvfb; the cause is not known)
START_S = 20.0  # seconds the window with the time may take to open

SCREEN = f"screen:{BOARD_PLACE[0]},{BOARD_PLACE[1]},{BOARD}"  # as `open_camera` takes it: the same loop without glass


@dataclass(frozen=True)
class LoopResult:
    """What a loop measured.

    Attributes:
        what: from where to where.
        delays_ms: of each picture read, in order.
        refused: pictures in which no time could be read, or a torn or mixed one.
        fps: pictures shown in a second.
    """

    what: str
    delays_ms: tuple[float, ...]
    refused: int
    fps: float

    @property
    def median_ms(self) -> float:
        """The half of the pictures is quicker."""
        return statistics.median(self.delays_ms)

    @property
    def p95_ms(self) -> float:
        """All but one in twenty are quicker."""
        return percentile(sorted(self.delays_ms), 95)

    def row(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "what": self.what,
            "median_ms": self.median_ms,
            "p95_ms": self.p95_ms,
            "read": len(self.delays_ms),
            "refused": self.refused,
            "fps": self.fps,
        }

    def line(self) -> str:
        """For people."""
        return (
            f"{self.what}: median {self.median_ms:.0f} ms, p95 {self.p95_ms:.0f} ms, {self.fps:.1f} fps, "
            f"{len(self.delays_ms)} pictures read, {self.refused} refused"
        )


Stylize = Callable[[Image], Image]


def run_loop(
    camera: str,
    stylize: Stylize,
    *,
    frames: int = 150,
    takes: Callable[[int], bool] = lambda index: True,
    observe: Callable[[float | None], object] = lambda latency: None,
) -> LoopResult:
    """The delay from the time on the screen, through a camera and the chain, to the picture on the screen.

    One refresh of the screen is in it (the time becoming visible; the picture's own is not, and is as long), and
    the mean age of the time shown, 1 / (2 x CLOCK_HZ) seconds.

    Args:
        camera: as `open_camera` takes it; point it at the window with the time. SCREEN grabs the window itself.
        stylize: the chain, called in the engine's thread.
        takes: which camera frames go to it; observe: hears of each picture's seconds from capture to output.

    Raises DeviceError without a display, without that camera, or if no picture could be read.
    """
    if not has_display():
        raise DeviceError(
            "bench: --loop --camera needs a display; leave --camera out to measure from capture to output alone"
        )
    import_cv2()  # before av, which the screen as a camera brings
    for _ in range(STARTS - 1):
        with suppress(_NothingReadError):
            return _loop(camera, stylize, frames, takes, observe)
    return _loop(camera, stylize, frames, takes, observe)


def _loop(
    camera: str,
    stylize: Stylize,
    frames: int,
    takes: Callable[[int], bool],
    observe: Callable[[float | None], object],
) -> LoopResult:
    with ExitStack() as stack:
        stack.enter_context(clock_window(BOARD, BOARD_PLACE))
        source = stack.enter_context(open_camera(camera))
        window = stack.enter_context(closing(Window("livestyle", source.frame_size)))
        _move("livestyle", BOARD_PLACE[0] + BOARD.width + 20, BOARD_PLACE[1])
        reading = _Reading(WARM_UP + frames)

        def write(frame: Frame) -> bool:
            go_on = window.write(frame)
            wants_more = reading.shown(frame)
            observe(None if frame.captured is None else time.monotonic() - frame.captured)
            return go_on and wants_more

        run((frame for frame in source if takes(frame.index)), stylize, write, live=True)
    kind = "screen to screen, no glass" if camera.startswith("screen") else "camera to screen"
    return reading.result(kind, "point the camera at the window with the blocks, so that they fill most of its picture")


def run_inside(stylize: Stylize, *, size: Size = BOARD, fps: float = 30.0, frames: int = 150) -> LoopResult:
    """The delay inside livestyle alone, from capture to output: for machines without a display.

    No camera's, driver's or screen's share is in it. Raises DeviceError if the style leaves no time to be read.
    """
    reading = _Reading(WARM_UP + frames)
    with TimeSource(size, fps=fps) as source:
        run(source, stylize, reading.shown, live=True)
    return reading.result("capture to output only", "the style leaves no blocks to read; take another or a larger size")


class _NothingReadError(DeviceError):
    """No picture with a time in it."""


class TimeSource(Closing):
    """A camera whose pictures show the time they were taken, at their own pace."""

    patience: float | None = None
    stillness: float | None = None

    def __init__(
        self,
        size: Size,
        *,
        fps: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__()
        self.frame_size, self.rate = size, Fraction(fps).limit_denominator(1001)
        self._clock, self._sleep = clock, sleep

    def describe(self) -> str:
        """One line: what it is and what it gives."""
        return f"the time: {self.frame_size} at {float(self.rate):g} fps"

    def __iter__(self) -> Iterator[Frame]:
        blank = _blank(self.frame_size)
        started = self._clock()
        for index in count():
            self._sleep(max(0.0, started + float(index / self.rate) - self._clock()))
            if self._closed:
                return
            captured = self._clock()
            yield Frame(encode_time(blank, round(captured * 1000)), index / self.rate, index, captured=captured)

    def _release(self) -> None:
        pass


class _Reading:
    """The pictures shown and when; they are read afterwards, so that reading delays none."""

    def __init__(self, frames: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._frames, self._clock = frames, clock
        self._shown: list[tuple[float, Image]] = []

    def shown(self, frame: Frame) -> bool:
        """Notes a picture that is out now; False once there are enough."""
        now = self._clock()
        step = -(-frame.image.shape[1] // READ_WIDTH)
        self._shown.append((now, frame.image[::step, ::step].copy()))
        return len(self._shown) < self._frames

    def result(self, what: str, hint: str) -> LoopResult:
        """Raises DeviceError with the hint if no picture could be read."""
        counted = self._shown[WARM_UP:]
        found = [_delay_ms(now, decode_time(image)) for now, image in counted]
        delays = tuple(delay for delay in found if delay is not None)
        if not delays:
            raise _NothingReadError(f"bench: in none of {len(counted)} pictures could the time be read; {hint}")
        span = counted[-1][0] - counted[0][0]
        fps = (len(counted) - 1) / span if span else 0.0
        return LoopResult(what, delays, len(found) - len(delays), fps)


def _delay_ms(now: float, ms: int | None) -> float | None:
    """From the time read to now; None for no time, or one that cannot be."""
    if ms is None:
        return None
    delay = (now * 1000 - ms) % WRAP_MS
    return delay if delay <= LONGEST_MS else None


def _blank(size: Size) -> Image:
    return np.full((size.height, size.width, 3), 255, np.uint8)


def _move(title: str, x: int, y: int) -> None:
    import_cv2().moveWindow(title, x, y)


@contextmanager
def clock_window(size: Size, place: tuple[int, int]) -> Iterator[None]:
    """A window with the present time, in a process of its own: the chain must not slow it down.

    `time.monotonic()` is one clock for all processes of a machine.
    """
    numbers = ", ".join(map(str, (*size, *place)))
    code = f"from livestyle.loop_bench import show_time; show_time({numbers})"
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:  # Ctrl-C is for us
        assert process.stdin and process.stdout
        too_late = threading.Timer(START_S, process.kill)
        too_late.start()
        started = process.stdout.readline()
        too_late.cancel()
        try:
            if not started:
                raise DeviceError("bench: the window with the time does not open; does `livestyle cam` open one?")
            yield
        finally:
            process.stdin.close()  # which ends it


def show_time(width: int, height: int, x: int, y: int) -> None:
    """Shows the present time until standard input ends; says a line once it does. Runs in a process of its own."""
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    cv2, blank = import_cv2(), _blank(Size(width, height))
    cv2.namedWindow(TIME_TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)  # no tools: the time fills it
    for index in count():
        began = time.monotonic()
        cv2.imshow(TIME_TITLE, encode_time(blank, round(began * 1000)))
        cv2.waitKey(1)
        if index == SETTLED:
            cv2.moveWindow(TIME_TITLE, x, y)
        if index == 2 * SETTLED:
            print("shown", flush=True)
        if ended.wait(max(0.0, began + 1 / CLOCK_HZ - time.monotonic())):
            return
