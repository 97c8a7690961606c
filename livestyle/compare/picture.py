"""The picture of two films: times, shape and colour tags, and on request the colours themselves."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from ..media.orientation import Orientation
from ..media.size import Size
from .check import Check, check, skipped
from .facts import Facts

_UNSPECIFIED, _RGB, _BT601 = 2, 0, (5, 6)  # H.273; the two of bt601 are the same numbers
_FCC = 4  # a matrix
_GIF_GAP = Fraction(1, 50)  # seconds
HDR = {16: "PQ", 18: "HLG"}  # transfer functions
_NAMES = {1: "bt709", 4: "bt470m", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020c", 13: "srgb"}


def picture_checks(a: Facts, b: Facts) -> Iterator[Check]:
    """All that can be told about the pictures without looking at them."""
    yield check("frames", a.frames == b.frames, _pair(_frames(a), _frames(b)), must=not _is_thinned(a, b))
    yield _timestamps(a, b)
    yield _duration(a, b)
    yield _rate(a, b)
    yield _size(a, b)
    aspects = [1 / f.sample_aspect if f.orientation.swapped else f.sample_aspect for f in (a, b)]
    shapes = _pair(*(f"{one.numerator}:{one.denominator}" for one in aspects))
    counts = b.path.suffix.lower() in (".mkv", ".webm")  # the whole pixels of what is shown
    rounding = Fraction(1, min(b.size)) if counts and b.frames else Fraction(0)
    yield check("pixel shape", abs(aspects[1] / aspects[0] - 1) <= rounding, shapes, must=not b.only_pictures)
    yield _colour(a, b)


def _pair(before: object, after: object) -> str:
    """Both, or one of them if they read the same."""
    return str(before) if str(before) == str(after) else f"{before} -> {after}"


def _frames(film: Facts) -> str:
    return f"{film.frames}, {film.damaged} packets damaged" if film.damaged else str(film.frames)


def _is_thinned(a: Facts, b: Facts) -> bool:
    """Whether a gif has to leave pictures out: players show them a fiftieth of a second apart and no closer."""
    return b.path.suffix.lower() == ".gif" and b.frames < a.frames and _gaps(a)[0] < _GIF_GAP


def tick_of(a: Facts, b: Facts) -> Fraction:
    """How fine both films can tell time: the coarser tick."""
    return max(a.tick, b.tick)


def moved_by(a: Facts, b: Facts) -> Fraction:
    """How many seconds later all of `b` may be than `a`: as much as `a` starts before zero, or nothing."""
    off = b.times[0] - a.times[0] if a.times and b.times else Fraction(0)
    return min(Fraction(0), a.before_zero, key=lambda moved: abs(off - moved))


def milliseconds(seconds: Fraction) -> str:
    """A difference as people read it."""
    return f"{float(seconds * 1000):+.3g} ms" if seconds else "0"


def _timestamps(a: Facts, b: Facts) -> Check:
    if not a.pts or not b.pts:
        return skipped("timestamps", f"{(b if a.pts else a).path.name} has none")
    if _is_thinned(a, b):
        return skipped("timestamps", "a gif has room for 50 pictures a second")
    worst, at, moved = Fraction(0), 0, _moved(a, b)
    for index, (before, after) in enumerate(zip(a.pts, b.pts, strict=False)):
        off = after * b.tick - before * a.tick - moved
        if abs(off) > abs(worst):
            worst, at = off, index
    first, last = (after - before - moved for before, after in zip(a.times, b.times, strict=True))
    detail = f"first {milliseconds(first)}, last {milliseconds(last)}, worst {milliseconds(worst)}"
    if moved > 0:
        detail += f", all moved by {milliseconds(moved)}: the film starts before zero"
    if moved < 0:
        detail += f", all moved by {milliseconds(moved)}: a gif starts at zero"
    allowed = tick_of(a, b)
    fits = abs(worst) <= allowed and abs(last) <= allowed
    return check("timestamps", fits, detail if fits else f"{detail} at frame {at}; allowed {milliseconds(allowed)}")


def _moved(a: Facts, b: Facts) -> Fraction:
    """What a render must be moved by: no container shows what is before zero, and a gif starts there."""
    return -a.times[0] if b.path.suffix.lower() == ".gif" else moved_by(a, b)


def _duration(a: Facts, b: Facts) -> Check:
    lengths = [_length(film) for film in (a, b)]
    if None in lengths:
        return skipped("duration", "there are no timestamps")
    before, after = (length or Fraction(0) for length in lengths)
    # The last frame's end is a guess in many containers.
    allowed = max(_gaps(a)[1], _gaps(b)[1]) + tick_of(a, b)
    return check("duration", abs(after - before) <= allowed, _pair(f"{float(before):.3f} s", f"{float(after):.3f} s"))


def _length(film: Facts) -> Fraction | None:
    if not film.times:
        return None
    first, last = film.times
    return last - first + (film.last_length or _gaps(film)[1])


def _gaps(film: Facts) -> tuple[Fraction, Fraction]:
    """The shortest and the longest time between two frames, in seconds; none for a single frame."""
    shortest = longest = None
    for before, after in pairwise(film.pts):
        gap = after - before
        shortest = gap if shortest is None else min(shortest, gap)
        longest = gap if longest is None else max(longest, gap)
    return (shortest or 0) * film.tick, (longest or 0) * film.tick


def _rate(a: Facts, b: Facts) -> Check:
    if len(a.pts) < 3 or len(b.pts) < 3:
        return skipped("rate", "too few frames with timestamps")
    kinds, names = [], []
    for film in (a, b):
        shortest, longest = _gaps(film)
        kinds.append("constant" if longest - shortest <= tick_of(a, b) else "variable")
        seconds = film.times[1] - film.times[0]
        names.append(f"{kinds[-1]}, {float((len(film.pts) - 1) / seconds):.3f} fps" if seconds > 0 else kinds[-1])
    return check("rate", kinds[0] == kinds[1], _pair(*names))


def _size(a: Facts, b: Facts) -> Check:
    detail = _pair(a.upright, b.upright)
    if b.orientation != Orientation():
        return check("size", False, f"{detail}, to be turned by the player")
    even = is_padded(a.upright, b.upright)
    told = (" (padded to even)" if even else "") + (", turned" if a.orientation != Orientation() else "")
    return check("size", even or a.upright == b.upright, detail + told)


def is_padded(before: Size, after: Size) -> bool:
    """Whether only an odd side was made even."""
    return after == (before.width + before.width % 2, before.height + before.height % 2) != before


def _colour(a: Facts, b: Facts) -> Check:
    detail = _pair(_tags(a), _tags(b))
    if b.only_pictures:
        return skipped("colour", f"{detail}: such pictures have no tags")
    if a.transfer in HDR and b.transfer not in HDR:
        tagged = _UNSPECIFIED not in (b.transfer, b.matrix)
        how = "tone-mapped" if tagged else "not tagged"
        return check("colour", False, f"{detail}; {how}", must=not tagged)
    kept = all(
        before in (_UNSPECIFIED, _RGB) or before == after or (before in _BT601 and after in _BT601)
        for before, after in ((_matrix(a), _matrix(b)), (a.primaries, b.primaries), (a.transfer, b.transfer))
    )
    return check("colour", kept, detail)


def _matrix(film: Facts) -> int:
    """Its number; for FCC's that of bt601, which differs by a thousandth and is what a render is tagged with."""
    return _BT601[0] if film.matrix == _FCC else film.matrix


def _tags(film: Facts) -> str:
    if film.matrix == film.primaries == film.transfer == _UNSPECIFIED:
        matrix = "untagged"
    else:
        numbers = (film.matrix, film.primaries, film.transfer)
        names = ["RGB" if film.matrix == _RGB else _name(film.matrix), *map(_name, numbers[1:])]
        names[2] = HDR.get(film.transfer, names[2])
        matrix = names[0] if len(set(names)) == 1 else "/".join(names)
    return f"{matrix} {'full' if film.full_range else 'limited'}"


def _name(number: int) -> str:
    return "-" if number == _UNSPECIFIED else _NAMES.get(number, str(number))
