"""`livestyle train`: its options, and what they and a recipe come to."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .cli_options import FILE, FiniteRange, WholeRange, say
from .errors import InputError

if TYPE_CHECKING:
    from .training.recipe import Recipe

CONTENT_GOAL = 0.9  # where paintings are recognised and faces still are; the styles that ship have 0.7 to 1.3
_LENGTHS = ("quality", "minutes", "iterations")  # at most one
_NOT_IN_RECIPES = {"recipe", "paintings", "paintings_folder", "photos", "out", "checkpoint", "resume", "logs"}
_NOT_IN_RECIPES |= {"overwrite", "quiet", "names"}


@click.command()
@click.argument("paintings", nargs=-1, type=FILE)
@click.option("--paintings", "paintings_folder", type=FILE, help="A folder of them, for one network.")
@click.option("--recipe", help="Make a network as this recipe says: the name of one that ships, or a .toml file.")
@click.option(
    "--photos",
    type=FILE,
    help="Photographs to learn on: a folder, a film, or webcam (webcam:1, webcam:NAME), which films for half a minute. "
    "Default: what scikit-image brings, and made-up scenes.",
)
@click.option("--name", "names", multiple=True, help="Each style's name; once a painting. Default: the file's name.")
@click.option("--out", type=FILE, help="Default: in your own styles; a recipe's, in this folder.")
@click.option(
    "--quality",
    type=click.Choice(["draft", "good", "best"]),
    help="How long: 1, 2 or 15 minutes. Default: good. Or:",
)
@click.option("--minutes", type=FiniteRange(0, min_open=True), help="Train for so long.")
@click.option("--iterations", type=WholeRange(1), help="Train for so many steps, the same everywhere.")
@click.option(
    "--patience",
    type=WholeRange(0),
    default=10,
    show_default=True,
    help="Come to an end after so many looks at the photos kept aside (every 100 steps) without progress; 0 never.",
)
@click.option("--resume", is_flag=True, help="Go on with the unfinished training of this name.")
@click.option("--net", type=click.Choice(["lite", "johnson", "predictor"]), default="lite", show_default=True)
@click.option("--width", type=WholeRange(4, 256), help="Channels of a network begun from nothing; default 32.")
@click.option(
    "--loss-network",
    "loss_networks",
    multiple=True,
    default=["small"],
    show_default=True,
    help="small, which ships; vgg16 or vgg19, which torchvision downloads; a .safetensors file. More than once: each "
    "layer from the first that has it.",
)
@click.option(
    "--style-weight",
    "style_weights",
    multiple=True,
    type=FiniteRange(0, min_open=True),
    help="Once, or once a painting. Default: found on the way.",
)
@click.option(
    "--content-loss",
    type=FiniteRange(0, min_open=True),
    default=CONTENT_GOAL,
    show_default=True,
    help="How far from the photo: the style weight that is found is the one which leads here. 1 is bold.",
)
@click.option(
    "--stroke",
    "strokes",
    multiple=True,
    type=FiniteRange(0.25, 4),
    help="Brush size, once or once a painting; default 1.",
)
@click.option(
    "--dot-weight",
    type=FiniteRange(0),
    default=0.0,
    show_default=True,
    help="Against spots where a photo has none, for a painting of foam or stars; 100 leaves few.",
)
@click.option("--keep-color", is_flag=True, help="Learn light and dark alone; pictures keep their own colours.")
@click.option("--tv-weight", type=FiniteRange(0), default=4.0, show_default=True, help="Smoothness.")
@click.option(
    "--temporal-weight",
    type=FiniteRange(0),
    default=100.0,
    show_default=True,
    help="Against flicker, by made motion; 0 does without, in less time.",
)
@click.option("--batch", type=WholeRange(1), default=2, show_default=True)
@click.option("--crop", type=WholeRange(64), default=128, show_default=True, help="Side of a training crop, pixels.")
@click.option(
    "--learning-rate",
    type=FiniteRange(0, min_open=True),
    help="Default: 0.002; from a network that is there 0.001, and 0.08 for codes.",
)
@click.option(
    "--start",
    type=FILE,
    help="The style file to train on from, or whose codes a predictor learns, or the name of a network that ships; its "
    "styles keep theirs. Default for lite and johnson: the one that ships; none: begin from nothing.",
)
@click.option(
    "--codes-only/--whole-network",
    default=None,
    help="Learn the style's code alone, which then mixes with all others of its network. Default with --quality draft.",
)
@click.option("--seed", type=WholeRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--checkpoint",
    type=FILE,
    help="Keep it here, and go on from it if it is there. Default: in your own folder, see --resume.",
)
@click.option("--logs", type=FILE, help="A folder for TensorBoard.")
@click.option("--licence", help="Of the style, for its file and card.")
@click.option("--half", is_flag=True, help="Store the weights in half precision.")
@click.option("--overwrite", is_flag=True, help="Replace an existing style file.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.pass_context
def train(context: click.Context, /, recipe: str | None, **options: Any) -> None:
    """Learn a style from a painting; from many, one network of all their styles.

    Beside the style come a preview, renewed while it learns, loss curves and a page with its measures.
    """
    typed = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    lengths = [name for name in _LENGTHS if name in typed]
    if len(lengths) > 1:
        raise click.UsageError(f"--{lengths[0]} and --{lengths[1]} both say how long; give one of them")
    nothing = click.UsageError("give a painting, or a folder of them with --paintings")
    is_given = options["paintings"] or options["paintings_folder"]
    if not (is_given or recipe):
        raise nothing
    for painting in options["paintings"]:
        if not os.path.exists(painting):  # before torch is loaded, which takes seconds
            raise InputError(f"{painting}: no such file")
    from .training.command import load_recipe, run_training

    quiet = options.pop("quiet")
    followed = load_recipe(recipe).with_typed({name: options[name] for name in typed}) if recipe else None
    if not is_given:
        raise nothing
    if followed:
        options |= _from_recipe(followed, context, typed)
    options |= {name: None for name in _LENGTHS if lengths and name not in lengths}
    target = run_training(say=lambda line: say(line, quiet), command=sys.argv[1:], recipe=followed, **options)
    if target:
        click.echo(str(target))


def _from_recipe(recipe: Recipe, context: click.Context, typed: set[str]) -> dict[str, Any]:
    """The recipe's options, as click would give them, but for those typed. Raises InputError for what is none."""
    params = {opt.removeprefix("--"): p for p in context.command.params for opt in p.opts if opt.startswith("--")}
    found: dict[str, Any] = {}
    for key, value in recipe.options.items():
        param = params.get(key)
        if param is None or param.name is None or param.name in _NOT_IN_RECIPES:
            raise InputError(f"recipe {recipe.name}: '{key}' is not an option a recipe can set")
        if isinstance(param, click.Option) and param.is_flag and not isinstance(value, bool):
            raise InputError(f"recipe {recipe.name}: {key} = {value!r}: write true or false")
        try:
            many = isinstance(param, click.Option) and param.multiple and not isinstance(value, list)
            found[param.name] = param.type_cast_value(context, [value] if many else value)
        except click.BadParameter as error:
            raise InputError(f"recipe {recipe.name}: {key} = {value!r}: {error.message}") from error
    lengths = {name: None for name in _LENGTHS if any(one in found for one in _LENGTHS)}
    return {name: value for name, value in (lengths | found).items() if name not in typed}
