"""Titles, languages, chapters and marks: what a film says about itself and its tracks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from .languages import three_letters
from .view import STEREO_WORDS

if TYPE_CHECKING:
    from av.container.core import Chapter

# What describes the old file or its coding: the new file has its own, or none.
OUTDATED = re.compile(
    r"(major_brand|minor_version|compatible_brands|encod(er|ing).*|software|handler_name|vendor_id|rotate|timecode"
    r"|duration|bps|number_of_(frames|bytes)|source_id|_statistics_.*|alpha_mode"
    r"|\w+_(uid|umid|ul)|uid|(company|product)_name|(product|toolkit)_version(_num)?|application_platform"  # of MXF
    r")(-[a-z]{3})?",
    re.IGNORECASE,
)
_MACHINE_NAME = re.compile(r"handler|core media|media file|l-smash|gpac|mainconcept|\x00", re.IGNORECASE)

# The tags that FFmpeg writes for iTunes; QuickTime and Matroska have room for any.
_MP4_NAMES = (
    "title artist album_artist composer album date creation_time comment genre copyright grouping lyrics description "
    "synopsis show episode_id network keywords episode_sort season_number media_type hd_video gapless_playback "
    "compilation track disc location"
)
_MP4_TAGS = frozenset(_MP4_NAMES.split())
_MP4_TRACK_TAGS = frozenset({"title", "language"})

_ROUNDING = Fraction(1, 500)  # seconds

_D = Disposition
_MATROSKA_MARKS = (
    _D.default | _D.dub | _D.original | _D.comment | _D.forced | _D.hearing_impaired | _D.visual_impaired
) | _D.descriptions
_MP4_MARKS = _D.default | _D.dub | _D.comment | _D.forced | _D.hearing_impaired | _D.visual_impaired
_MARKS = {"mov": _D.default, "mp4": _MP4_MARKS, "webm": _D.default | _D.forced}

# QuickTime has a list of languages with one spelling of each, FFmpeg's.
_MAC_SPELLING = {
    "bod": "tib", "cym": "wel", "cze": "ces", "deu": "ger", "ell": "gre", "eus": "baq", "fao": "fo ", "fre": "fra",
    "gle": "iri", "hrv": "hr ", "hye": "arm", "isl": "ice", "kat": "geo", "mkd": "mac", "msa": "may", "mya": "bur",
    "nld": "dut", "rum": "ron", "slo": "slk", "sqi": "alb", "srp": "sr ", "swe": "sve", "zho": "chi",
}  # fmt: skip
_MAC_OTHERS = (
    "eng ita spa dan por nor heb jpn ara fin mlt tur urd hin tha kor lit pol hun est lav rus yid bul ukr bel uzb kaz "
    "aze mol kir tgk tuk mon pus kur kas snd nep san mar ben asm guj mal kan tam tel khm lao vie ind tgl amh tir orm "
    "som swa run mlg epo cat lat que grn aym tat uig dzo jav"
)
_MAC_LANGUAGES = frozenset(_MAC_OTHERS.split()) | frozenset(_MAC_SPELLING.values())


def copy_tags(source: InputContainer, output: OutputContainer, *, later: Fraction = Fraction(0)) -> list[str]:
    """Gives the output the film's own tags and chapters; returns the names of tags it has no room for.

    Chapters come that many seconds later.
    """
    tags = still_true(source.metadata)
    kind = output.format.name
    room = {"mp4": _MP4_TAGS, "gif": frozenset[str]()}.get(kind)
    output.metadata.update({name: text for name, text in tags.items() if room is None or name.lower() in room})
    chapters = source.chapters()
    for chapter in chapters:
        chapter["metadata"] = still_true(chapter["metadata"])
        ticks = round(later / (chapter["time_base"] or 1))
        chapter["start"], chapter["end"] = chapter["start"] + ticks, chapter["end"] + ticks
    if kind != "gif":
        output.set_chapters(chapters)
    lost = _lost_of_chapters(chapters, kind)
    return lost + [name for name in tags if room is not None and name.lower() not in room]


def _lost_of_chapters(chapters: Sequence[Chapter], kind: str) -> list[str]:
    if kind == "gif":
        return ["chapters"] if chapters else []
    if kind == "matroska":
        return []
    tags = dict.fromkeys(name for chapter in chapters for name in chapter["metadata"] if name.lower() != "title")
    lost = [f"{name} of chapters" for name in tags]
    if kind != "webm" and any(_apart(*two) for two in pairwise(sorted(chapters, key=_start))):
        lost.append("chapters that overlap or leave gaps")
    return lost


def _start(chapter: Chapter) -> Fraction:
    return chapter["start"] * (chapter["time_base"] or Fraction(1))


def _apart(before: Chapter, after: Chapter) -> bool:
    """Whether they overlap or leave a gap."""
    return abs(before["end"] * (before["time_base"] or Fraction(1)) - _start(after)) > _ROUNDING


def copy_track_tags(source: Stream, target: Stream) -> list[str]:
    """Gives a track of the output its title, language and marks; returns what it has no room for."""
    kind = target.container.format.name
    tags = _track_tags(source.metadata)
    lost = []
    if kind in ("mov", "mp4"):
        lost = [name for name in tags if name not in _MP4_TRACK_TAGS]
        tags = {name: text for name, text in tags.items() if name in _MP4_TRACK_TAGS}
    if "language" in tags:
        language = tags.pop("language")
        if spelled := language_in(kind, language):
            tags["language"] = spelled
        else:
            lost.append(f"language={language}")
    target.metadata.update(tags)
    marks = own_marks(source.disposition)
    kept = marks & marks_in(kind)
    target.disposition = kept
    return lost + [str(mark.name) for mark in marks & ~kept]


def still_true(metadata: Mapping[str, str]) -> dict[str, str]:
    """The tags that hold for a render too."""
    tags = {name: text for name, text in metadata.items() if not OUTDATED.fullmatch(name)}
    # MPEG-4 tells some twice: location and location-eng.
    return {name: text for name, text in tags.items() if name[-4:-3] != "-" or tags.get(name[:-4]) != text}


def _track_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    tags = {name.lower(): text for name, text in still_true(metadata).items()}
    tags.pop("creation_time", None)  # the film's says when it was shot
    name = tags.pop("name", "") or metadata.get("handler_name", "")  # as MPEG-4 calls a title
    if name and not _MACHINE_NAME.search(name):
        tags.setdefault("title", name)
    if tags.get("stereo_mode") in STEREO_WORDS:
        del tags["stereo_mode"]  # the pictures say it too
    if tags.get("language") == "und":
        del tags["language"]
    return tags


def language_in(kind: str, language: str) -> str:
    """How a container spells a track's language; empty if it has no code for it."""
    if kind not in ("mov", "mp4"):
        return language
    spelled = language if len(language) == 3 else three_letters(language)
    if kind == "mov":
        spelled = _MAC_SPELLING.get(spelled, spelled)
        return spelled if spelled in _MAC_LANGUAGES else ""
    return spelled if len(spelled) == 3 else ""


def marks_in(kind: str) -> Disposition:
    """The marks that a container has a name for."""
    return _MARKS.get(kind, _MATROSKA_MARKS)


def own_marks(marks: Disposition) -> Disposition:
    """The marks without those that follow from another: FFmpeg tells both."""
    if marks & Disposition.hearing_impaired:
        marks &= ~Disposition.captions
    if marks & Disposition.visual_impaired:
        marks &= ~Disposition.descriptions
    return marks
