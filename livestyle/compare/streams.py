"""What goes with the picture of two films: sound, subtitles, chapters, cover, attachments, metadata."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from av.stream import Disposition

from ..media.streams import MP4_COVERS
from ..media.streams_tags import OUTDATED, marks_in, own_marks
from .check import Check, check, skipped
from .facts import Facts
from .picture import milliseconds, moved_by
from .room import fits, kind_of
from .sound import lost_language, sound_check, sync_checks
from .tracks import Text, Track, furthest_off, same_packets

_ISO = (".mp4", ".m4v", ".mov")
_KEPT_BY_MP4 = ("title", "artist", "album", "comment", "genre", "date", "copyright")  # what QuickTime has a name for
_WORD_TICK = Fraction(1, 100)  # ASS's, the coarsest of the text formats
_CHAPTER_TICK = Fraction(1, 1000)


def stream_checks(a: Facts, b: Facts) -> Iterator[Check]:
    """Everything but the picture."""
    if b.only_pictures:
        yield skipped("all else", "such files hold pictures only")
        return
    yield sound_check(a, b)
    yield from sync_checks(a, b)
    yield _subtitles(a, b)
    yield _chapters(a, b)
    yield _covers(a, b)
    yield _same_things("attachments", a.attachments, b.attachments, must=b.path.suffix.lower() == ".mkv")
    yield _metadata(a, b)
    yield _dispositions(a, b)
    yield _faststart(b.path)


def _subtitles(a: Facts, b: Facts) -> Check:
    if not a.subtitles and not b.subtitles:
        return skipped("subtitles", "there are none")
    wanted = a.subtitles
    if len(wanted) != len(b.subtitles):
        wanted = [track for track in wanted if track.texts or fits(a.path, track.index, b.path)]
    left_out = len(a.subtitles) - len(wanted)
    if len(wanted) != len(b.subtitles):
        return check("subtitles", False, f"{len(a.subtitles)} tracks -> {len(b.subtitles)}")
    for number, (before, after) in enumerate(zip(wanted, b.subtitles, strict=True), 1):
        if lost_language(before, after, b.path):
            return check("subtitles", False, f"track {number}: language {before.language} -> {after.language}")
        if (problem := _difference_of_texts(before, after, moved_by(a, b))) is not None:
            return check("subtitles", False, f"track {number}: {problem}")
    if left_out:
        return check("subtitles", False, f"{left_out} of pictures left out: no room for them", must=False)
    codecs = [
        before.codec if before.codec == after.codec else f"{before.codec} -> {after.codec}"
        for before, after in zip(a.subtitles, b.subtitles, strict=True)
    ]
    return check("subtitles", True, f"{', '.join(codecs)}; {sum(track.packets for track in a.subtitles)} entries")


def _difference_of_texts(a: Track, b: Track, moved: Fraction) -> str | None:
    if not a.texts and not b.texts:
        return _difference_of_pictures(a, b, moved)
    grain = max(a.tick, b.tick, _WORD_TICK)
    if b.codec == "mov_text" and b.texts and _overlap(a.texts) and _shows_the_same(a.texts, b.texts, moved, grain):
        return None
    if len(a.texts) != len(b.texts):
        return f"{len(a.texts)} entries -> {len(b.texts)}"
    for number, (before, after) in enumerate(zip(a.texts, b.texts, strict=True), 1):
        if before[2].split() != after[2].split():
            return f"entry {number}: '{' '.join(before[2].split())}' -> '{' '.join(after[2].split())}'"
        if abs(after[0] - before[0] - moved) > grain or abs(after[1] - before[1]) > grain:
            return f"entry {number}: {float(before[0]):.3f} s, {float(before[1]):.3f} s long -> " + (
                f"{float(after[0]):.3f} s, {float(after[1]):.3f} s long"
            )
    return None


def _difference_of_pictures(a: Track, b: Track, moved: Fraction) -> str | None:
    if not same_packets(a, b):
        return "not the same bytes"
    off, number = furthest_off(a, b, moved)
    return f"entry {number} moved by {milliseconds(off)}" if abs(off) > max(a.tick, b.tick) else None


def _overlap(texts: list[Text]) -> bool:
    """Whether two are shown at once: mp4 has one at a time and cuts them into pieces, of which some say both."""
    ordered = sorted(texts)
    return any(start + length > following[0] for (start, length, _), following in pairwise(ordered))


def _shows_the_same(before: list[Text], after: list[Text], moved: Fraction, grain: Fraction) -> bool:
    """Whether the same words are shown from the same moments on."""
    wanted, found = _shown(before, grain), _shown(after, grain)
    return len(wanted) == len(found) and all(
        words == others and abs(moment - start - moved) <= grain
        for (start, words), (moment, others) in zip(wanted, found, strict=True)
    )


def _shown(texts: list[Text], grain: Fraction) -> list[tuple[Fraction, list[str]]]:
    """All words shown at once and since when, whenever they change for longer than the grain."""
    coming = deque(sorted(texts, key=lambda text: text[0]))
    moments = sorted({moment for start, length, _ in texts for moment in (start, start + length)})
    now: list[Text] = []
    shown: list[tuple[Fraction, list[str]]] = []
    for moment, following in pairwise([*moments, moments[-1] + 2 * grain]):
        while coming and coming[0][0] <= moment:
            now.append(coming.popleft())
        now = [text for text in now if text[0] + text[1] > moment]
        words = [word for *_, text in now for word in text.split()]
        if following - moment > grain and (not shown or shown[-1][1] != words):
            shown.append((moment, words))
    return shown


def _chapters(a: Facts, b: Facts) -> Check:
    if not a.chapters and not b.chapters:
        return skipped("chapters", "there are none")
    if len(a.chapters) != len(b.chapters):
        return check("chapters", False, f"{len(a.chapters)} -> {len(b.chapters)}")
    lost = ""
    for number, (before, after) in enumerate(zip(a.chapters, b.chapters, strict=True), 1):
        if before[2] != after[2]:
            return check("chapters", False, f"chapter {number}: '{before[2]}' -> '{after[2]}'")
        moved = [abs(y - x - moved_by(a, b)) > _CHAPTER_TICK for x, y in zip(before[:2], after[:2], strict=True)]
        told = f"chapter {number}: {_span(before)} -> {_span(after)}"
        # In mp4 the first one starts at zero, and each ends where the next one starts.
        if any(moved) and (b.path.suffix.lower() not in _ISO or (moved[0] and number > 1)):
            return check("chapters", False, told)
        lost = lost or (told if any(moved) else "")
    return check("chapters", not lost, lost or str(len(a.chapters)), must=False)


def _span(chapter: tuple[Fraction, Fraction, str]) -> str:
    return f"{float(chapter[0]):.3f} to {float(chapter[1]):.3f} s"


def _covers(a: Facts, b: Facts) -> Check:
    """In mp4 there is room for some kinds of picture, in mov and webm for none."""
    fitting = [cover for codec, cover in a.covers if kind_of(b.path) != "mp4" or codec in MP4_COVERS]
    found = [cover for _, cover in b.covers]
    must = kind_of(b.path) in ("mp4", "matroska") and found != fitting
    return _same_things("cover", [cover for _, cover in a.covers], found, must=must)


def _same_things(name: str, before: list[str] | list[tuple[str, str]], after: object, *, must: bool) -> Check:
    if not before and not after:
        return skipped(name, "there is none")
    same = before == after
    return check(name, same, f"{len(before)}, the same bytes" if same else f"{len(before)} -> other", must=must)


def _metadata(a: Facts, b: Facts) -> Check:
    iso = b.path.suffix.lower() in _ISO
    told = {key: value for key, value in a.metadata.items() if not OUTDATED.fullmatch(key)}
    lost = {key for key, value in told.items() if b.metadata.get(key) != value}
    must = {key for key in lost if key in _KEPT_BY_MP4 or not iso}
    before, after = _titles(a), _titles(b)
    if len(before) == len(after) and any(x and x != y for x, y in zip(before, after, strict=True)):
        lost.add("titles of tracks")
        must.add("titles of tracks")
    if lost:
        return check("metadata", False, f"lost or changed: {', '.join(sorted(lost))}", must=bool(must))
    kept = len(told) + sum(map(bool, before))
    return check("metadata", True, f"{kept} entries") if kept else skipped("metadata", "there is none")


def _titles(film: Facts) -> list[str]:
    return [film.title, *(track.title for track in film.sound + film.subtitles)]


def _dispositions(a: Facts, b: Facts) -> Check:
    """The flags of each track; mp4 always has a default, and most containers a name for few of them."""
    wanted, found = (
        [
            own_marks(Disposition(it))
            for it in (film.disposition, *(track.disposition for track in film.sound + film.subtitles))
        ]
        for film in (a, b)
    )
    if len(wanted) != len(found):
        return skipped("flags", "the tracks are not the same")
    detail = ", ".join(f"{_flags(x)} -> {_flags(y)}" for x, y in zip(wanted, found, strict=True) if x != y)
    kept = marks_in(kind_of(b.path))
    if {a.path.suffix.lower(), b.path.suffix.lower()} & set(_ISO):
        kept &= ~Disposition.default
    must = any((x ^ y) & kept for x, y in zip(wanted, found, strict=True))
    return check("flags", wanted == found, detail or ", ".join(map(_flags, wanted)), must=must)


def _flags(marks: Disposition) -> str:
    names = [flag.name or "" for flag in Disposition if marks & flag]
    return "+".join(names) or "none"


def _faststart(path: Path) -> Check:
    """Whether an mp4 can be played while it loads."""
    if path.suffix.lower() not in _ISO:
        return skipped("faststart", "not an mp4")
    order = [box for box in boxes(path) if box in ("moov", "mdat")]
    return check("faststart", order[:1] == ["moov"], " before ".join(order) or "no moov")


def boxes(path: Path) -> Iterator[str]:
    """The names of an mp4's top boxes, in their order, as far as they make sense."""
    with open(path, "rb") as file:
        end = path.stat().st_size
        at = 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:  # the real one follows
                size = int.from_bytes(head[8:], "big")
            yield head[4:8].decode("latin-1")
            if size < 8:  # 0 is up to the end
                return
            at += size
