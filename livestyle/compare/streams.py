"""What goes with the picture of two films: sound, subtitles, chapters, cover, attachments, metadata."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from av.stream import Disposition

from ..media.languages import three_letters
from ..media.streams_tags import OUTDATED
from .check import Check, check, skipped
from .facts import Facts
from .picture import milliseconds, moved_by, tick_of
from .tracks import Text, Track, furthest_off, heard, same_packets

_ISO = (".mp4", ".m4v", ".mov")
_KEPT_BY_MP4 = ("title", "artist", "album", "comment", "genre", "date", "copyright")  # what QuickTime has a name for
_WORD_TICK = Fraction(1, 100)  # ASS's, the coarsest of the text formats
_CHAPTER_TICK = Fraction(1, 1000)
# ISO 639-2 has two codes for some languages, and Matroska wants the other ones.
_TWINS = {
    **{"alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld"},
    **{"fre": "fra", "geo": "kat", "ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri"},
    **{"may": "msa", "per": "fas", "rum": "ron", "slo": "slk", "tib": "bod", "wel": "cym"},
}


def stream_checks(a: Facts, b: Facts) -> Iterator[Check]:
    """Everything but the picture."""
    if b.only_pictures:
        yield skipped("all else", "such files hold pictures only")
        return
    yield _sound(a, b)
    yield from _syncs(a, b)
    yield _subtitles(a, b)
    yield _chapters(a, b)
    yield _same_things("cover", a.covers, b.covers, must=b.path.suffix.lower() in (".mp4", ".m4v", ".mkv"))
    yield _same_things("attachments", a.attachments, b.attachments, must=b.path.suffix.lower() == ".mkv")
    yield _metadata(a, b)
    yield _dispositions(a, b)
    yield _faststart(b.path)


def _language(track: Track) -> str:
    language = three_letters(track.language)
    return _TWINS.get(language, language)


def _sound(a: Facts, b: Facts) -> Check:
    if not a.sound and not b.sound:
        return skipped("sound", "there is none")
    if len(a.sound) != len(b.sound):
        return check("sound", False, f"{len(a.sound)} tracks -> {len(b.sound)}")
    pairs = list(zip(a.sound, b.sound, strict=True))
    for number, (before, after) in enumerate(pairs, 1):
        if _language(before) != _language(after):
            return check("sound", False, f"track {number}: language {before.language} -> {after.language}")
        if before.codec == after.codec and before.digest != after.digest:
            detail = f"{before.packets} packets -> {after.packets}, not the same bytes"
            return check("sound", False, f"track {number}: {before.codec}, {detail}")
        if (late := _late_packet(a, b, before, after)) is not None:
            return check("sound", False, f"track {number}: {late}")
    again = [f"{before.codec} -> {after.codec}" for before, after in pairs if before.codec != after.codec]
    if again:
        return check("sound", False, f"encoded again: {', '.join(again)}", must=False)
    codecs = ", ".join(f"{track.codec} {track.language}" for track in a.sound)
    return check("sound", True, f"{codecs}; {sum(track.packets for track in a.sound)} packets, identical")


def _late_packet(a: Facts, b: Facts, before: Track, after: Track) -> str | None:
    """A packet that is not at its time, in words, though the ends, which have checks of their own, are."""
    if not (same_packets(before, after) and before.pts and len(before.pts) == len(after.pts)):
        return None
    moved, allowed = after.pts[0] * after.tick - before.pts[0] * before.tick, 2 * max(before.tick, after.tick)
    off, number = furthest_off(before, after, moved)
    at_end = after.pts[-1] * after.tick - before.pts[-1] * before.tick - moved
    return f"packet {number} moved by {milliseconds(off)}" if abs(off) > allowed >= abs(at_end) else None


def _syncs(a: Facts, b: Facts) -> Iterator[Check]:
    """Sound against picture, at both ends of the film: within a tick, or a packet if the packets are others."""
    names = ("sync at start", "sync at end")
    if not (a.sound and b.sound and a.times and b.times):
        why = "there is no sound" if not a.sound else "one of the films has no sound or no timestamps"
        yield from (skipped(name, why) for name in names)
        return
    pairs = list(zip(a.sound, b.sound, strict=False))
    spans = [_spans(a, b, number, *pair) for number, pair in enumerate(pairs)]
    for at, name in enumerate(names):
        worst, fits = Fraction(0), True
        for (before, after), span in zip(pairs, spans, strict=True):
            moments = [one[at] for one in span]
            if moments[0] is None or moments[1] is None:
                continue
            off = (moments[1] - b.times[at]) - (moments[0] - a.times[at])
            fits &= abs(off) <= _fineness(before, after) + tick_of(a, b)
            worst = max(worst, off, key=abs)
        yield check(name, fits, f"sound moved by {milliseconds(worst)} against the picture" if worst else "unmoved")


def _fineness(before: Track, after: Track) -> Fraction:
    """How exactly a sound track's ends are known."""
    if same_packets(before, after):
        return max(before.tick, after.tick)
    return max(before.longest, after.longest)


