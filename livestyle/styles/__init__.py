"""The zoo: the styles that ship in the package, and those in the user's folder."""

from __future__ import annotations

import difflib
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StyleError

if TYPE_CHECKING:
    from ..artifact import Artifact, Code

_FOLDER = Path(__file__).parent
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Style:
    """A row of the styles table.

    Attributes:
        name: what `--style` takes.
        painting, painter, year: what it is after.
        painting_licence: of the painting.
        licence: of the weights.
        network: the style file it is in; many styles share one.
        kind: `lite` or `johnson`.
        data: what the network was trained on.
        command: how it was trained.
        lighter: the style after the same painting that a camera falls back to where this one is too slow; or empty.
    """

    name: str
    painting: str
    painter: str
    year: int
    painting_licence: str
    licence: str
    network: str
    kind: str
    data: str
    command: str
    lighter: str = ""

    def row(self) -> dict[str, str | int]:
        """All of it, as plain values."""
        return asdict(self)


@cache
def shipped() -> dict[str, Style]:
    """The shipped styles by name, in the table's order."""
    import tomllib

    table = tomllib.loads((_FOLDER / "styles.toml").read_text(encoding="utf-8"))
    networks = table["network"]
    return {
        name: Style(
            name=name, **row, **{k: networks[row["network"]][k] for k in ("kind", "licence", "data", "command")}
        )
        for name, row in table["style"].items()
    }


def user_folder() -> Path:
    """Where a user's own styles live; not created here. `LIVESTYLE_HOME` overrides the platform's place."""
    home = os.environ.get("LIVESTYLE_HOME")
    if home:
        return Path(home) / "styles"
    from platformdirs import user_data_path

    return user_data_path("livestyle") / "styles"


def own() -> dict[str, Path]:
    """The user's own style files by name."""
    return {path.stem: path for path in sorted(user_folder().glob("*.onnx"))}


def find(name: str) -> tuple[Artifact, Code | None]:
    """The network and the code of a style: a name in the zoo or the user's folder, `file.onnx` or `file.onnx#name`.

    Raises StyleError, with the nearest name, if there is none.
    """
    from ..artifact import inspect  # numpy: listing names, as shells do at every tab, needs none

    if name in shipped():
        style = shipped()[name]
        artifact = inspect(_FOLDER / f"{style.network}.onnx")
        return artifact, artifact.codes.get(name)
    if name in own():
        return _from_file(own()[name], None)
    file, hash_, chosen = name.partition("#")
    path = Path(file)
    if path.suffix.lower() == ".onnx":
        return _from_file(path, chosen if hash_ else None)
    if path.suffix.lower() in _PICTURES:
        raise StyleError(f"{name}: a picture is not a style yet; learn one from it: livestyle train {name}")
    if path.suffix.lower() == ".pt":
        raise StyleError(f"{name}: a .pt file is a program and is not run; ask for the .onnx file")
    names = ["none", *shipped(), *own()]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise StyleError(f"style '{name}': there is none of that name; {hint}List them: livestyle styles")


def _from_file(path: Path, chosen: str | None) -> tuple[Artifact, Code | None]:
    if not os.path.isfile(path):  # pathlib raises for a long name
        raise StyleError(f"{path}: no such style file")
    from ..artifact import inspect

    artifact = inspect(path)
    if chosen is not None and chosen not in artifact.codes:
        names = ", ".join(artifact.codes) or "a single style, without a name"
        raise StyleError(f"{path}: no style '{chosen}' in it; it holds {names}")
    codes = artifact.codes
    return artifact, codes[chosen] if chosen else next(iter(codes.values()), None)
