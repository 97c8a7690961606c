"""The preview window."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
from collections.abc import Callable
from functools import cache

from ..errors import DeviceError
from ..frame import Frame
from .camera import import_cv2
from .size import Size

# What OpenCV's window toolkits (GTK and Qt, Windows, macOS) call the keys that are no characters.
_NAMED_KEYS = {
    **dict.fromkeys((65361, 2424832, 63234), "left"),
    **dict.fromkeys((65362, 2490368, 63232), "up"),
    **dict.fromkeys((65363, 2555904, 63235), "right"),
    **dict.fromkeys((65364, 2621440, 63233), "down"),
    27: "escape",
    32: "space",
}
LARGEST = Size(1280, 720)  # pixels of a window at first; many screens have 1366x768
_X_PORT, _X_PATIENCE = 6000, 2.0  # the first display's; seconds
MOST_KEYS = 32  # taken at once: one that is held down must not stop the picture
_MODIFIERS = 0xFFFF0000  # Shift, num lock and the like, as GTK adds them above the key


def has_display() -> bool:
    """Whether a window can open here. OpenCV aborts the whole process where none can, so ask first.

    On Linux that needs an X server that listens and lets us in, such as Xwayland: OpenCV's wheel knows no other.
    """
    if sys.platform in ("win32", "darwin"):
        return True
    display, key = (os.environ.get(name, "") for name in ("DISPLAY", "XAUTHORITY"))
    connection = _reached(display)
    if connection is None:
        return False
    with connection:  # open meanwhile: see there
        return _lets_us_in(display, key)


def _reached(display: str) -> socket.socket | None:
    """A connection to what is at the other end of an X display's name, if anything is."""
    named = re.fullmatch(r"(?:unix|(.*))?:(\d+)(?:\.\d+)?", display)
    if named is None:
        return None
    host, number = named[1], int(named[2])
    if host:  # over the network, or by ssh
        return _connected(lambda: socket.create_connection((host, _X_PORT + number), _X_PATIENCE))
    path = f"/tmp/.X11-unix/X{number}"
    return _connected(lambda: _local(path)) or _connected(lambda: _local(f"\0{path}"))


@cache
def _lets_us_in(display: str, key: str) -> bool:
    """Whether an X server takes this user, as another user's does not; True where there is nobody to ask.

    libxcb finds the key by itself: in the file of that name (XAUTHORITY), or at home.
    """
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    # It stays: Xvfb begins anew when its last client goes, and for a moment would refuse the window.
    return not xcb.xcb_connection_has_error(connection)


def _local(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_X_PATIENCE)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _connected(connect: Callable[[], socket.socket]) -> socket.socket | None:
    try:
        return connect()
    except (OSError, OverflowError):
        return None


def opening_size(size: Size) -> Size:
    """The size, or the largest of its shape that fits a small laptop's screen; OpenCV does not tell the real one's."""
    scale = min(1.0, LARGEST.width / size.width, LARGEST.height / size.height)
    return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))


class Window:
    """A resizable window that reports its keys.

    Args:
        title: its name.
        size: of the pictures; the window begins with it if that fits most screens, and the user may change it.
        on_key: called with each key pressed, a character or a name such as `space` or `left`.

    Raises DeviceError where there is no display.
    """

    def __init__(self, title: str, size: Size, *, on_key: Callable[[str], object] = lambda key: None) -> None:
        if not has_display():
            raise DeviceError("window: there is no display here; add --virtual, or run on a desktop")
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # OpenCV's Qt misses its fonts, aloud
        self._cv2, self._title, self._on_key = import_cv2(), title, on_key
        self._full = False
        flags = self._cv2.WINDOW_NORMAL | self._cv2.WINDOW_KEEPRATIO | self._cv2.WINDOW_GUI_NORMAL  # no toolbar
        self._cv2.namedWindow(title, flags)
        self._cv2.resizeWindow(title, *opening_size(size))

    def write(self, frame: Frame) -> bool:
        """Shows a frame and passes the keys on; False once the user has closed the window."""
        self._cv2.imshow(self._title, self._cv2.cvtColor(frame.image, self._cv2.COLOR_RGB2BGR))
        return self.look()

    def look(self) -> bool:
        """Passes on the keys pressed since the last time; False once the user has closed the window."""
        for _ in range(MOST_KEYS):
            code = self._cv2.waitKeyEx(1)
            if code < 0:
                break
            if key := key_name(code):
                self._on_key(key)
        return self._is_open()

    def fill_screen(self, full: bool) -> None:
        """Full screen, or back to a window."""
        if full != self._full:
            mode = self._cv2.WINDOW_FULLSCREEN if full else self._cv2.WINDOW_NORMAL
            self._cv2.setWindowProperty(self._title, self._cv2.WND_PROP_FULLSCREEN, mode)
            self._full = full

    def _is_open(self) -> bool:
        try:
            return bool(self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1)
        except self._cv2.error:  # with Qt there is nobody left to ask once the last window is closed
            return False

    def close(self) -> None:
        """Twice is fine."""
        self._cv2.destroyAllWindows()


def key_name(code: int) -> str | None:
    """A key as `Controls.press` takes it, for a code of OpenCV's waitKeyEx; None for no key."""
    if code < 0:
        return None
    plain = code if code in _NAMED_KEYS else code & ~_MODIFIERS
    if plain in _NAMED_KEYS:
        return _NAMED_KEYS[plain]
    return chr(plain).lower() if 32 < plain < 127 else None