def _spans(
    a: Facts, b: Facts, number: int, before: Track, after: Track
) -> list[tuple[Fraction | None, Fraction | None]]:
    """When a track starts and ends in either film: by its packets where they are the same, else by what decodes.

    The end is the last packet's beginning where all are the same: not every container tells how long that one is.
    """
    if same_packets(before, after) and before.pts and after.pts:
        return [(track.start, track.pts[-1] * track.tick) for track in (before, after)]
    if before.codec == after.codec:
        return [(track.start, track.end) for track in (before, after)]
    return [heard(film.path, number) for film in (a, b)]


def _subtitles(a: Facts, b: Facts) -> Check:
    if not a.subtitles and not b.subtitles:
        return skipped("subtitles", "there are none")
    if len(a.subtitles) != len(b.subtitles):
        return check("subtitles", False, f"{len(a.subtitles)} tracks -> {len(b.subtitles)}")
    for number, (before, after) in enumerate(zip(a.subtitles, b.subtitles, strict=True), 1):
        if _language(before) != _language(after):
            return check("subtitles", False, f"track {number}: language {before.language} -> {after.language}")
        if (problem := _difference_of_texts(before, after, moved_by(a, b))) is not None:
            return check("subtitles", False, f"track {number}: {problem}")
    codecs = [
        before.codec if before.codec == after.codec else f"{before.codec} -> {after.codec}"
        for before, after in zip(a.subtitles, b.subtitles, strict=True)
    ]
    return check("subtitles", True, f"{', '.join(codecs)}; {sum(track.packets for track in a.subtitles)} entries")


def _difference_of_texts(a: Track, b: Track, moved: Fraction) -> str | None:
    if not a.texts and not b.texts:  # pictures
        return None if a.digest == b.digest else "not the same bytes"
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
    if len(before) == len(after) and before != after:
        lost.add("titles of tracks")
        must |= lost if not iso else set()
    if lost:
        return check("metadata", False, f"lost or changed: {', '.join(sorted(lost))}", must=bool(must))
    kept = len(told) + sum(map(bool, before))
    return check("metadata", True, f"{kept} entries") if kept else skipped("metadata", "there is none")


def _titles(film: Facts) -> list[str]:
    return [film.title, *(track.title for track in film.sound + film.subtitles)]


def _dispositions(a: Facts, b: Facts) -> Check:
    """The flags of each track; mp4 has a name for few of them and always has a default."""
    wanted, found = (
        [film.disposition, *(track.disposition for track in film.sound + film.subtitles)] for film in (a, b)
    )
    if len(wanted) != len(found):
        return skipped("flags", "the tracks are not the same")
    detail = ", ".join(f"{_flags(x)} -> {_flags(y)}" for x, y in zip(wanted, found, strict=True) if x != y)
    must = b.path.suffix.lower() == ".mkv" and a.path.suffix.lower() not in _ISO
    return check("flags", wanted == found, detail or ", ".join(map(_flags, wanted)), must=must)


def _flags(number: int) -> str:
    names = [flag.name or "" for flag in Disposition if number & flag]
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
