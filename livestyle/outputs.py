"""Everything a live picture goes to, at once: sinks, a window with words on it, recordings, screenshots."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .controls import Controls, help_lines
from .errors import LivestyleError
from .frame import Frame
from .latency import Meter
from .media.overlay import draw_lines, legible
from .media.picture import write_image

if TYPE_CHECKING:
    from .media.recorder import Recorder
    from .media.window import Window

MESSAGE_SECONDS = 2.0  # that what a key did can be read in the window


class Sink(Protocol):
    """Where frames go."""

    def write(self, frame: Frame) -> object:
        """False ends the run."""
        ...

    def close(self) -> None:
        """Twice is fine."""
        ...


class Outputs:
    """One sink made of many. Those given stay the caller's to close; recordings are closed here.

    Args:
        sinks: written to first, in order.
        controls: what is shown, recorded and saved.
        meter: told of every frame out; its figures are shown in the window.
        window: shown last, with figures, keys and messages, which go nowhere else.
        trouble: what has failed beside the picture, such as the microphone, told once; None for nothing.
        status: a word that goes on every picture, such as why it stands still; None for nothing to say.
        recorder: opens a recording; given the file asked for, or None to choose one.
        record: the recording to begin with.
        say: told what happens, a line each.

    Attributes:
        failed: why the recording to begin with (`record`) is not all there, or None.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        controls: Controls,
        meter: Meter,
        *,
        window: Window | None = None,
        status: Callable[[], str | None] = lambda: None,
        trouble: Callable[[], str | None] = lambda: None,
        recorder: Callable[[Path | None], Recorder] | None = None,
        record: Path | None = None,
        say: Callable[[str], object] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sinks, self._controls, self._meter, self._window = sinks, controls, meter, window
        self._status, self._open_recorder, self._say, self._clock = status, recorder, say, clock
        self._trouble, self._told = trouble, ""
        self._message, self._message_ends = "", 0.0
        self._screenshots = controls.screenshots
        self._recorder: Recorder | None = None
        self._asked: Recorder | None = None
        self._shown: Frame | None = None  # in the window, without its words
        self._words_shown = self._words()
        self._recorded = 0  # frames, of the present recording
        self.failed: str | None = None
        if record is not None and recorder is not None:
            self._recorder = self._asked = recorder(record)
            controls.do("record", True)

    def tell(self, line: str | None) -> None:
        """Shows a line in the window for a moment."""
        if line:
            self._message, self._message_ends = line, self._clock() + MESSAGE_SECONDS

    def write(self, frame: Frame) -> bool:
        """Sends a frame everywhere; False once the user has had enough, or nothing is left to send it to."""
        trouble = self._trouble()
        if trouble and trouble != self._told:
            self._told = trouble
            self._announce(trouble)
        status = self._status()
        if status:
            frame = frame.with_image(draw_lines(frame.image, [status], "middle"))
        go_on = [sink.write(frame) is not False for sink in self._sinks]
        self._record(frame)
        self._save_picture(frame)
        if self._window:
            go_on.append(self._show(self._window, frame))
        else:
            self._show_in_words()
        self._meter.went(frame.captured)
        nowhere = self.failed is not None and not (self._sinks or self._window or self._recorder)
        return all(go_on) and not nowhere and not self._controls.quitting

    def between(self) -> bool:
        """While no frame comes: looks at the window's keys. False once the user has had enough."""
        is_open = True
        if self._window:
            is_open = self._window.look()
            if is_open and self._shown and self._words() != self._words_shown:
                is_open = self._show(self._window, self._shown)
        return is_open and not self._controls.quitting

    def _words(self) -> tuple[frozenset[str], list[str]]:
        """What is switched on, and the message, if its time is not over."""
        return self._controls.on, [self._message] if self._message and self._clock() < self._message_ends else []

    def _show(self, window: Window, frame: Frame) -> bool:
        self._shown, self._words_shown = frame, self._words()
        on, message = self._words_shown
        window.fill_screen("fullscreen" in on)
        lines = help_lines() if "help" in on else self._meter.lines() if "statistics" in on else []
        if not (message or lines):
            return window.write(frame)
        image = draw_lines(legible(frame.image), lines, "middle" if "help" in on else "top")
        return window.write(frame.with_image(draw_lines(image, message, "bottom")))

    def _show_in_words(self) -> None:
        """What a window would show, in the terminal: once, for it does not go away there."""
        for switch, lines in (("help", help_lines), ("statistics", self._meter.lines)):
            if switch in self._controls.on:
                self._controls.do(switch, False)
                for line in lines():
                    self._say(line)

    def _record(self, frame: Frame) -> None:
        wanted = "record" in self._controls.on
        if wanted and self._recorder is None and self._open_recorder:
            try:
                self._recorder, self._recorded = self._open_recorder(None), 0
                self._announce(f"recording to {self._recorder.target}")
            except LivestyleError as error:
                self._controls.do("record", False)
                self._announce(f"no recording: {error}")
        elif not wanted and self._recorder:
            self.close()
        if self._recorder:
            self._recorder.write(frame)
            self._recorded += 1
            if self._recorder.failed:
                self._controls.do("record", False)
                self.close()

    def _save_picture(self, frame: Frame) -> None:
        if self._controls.screenshots == self._screenshots:
            return
        self._screenshots = self._controls.screenshots
        target = file_for_now(".png")
        try:
            write_image(frame.image, target)
            self._announce(f"saved {target}")
        except LivestyleError as error:
            self._announce(str(error))

    def _announce(self, line: str) -> None:
        self.tell(line)
        self._say(line)

    def close(self) -> None:
        """Finishes the recording. Twice is fine."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        recorder.close()
        if recorder is self._asked:
            self.failed = recorder.failed
        lost = f", {recorder.dropped} frames forgotten" if recorder.dropped else ""
        done = f"recorded {recorder.target}{lost}" if self._recorded else f"{recorder.target}: no frame to record came"
        self._announce(recorder.failed or done)


def file_for_now(suffix: str) -> Path:
    """A new file in the present folder, named after the time of day."""
    from .media.recorder import next_free

    return next_free(Path(f"livestyle-{datetime.now():%Y%m%d-%H%M%S}{suffix}"))
