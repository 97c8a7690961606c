"""`config.toml`: a user's own defaults for the options of the command line, which always wins.

    style = "wave"        # any long option, for every command that has it
    device = "cpu"

    [cam]                 # for one command only
    camera = 2
    mirror = true

The commands themselves say which keys there are and which values fit; there is no second list.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from .errors import InputError

_WITHOUT = ("doctor", "completion")  # they must work when the file does not: one of them says what is wrong with it


def settings_file() -> Path:
    """Where the settings are; need not exist. `LIVESTYLE_HOME` overrides the platform's place."""
    home = os.environ.get("LIVESTYLE_HOME")
    if home:
        return Path(home) / "config.toml"
    from platformdirs import user_config_path

    return user_config_path("livestyle") / "config.toml"


def use_settings(context: click.Context) -> None:
    """Makes the settings the defaults of the command about to run. Call it from the group's own function."""
    name, group = context.invoked_subcommand, context.command
    asks_help = not set(context.help_option_names).isdisjoint(sys.argv[1:])
    if isinstance(group, click.Group) and name and name not in _WITHOUT and not asks_help:
        context.default_map = load_settings(group, only=name)


def load_settings(group: click.Group, *, only: str | None = None) -> dict[str, Any]:
    """The settings as click's `default_map`: {command: {parameter: value}}; empty without a file.

    Args:
        group: the command line, whose commands say which keys there are.
        only: the one command whose values are checked and given; None for all. Keys are always all checked.

    Raises InputError, one line with the file and the key, for what cannot be used.
    """
    file = settings_file()
    if not file.exists():
        return {}
    if not file.is_file():  # a pipe would be waited for
        raise InputError(f"{file}: no file; put it aside, and write settings into a file of that name")
    table = _read(file)
    options = {name: dict(_options(command)) for name, command in group.commands.items()}
    _check_keys(file, table, options)
    return {name: _of_command(file, table, group.commands[name]) for name in ([only] if only else options)}


def _of_command(file: Path, table: Mapping[str, Any], command: click.Command) -> dict[str, Any]:
    name, options, loaded = command.name, dict(_options(command)), {}
    section = table.get(name or "")
    own = section if isinstance(section, dict) else {}
    shared = {key: value for key, value in table.items() if not isinstance(value, dict)}
    for key, value in (shared | own).items():  # a command's own table wins
        option = options.get(_word(key))
        if option is not None and option.name is not None:
            place = f"{file}: [{name}] {key}" if key in own else f"{file}: {key}"
            loaded[option.name] = _value(place, command, option, value)
    return loaded


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        text = file.read_text(encoding="utf-8-sig")  # Windows' Notepad begins a file with a mark
        return tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise InputError(f"{file}: lists in lists without end; write settings as key = value") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        reason = str(error).replace("at end of document", f"at line {len(text.splitlines())}, the last")
        raise InputError(f"{file}: {reason}; write settings as key = value, text in quotes") from error


def _options(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    for param in command.params:
        if isinstance(param, click.Option) and param.expose_value:
            yield from ((_word(name), param) for name in param.opts if name.startswith("--"))


def _word(key: str) -> str:
    return key.lstrip("-").replace("_", "-")


def _check_keys(file: Path, table: Mapping[str, Any], options: Mapping[str, Mapping[str, click.Option]]) -> None:
    everywhere = {key for keys in options.values() for key in keys}
    for key, value in table.items():
        if isinstance(value, dict):
            if key not in options:
                raise InputError(f"{file}: no command [{key}]; {_near(key, options)}")
            for inner in value:
                if _word(inner) not in options[key]:
                    raise InputError(f"{file}: [{key}] has no option '{inner}'; {_near(inner, options[key])}")
        elif key in options:
            raise InputError(f"{file}: '{key}' is a command; write its options below a line [{key}]")
        elif _word(key) not in everywhere:
            raise InputError(f"{file}: no command has an option '{key}'; {_near(key, everywhere)}")


def _near(key: str, names: Iterator[str] | Mapping[str, Any] | set[str]) -> str:
    known = sorted(names)
    near = difflib.get_close_matches(_word(key), known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known) or 'none'}"


def _value(place: str, command: click.Command, option: click.Option, value: Any) -> Any:
    """The value as it would be typed; checked by the option's own type."""
    if option.is_flag and not option.count and option.is_bool_flag:
        if isinstance(value, bool):
            return value
        raise InputError(f"{place} = {value!r}: write true or false")
    many = option.multiple or option.nargs != 1
    typed = [_typed(place, option, one) for one in (value if isinstance(value, list) and many else [value])]
    given: Any = typed if many else typed[0]
    try:
        option.type_cast_value(click.Context(command), given)
    except click.BadParameter as error:
        raise InputError(f"{place} = {value!r}: {error.message}") from error
    return given


def _typed(place: str, option: click.Option, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(
            f"{place} = {value!r}: write what --{_word(place.rsplit(maxsplit=1)[-1])} takes, text in quotes"
        )
    return os.path.expanduser(value) if isinstance(value, str) and isinstance(option.type, click.Path) else str(value)
