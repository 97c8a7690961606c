"""What can go wrong, as a tree. Every message says what came, what is allowed and what to do.

LivestyleError            anything livestyle raises on purpose
+-- InputError            a file, name or value that cannot be used
|   +-- StyleError        a style: unknown, damaged or unsafe
|   +-- Stalled           a source that gives nothing for too long
+-- OutputError           a target that cannot be written
+-- TrainingError         a training that leads nowhere: its loss is no number
+-- DeviceError           a device asked for but not to be had: GPU, camera, virtual camera
+-- MissingExtra          an optional package is not installed; the message has the pip command
"""


class LivestyleError(Exception):
    """Base of every error livestyle raises on purpose; its text is one line for the user."""


class InputError(LivestyleError):
    """A file, name or value that cannot be used."""


class StyleError(InputError):
    """A style that is unknown, damaged or unsafe."""


class Stalled(InputError):
    """A source gives nothing for too long; the thread that waits for it is left behind, with what it reads."""


class OutputError(LivestyleError):
    """A target that cannot be written."""


class TrainingError(LivestyleError):
    """A training that leads nowhere."""


class DeviceError(LivestyleError):
    """A device that was asked for but is not to be had."""


class MissingExtra(LivestyleError):
    """An optional package that is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}: pip install 'livestyle[{extra}]'")
