"""The zoo: the styles that ship in the package, and those in the user's folder."""

from __future__ import annotations

import difflib
import os
import shutil
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OutputError, StyleError

if TYPE_CHECKING:
    from ..artifact import Artifact, Code

_FOLDER = Path(__file__).parent
BESIDE = (".card.html", ".preview.png", ".curves.png")  # what `livestyle train` leaves beside a style
_MEANT = "+:#/\\"  # signs that mean something in `--style`
_LONGEST = 200  # bytes of a name: the names of what lies beside a style, or is being written, are longer
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # a name that ends so is no mistyped style


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

    @property
    def dated(self) -> str:
        """The year as people write it."""
        return str(self.year) if self.year >= 1000 else f"AD {self.year}"

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
    files = (path for path in sorted(user_folder().glob("*.onnx")) if path.name[0] != "." and path.is_file())
    return {path.stem: path for path in files}


def own_styles() -> dict[str, Path]:
    """Every style of the user's by what `--style` takes: `mine`, and `mine#other` for the further ones of a network
    of many. A file that cannot be used is named all the same."""
    from ..artifact import inspect

    styles = {}
    for name, path in own().items():
        styles[name] = path
        try:
            codes = list(inspect(path).codes)
        except StyleError:
            continue
        styles |= {f"{name}#{code}": path for code in codes[1:]}
    return styles


def check_name(name: str) -> None:
    """Raises StyleError for a name that `--style` could not be given."""
    odd = [sign for sign in name if sign in _MEANT or not sign.isprintable()]
    if odd or not name.strip() or name != name.strip() or name.startswith("."):
        raise StyleError(
            f"'{name}' cannot be the name of a style: it must not be empty, begin with a dot, begin or end with a "
            f"space or hold {' '.join(_MEANT)}; choose one with --name"
        )
    check_length(name)


def check_length(name: str) -> None:
    """Raises StyleError for a name too long to be that of a style's file."""
    if len(os.fsencode(name)) > _LONGEST:
        raise StyleError(f"'{name[:20]}...' is too long for the name of a style: {_LONGEST} bytes at most")


def check_free(name: str, *, overwrite: bool = False) -> None:
    """Raises StyleError if a style of the user's cannot have this name; with `overwrite`, it may have had it before."""
    check_name(name)
    if name in shipped() or name == "none":
        raise StyleError(f"style '{name}': one of this name comes with livestyle; choose another with --name")
    if name in own() and not overwrite:
        raise StyleError(f"style '{name}': you have one of this name; choose another with --name, or add --overwrite")


def add(file: Path, name: str | None = None, *, overwrite: bool = False) -> Path:
    """Copies a style file into the user's folder, once it has passed the checks. Raises StyleError or OutputError."""
    from ..artifact import inspect

    name = file.stem if name is None else name
    inspect(file)
    check_free(name, overwrite=overwrite)
    target = user_folder() / f"{name}.onnx"
    temporary = target.with_name(f".{name}.{os.getpid()}.part.onnx")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, temporary)
        # What was checked is what is kept, whatever became of the file meanwhile.
        _try(inspect(temporary), file)
        os.replace(temporary, target)
    except shutil.SameFileError:
        raise StyleError(f"{file}: is there already") from None
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _try(artifact: Artifact, file: Path) -> None:
    """Runs a style on a small picture. Raises StyleError, which names `file`, if it does not."""
    import numpy as np

    from ..backend import OnnxBackend

    code = next(iter(artifact.codes.values()), None)
    try:
        OnnxBackend(artifact, device="cpu", threads=1)(np.zeros((64, 64, 3), np.uint8), code, 1.0)
    except StyleError as error:
        raise StyleError(str(error).replace(str(artifact.path), str(file))) from error


def remove(name: str) -> list[Path]:
    """Removes a style of the user's and what lies beside it; what was removed. Raises StyleError or OutputError."""
    if name not in own():
        raise StyleError(f"style '{name}': {_not_own(name)}")
    folder = user_folder()
    files = [path for path in (folder / f"{name}{suffix}" for suffix in (".onnx", *BESIDE)) if path.is_file()]
    try:
        for path in files:
            path.unlink()
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed ({error.strerror})") from error
    return files


def _not_own(name: str) -> str:
    if name in shipped():
        return "comes with livestyle and cannot be removed"
    near = difflib.get_close_matches(name, list(own()), n=1)
    return f"you have none of that name; did you mean '{near[0]}'?" if near else "you have none of that name"


def path_of(name: str) -> Path:
    """The file of a style. Raises StyleError if there is none."""
    if name == "none":
        raise StyleError("style 'none': it has no file, for it leaves pictures as they are")
    return find(name)[0].path


def find(name: str) -> tuple[Artifact, Code | None]:
    """The network and the code of a style: a name in the zoo or the user's folder, `file.onnx`, `file.onnx#name`,
    `mine#name` for one of many in a file of the user's, or a picture, whose code is predicted.

    Raises StyleError, with the nearest name, if there is none; InputError for a picture that cannot be read.
    """
    from ..artifact import inspect  # numpy: listing names, as shells do at every tab, needs none

    if name in shipped():
        style = shipped()[name]
        artifact = inspect(_FOLDER / f"{style.network}.onnx")
        return artifact, artifact.codes.get(name)
    if name in own():
        return _from_file(own()[name], None)
    file, hash_, chosen = name.rpartition("#")
    if hash_ and file in own():
        return _from_file(own()[file], chosen)
    path = Path(name)
    if hash_ and file.lower().endswith(".onnx") and not os.path.isfile(name):
        return _from_file(Path(file), chosen)
    if path.suffix.lower() == ".onnx":
        return _from_file(path, None)
    if path.suffix.lower() == ".pt":
        raise StyleError(f"{name}: a .pt file is a program and is not run; ask for the .onnx file")
    if path.suffix.lower() in _PICTURES or os.path.isfile(name):
        from ..predict import predict

        return predict(path)
    names = {known.lower(): known for known in ("none", *shipped(), *own())}
    near = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"; did you mean '{names[near[0]]}'?" if near else "."
    raise StyleError(f"style '{name}': there is none of that name{hint} List them: livestyle styles")


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
