"""Shell completion: the script a shell loads, and the names it offers for `--style`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .errors import InputError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
_HOW = {
    "bash": 'eval "$(livestyle completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(livestyle completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "livestyle completion fish > ~/.config/fish/completions/livestyle.fish",
}


def completion_script(shell: str, group: click.Group) -> str:
    """The script to load into `bash`, `zsh` or `fish`; its first line says how."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell) if shell in SHELLS else None
    if kind is None:
        raise InputError(f"shell '{shell}': there are {', '.join(SHELLS)}")
    complete = kind(group, {}, "livestyle", "_LIVESTYLE_COMPLETE")
    script = complete.source_template % complete.source_vars()  # its own source() starts the shell to ask its version
    head = "" if shell == "zsh" else f"# {_HOW[shell]}\n"  # zsh's first line must be #compdef
    return f"{head}{script}"


class StyleType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """What `--style` takes: text, checked where it is loaded, so that help and completion stay instant."""

    name = "style"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # type: ignore[type-arg,unused-ignore]
        """Names that begin so, also after the `+` of a mix; files once it looks like a path."""
        from click.shell_completion import CompletionItem

        if "/" in incomplete or "\\" in incomplete or incomplete.startswith((".", "~")):
            return [CompletionItem(incomplete, type="file")]
        before, plus, name = incomplete.rpartition("+")
        return [
            CompletionItem(f"{before}{plus}{known}", help=about)
            for known, about in style_names().items()
            if known.startswith(name)
        ]


def style_names() -> dict[str, str]:
    """All names `--style` knows, and a word on each: the shipped ones, the user's own, `none`."""
    from .styles import own, shipped

    names = {style.name: f"{style.painter}, {style.painting}" for style in shipped().values()}
    return names | dict.fromkeys(own(), "your own") | {"none": "the picture as it is"}
