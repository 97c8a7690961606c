"""What is the user's own: the folder, the settings, the styles; and the styles that ship."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, StyleError
from .finding import Finding
from .system import System


def folder(system: System) -> list[Finding]:
    """Whether the user's own folders can be written; they are not made here."""
    from ..settings import settings_file
    from ..styles import user_folder

    places = dict.fromkeys([user_folder().parent, settings_file().parent])
    for place in places:
        standing = next((one for one in (place, *place.parents) if system.exists(str(one))), place)
        if not system.may_write(str(standing)):
            fix = f'sudo chown -R "$USER" "{standing}"   # or set LIVESTYLE_HOME to another folder'
            return [Finding("own folder", "problem", f"{standing} cannot be written", fix)]
    return [Finding("own folder", "ok", ", ".join(map(str, places)))]


def settings(_: System) -> list[Finding]:
    """Whether config.toml, if there is one, holds options and values of ours."""
    from ..cli import cli  # which knows what settings there are
    from ..settings import load_settings, settings_file

    file = settings_file()
    try:
        loaded = load_settings(cli)
    except InputError as error:
        return [Finding("settings", "problem", str(error), f'correct it, or put it aside: mv "{file}" "{file}.old"')]
    if not file.exists():
        return [Finding("settings", "ok", f"none; they would be in {file}")]
    names = dict.fromkeys(name for values in loaded.values() for name in values)
    return [Finding("settings", "ok", f"{file}: {', '.join(names) or 'empty'}")]


def styles(_: System) -> list[Finding]:
    """Whether each style file, shipped and own, passes its checks."""
    from ..styles import find, own, shipped

    one_each = {style.network: name for name, style in shipped().items()}
    try:
        for name in one_each.values():
            find(name)
    except StyleError as error:
        return [Finding("styles", "problem", str(error), "pip install --force-reinstall --no-deps livestyle")]
    detail = f"{len(shipped())} in {len(one_each)} file{'s' if len(one_each) > 1 else ''}, checked"
    bad = [finding for name, path in own().items() if (finding := _own(name, path))]
    return [Finding("styles", "ok", f"{detail}; {len(own()) - len(bad)} of your own"), *bad]


def _own(name: str, path: Path) -> Finding | None:
    from ..artifact import inspect

    try:
        inspect(path)
    except StyleError as error:
        return Finding(
            f"style {name}", "warning", str(error), f'export it again, or put it aside: mv "{path}" "{path}.old"'
        )
    return None
