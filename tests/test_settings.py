"""config.toml: defaults for the options, below the command line, and what is said of a wrong one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from livestyle.errors import InputError
from livestyle.settings import load_settings, settings_file, use_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / "config.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


Seen = dict[str, Any]


def make_group(seen: Seen) -> click.Group:
    """Two commands that share options and differ in others."""

    @click.group()
    @click.pass_context
    def group(context: click.Context) -> None:
        use_settings(context)

    style = click.option("--style", default="starry", show_default=True)
    strength = click.option("--strength", type=click.FloatRange(0, 1), default=1.0)

    @group.command()
    @style
    @strength
    @click.option("--camera", default="0")
    @click.option("--mirror/--no-mirror", default=False)
    @click.option("--keep-color", type=float, default=0.0)
    @click.option("--inside", "masked", default="none")
    @click.option("--record", type=click.Path(path_type=Path))
    @click.option("--add", multiple=True)
    def cam(**options: Any) -> None:
        seen.update(options)

    @group.command()
    @style
    @click.option("--frames", type=click.IntRange(10), default=300)
    @click.option("--json", "as_json", is_flag=True)
    def bench(**options: Any) -> None:
        seen.update(options)

    @group.command()
    def doctor() -> None:
        seen["doctor"] = True

    return group


def run(*arguments: str) -> Seen:
    seen: Seen = {}
    make_group(seen).main(list(arguments), prog_name="livestyle", standalone_mode=False)
    return seen


def complaint(command: str = "cam") -> str:
    with pytest.raises(InputError) as caught:
        run(command)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is read


def test_without_a_file_nothing_changes(home: Path) -> None:
    assert load_settings(make_group({})) == {}
    assert run("cam")["style"] == "starry"


def test_the_file_is_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert settings_file() == home / "config.toml"
    monkeypatch.delenv("LIVESTYLE_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert settings_file().name == "config.toml"
    assert settings_file().parent.name == "livestyle"


def test_a_key_counts_for_every_command_that_has_the_option(home: Path) -> None:
    write(home, "style = 'wave'\nstrength = 0.5")
    assert (run("cam")["style"], run("cam")["strength"]) == ("wave", 0.5)
    assert run("bench")["style"] == "wave"
    assert "strength" not in run("bench")


def test_a_table_counts_for_its_command_and_wins_over_the_top(home: Path) -> None:
    write(home, "style = 'wave'\n[cam]\nstyle = 'udnie'")
    assert run("cam")["style"] == "udnie"
    assert run("bench")["style"] == "wave"


def test_the_command_line_wins(home: Path) -> None:
    write(home, "style = 'wave'\n[cam]\nmirror = true")
    assert run("cam", "--style", "none")["style"] == "none"
    assert run("cam")["mirror"] is True
    assert run("cam", "--no-mirror")["mirror"] is False


def test_values_are_those_one_would_type(home: Path) -> None:
    write(home, "[cam]\ncamera = 2\nstrength = 1\nkeep_color = 0.25\nmirror = true\ninside = 'wave'\nadd = ['a', 'b']")
    seen = run("cam")
    assert (seen["camera"], seen["strength"], seen["keep_color"]) == ("2", 1.0, 0.25)
    assert (seen["mirror"], seen["masked"], seen["add"]) == (True, "wave", ("a", "b"))


def test_an_options_own_name_is_the_key_not_the_parameters(home: Path) -> None:
    write(home, "[bench]\njson = true")
    assert run("bench")["as_json"] is True
    write(home, "[bench]\nas_json = true")
    assert "[bench] has no option 'as_json'" in complaint("bench")


def test_a_path_may_begin_at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")
    write(home, "[cam]\nrecord = '~/a.mp4'")
    assert run("cam")["record"] == Path("/home/ada/a.mp4")


def test_a_file_with_notepads_mark_is_read(home: Path) -> None:
    (home / "config.toml").write_bytes(b"\xef\xbb\xbfstyle = 'wave'\r\n")
    assert run("cam")["style"] == "wave"


def test_all_commands_are_loaded_unless_one_is_named(home: Path) -> None:
    write(home, "style = 'wave'\n[bench]\nframes = 20")
    group = make_group({})
    assert load_settings(group) == {"cam": {"style": "wave"}, "bench": {"style": "wave", "frames": "20"}, "doctor": {}}
    assert load_settings(group, only="cam") == {"cam": {"style": "wave"}}


# What is said of a wrong file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stile = 'wave'", "no command has an option 'stile'; did you mean 'style'?"),
        ("[camm]\nstyle = 'wave'", "no command [camm]; did you mean 'cam'?"),
        ("[cam]\nframes = 20", "[cam] has no option 'frames'; there are "),
        ("[cam]\nmiror = true", "[cam] has no option 'miror'; did you mean 'mirror'?"),
        ("help = true", "no command has an option 'help'"),
        ("strength = 2", "strength = 2: 2"),
        ("strength = 'much'", "strength = 'much': 'much' is not a valid"),
        ("[cam]\nstrength = true", "[cam] strength = True: write what --strength takes"),
        ("[cam]\nmirror = 'yes'", "[cam] mirror = 'yes': write true or false"),
        ("[cam]\nmirror = 1", "[cam] mirror = 1: write true or false"),
        ("style = ['wave', 'udnie']", "style = ['wave', 'udnie']: write what --style takes"),
        ("[cam]\ncamera = 2026-01-01", "camera = datetime.date(2026, 1, 1): write what --camera takes"),
        ("[cam]\nadd = [['a']]", "[cam] add = ['a']: write what --add takes"),
        ("[cam.style]\na = 1", "[cam] style = {'a': 1}: write what --style takes"),
        ("[style]\na = 1", "no command [style]; there are bench, cam, doctor"),
        ("cam = 1", "'cam' is a command; write its options below a line [cam]"),
        ("[[cam]]\nstyle = 'wave'", "'cam' is a command; write its options below a line [cam]"),
        (f"style = {'[' * 9999}", "lists in lists without end"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(text: str, said: str, home: Path) -> None:
    path = write(home, text)
    assert complaint().startswith(f"{path}: ")
    assert said in complaint()


@pytest.mark.parametrize(
    ("text", "line"),
    [("style = 'wave'\nsize = = 2", "line 2"), ("style = wave", "line 1"), ("\n\nstyle = '''x\n", "line 3, the last")],
)
def test_broken_toml_is_told_with_its_line(text: str, line: str, home: Path) -> None:
    path = home / "config.toml"
    path.write_text(text, encoding="utf-8")
    assert complaint().startswith(f"{path}: ")
    assert line in complaint()


def test_a_file_that_is_not_text_is_told(home: Path) -> None:
    (home / "config.toml").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8 text" in complaint()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_told_and_not_waited_for(make: Callable[[Path], None], home: Path) -> None:
    make(home / "config.toml")
    assert complaint().startswith(f"{home / 'config.toml'}: no file")


def test_a_wrong_value_for_another_command_does_not_stand_in_the_way(home: Path) -> None:
    write(home, "[bench]\nframes = 1")
    assert run("cam")["style"] == "starry"
    assert "[bench] frames = 1" in complaint("bench")


def test_the_doctor_and_help_answer_with_a_broken_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, "style = wave")
    assert run("doctor") == {"doctor": True}
    monkeypatch.setattr("sys.argv", ["livestyle", "cam", "--help"])
    run("cam", "--help")
    assert "--mirror" in capsys.readouterr().out


# The real command line


def test_without_a_file_reading_the_settings_loads_nothing_heavy() -> None:
    code = "import sys, livestyle.cli as c, livestyle.settings as s\ns.load_settings(c.cli)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "cv2", "av", "onnxruntime", "tomllib"}


def test_the_real_commands_take_settings(home: Path) -> None:
    from livestyle.cli import cli

    write(home, "style = 'wave'\ndevice = 'cpu'\nsize = '640x360'\n[cam]\ncamera = 1")
    loaded = load_settings(cli)
    assert loaded["cam"].items() >= {"style": "wave", "device": "cpu", "size": "640x360", "camera": "1"}.items()
    assert "camera" not in loaded["video"]
    assert loaded["styles"] == {}


@pytest.mark.parametrize("wrong", ["size = '640x'", "size = 0", "device = 'toaster'", "strength = nan"])
def test_the_real_commands_check_settings(wrong: str, home: Path) -> None:
    from livestyle.cli import cli

    path = write(home, wrong)
    with pytest.raises(InputError, match=wrong.split(maxsplit=1)[0]) as caught:
        load_settings(cli)
    assert str(caught.value).startswith(f"{path}: {wrong.split(maxsplit=1)[0]}")


def test_the_program_says_in_one_line_what_is_wrong_and_exits_1(home: Path) -> None:
    write(home, "stile = 'wave'")
    command = [sys.executable, "-m", "livestyle.cli", "cam", "--frames", "1", "--no-window"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "did you mean 'style'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
