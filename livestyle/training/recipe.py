"""Recipes: TOML files that say how a network is made, by the words of `livestyle train`'s own options.

net = "lite"              # any long option; what is given on the command line wins
iterations = 6400

[net-options]             # of the network
width = 32

[[painting]]              # once a style
name = "starry"
file = "starry_night"     # the picture's name without its suffix; default: the style's name
stroke = 1.4
style-weight = 4          # where it begins; where it stays, without `content`
content = 0.7             # a content loss to reach
dots = 100                # a weight against spots where a photo has none
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data import find_pictures
from ..errors import InputError

FOLDER = Path(__file__).parents[1] / "styles" / "recipes"
_WORDS = ("name", "file")  # of a painting
_TYPED = {"content_loss": "content", "dot_weight": "dots"}  # option: key of a painting
_LARGEST = 1e6
_NUMBERS = {"stroke": (0.25, 4.0), "style-weight": (1e-6, _LARGEST), "content": (1e-6, _LARGEST), "dots": (0, _LARGEST)}


@dataclass(frozen=True)
class Recipe:
    """A recipe as read: its options by their long names, and a table for each painting."""

    name: str
    options: dict[str, Any]
    net_options: dict[str, Any]
    paintings: tuple[dict[str, Any], ...]

    def with_typed(self, options: Mapping[str, Any]) -> Recipe:
        """The recipe with what these options, by their names, say of every painting."""
        said = {key: options[option] for option, key in _TYPED.items() if option in options}
        return replace(self, paintings=tuple(row | said for row in self.paintings))

    def files(self, pictures: Sequence[Path]) -> list[Path]:
        """The picture of each painting, by its name without suffix. Raises InputError for those that are missing."""
        by_stem = {path.stem.casefold(): path for path in pictures}
        wanted = [str(row.get("file", row["name"])) for row in self.paintings]
        missing = [name for name in wanted if name.casefold() not in by_stem]
        if missing:
            raise InputError(
                f"recipe {self.name}: no picture for {', '.join(missing)}; give them with --paintings FOLDER, "
                f"named so (with any suffix of a picture)"
            )
        return [by_stem[name.casefold()] for name in wanted]


def load_recipe(name: str) -> Recipe:
    """A recipe by the name it ships under, or by its file. Raises InputError, one line, if it cannot be used."""
    path = FOLDER / f"{name}.toml"
    if name.endswith(".toml") or not path.is_file():
        path = Path(name)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = sorted(file.stem for file in FOLDER.glob("*.toml"))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}, or give a .toml file"
        raise InputError(f"no recipe '{name}'; {hint}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a recipe ({error})") from error
    paintings, net_options = table.pop("painting", []), table.pop("net-options", {})
    if not isinstance(net_options, dict):
        raise InputError(f"{path}: net-options = {net_options!r}; write a table, [net-options]")
    if not (isinstance(paintings, list) and all(isinstance(row, dict) for row in paintings)):
        raise InputError(f"{path}: painting = {paintings!r}; write a table for each, [[painting]]")
    for row in paintings:
        _check(path, row)
    return Recipe(path.stem, table, net_options, tuple(paintings))


def _check(path: Path, row: dict[str, Any]) -> None:
    if "name" not in row:
        raise InputError(f"{path}: a [[painting]] without a name")
    for key, value in row.items():
        fits = (key in _WORDS and isinstance(value, str)) or (key in _NUMBERS and type(value) in (int, float))
        if not fits:
            allowed = f"{', '.join(_WORDS)} (text), {', '.join(_NUMBERS)} (numbers)"
            raise InputError(f"{path}: [[painting]] {row['name']}: {key} = {value!r}; there are {allowed}")
        if key in _NUMBERS and not _NUMBERS[key][0] <= value <= _NUMBERS[key][1]:
            least, most = _NUMBERS[key]
            raise InputError(f"{path}: [[painting]] {row['name']}: {key} = {value!r}; from {least:g} to {most:g}")


def pictures_of(given: Sequence[Path], folder: Path | None) -> list[Path]:
    """The paintings named one by one, then those below a folder."""
    return [*given, *(find_pictures(folder) if folder else [])]
