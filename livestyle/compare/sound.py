"""The sound of two films: the packets, and their times against the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ..media.languages import three_letters
from ..media.streams_tags import language_in
from .check import Check, check, skipped
from .facts import Facts
from .picture import milliseconds, tick_of
from .room import fits, kind_of
from .tracks import Track, furthest_off, heard, same_packets

_MOST_CHANNELS = 8  # of AAC, FLAC and Opus; a render mixes more of them down
# ISO 639-2 has two codes for some languages, and Matroska wants the other ones.
_TWINS = {
    **{"alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld"},
    **{"fre": "fra", "geo": "kat", "ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri"},
    **{"may": "msa", "per": "fas", "rum": "ron", "slo": "slk", "tib": "bod", "wel": "cym"},
}


def sound_check(a: Facts, b: Facts) -> Check:
    """Whether each track is there, packet for packet where it fits."""
    if not a.sound and not b.sound:
        return skipped("sound", "there is none")
    if len(a.sound) != len(b.sound):
        return check("sound", False, f"{len(a.sound)} tracks -> {len(b.sound)}")
    pairs = list(zip(a.sound, b.sound, strict=True))
    for number, pair in enumerate(pairs, 1):
        if (problem := _difference(*pair, b.path)) is not None:
            return check("sound", False, f"track {number}: {problem}")
    if again := [pair for pair in pairs if pair[0].codec != pair[1].codec and not same_packets(*pair)]:
        needless = [before.codec for before, _ in again if fits(a.path, before.index, b.path)]
        detail = f"encoded again: {', '.join(f'{before.codec} -> {after.codec}' for before, after in again)}"
        room = f"; there is room for {', '.join(needless)}" if needless else ""
        return check("sound", False, detail + room, must=bool(needless))
    codecs = ", ".join(f"{track.codec} {track.language}" for track in a.sound)
    return check("sound", True, f"{codecs}; {sum(track.packets for track in a.sound)} packets, identical")


def _difference(before: Track, after: Track, target: Path) -> str | None:
    """What is wrong with a track, in words."""
    if lost_language(before, after, target):
        return f"language {before.language} -> {after.language}"
    if before.codec == after.codec and before.digest != after.digest:
        return f"{before.codec}, {before.packets} packets -> {after.packets}, not the same bytes"
    if before.codec != after.codec and before.channels != after.channels and before.channels <= _MOST_CHANNELS:
        return f"{before.channels} channels -> {after.channels}"
    return _late_packet(before, after)


def _late_packet(before: Track, after: Track) -> str | None:
    """A packet that is not at its time, in words, though the ends, which have checks of their own, are."""
    if not (same_packets(before, after) and before.pts and len(before.pts) == len(after.pts)):
        return None
    moved, allowed = after.pts[0] * after.tick - before.pts[0] * before.tick, 2 * max(before.tick, after.tick)
    off, number = furthest_off(before, after, moved)
    at_end = after.pts[-1] * after.tick - before.pts[-1] * before.tick - moved
    return f"packet {number} moved by {milliseconds(off)}" if abs(off) > allowed >= abs(at_end) else None


def lost_language(before: Track, after: Track, target: Path) -> bool:
    """Whether a track is not in its language any more, though the target has a code for it."""
    if after.language == "und" and not language_in(kind_of(target), before.language):
        return False
    return _language(before) != _language(after)


def _language(track: Track) -> str:
    language = three_letters(track.language)
    return _TWINS.get(language, language)


def sync_checks(a: Facts, b: Facts) -> Iterator[Check]:
    """Sound against picture, at both ends of the film: within a tick, or a packet if the packets are others."""
    names = ("sync at start", "sync at end")
    if not (a.sound and b.sound and a.times and b.times):
        why = "there is no sound" if not a.sound else "one of the films has no sound or no timestamps"
        yield from (skipped(name, why) for name in names)
        return
    pairs = list(zip(a.sound, b.sound, strict=False))
    spans = [_spans(a, b, *pair) for pair in pairs]
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


def _spans(a: Facts, b: Facts, before: Track, after: Track) -> list[tuple[Fraction | None, Fraction | None]]:
    """When a track starts and ends in either film: by its packets where they are the same, else by what decodes.

    Those count by their beginnings: not every container tells how long the last is, or what of the first is silent.
    """
    if same_packets(before, after) and before.pts and after.pts:
        return [(track.pts[0] * track.tick, track.pts[-1] * track.tick) for track in (before, after)]
    if before.codec == after.codec:
        return [(track.start, track.end) for track in (before, after)]
    return [heard(film.path, track.index) for film, track in ((a, before), (b, after))]
