"""What `livestyle train` does: options to a configuration, training, export, and the style's card."""

from __future__ import annotations

import errno
import importlib.util
import json
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..artifact import inspect
from ..errors import InputError, LivestyleError, MissingExtra, OutputError
from ..media.writer import check_target
from ..predict import NETWORK, SIDE, predict_code
from ..styles import check_free, check_length, check_name, user_folder

try:
    import torch
    from safetensors import SafetensorError
    from torch import nn

    from exporters.from_onnx import load_lite, load_network
    from exporters.predictor import export_predictor
    from exporters.to_onnx import export_codes, export_onnx

    from ..data import STROKE_SIZE, load_painting, painting_notes
    from ..losses import LossWeights, Perceptual
    from ..nets.johnson import Johnson
    from ..nets.lite import Lite
    from ..nets.predictor import Predicted
    from ..nets.vgg import load_loss_network
    from .card import write_card
    from .config import Facts, Painting, TrainConfig, Watcher
    from .curves import Logs, write_curves
    from .loop import train
    from .plan import Talk, Watchers, name_of
    from .preview import Preview, to_images
    from .recipe import Recipe, load_recipe, pictures_of
    from .state import alone, read_checkpoint
    from .team import Team, gathered

    if importlib.util.find_spec("onnxscript") is None:  # the export imports it, when all is learnt
        raise ModuleNotFoundError(name="onnxscript")
except ModuleNotFoundError as error:
    extra = "cpu" if error.name == "onnxruntime" else "train"
    raise MissingExtra("livestyle train", error.name or "torch", extra) from error

T = TypeVar("T")
Say = Callable[[str], object]
QUALITY = {"draft": 1.0, "good": 2.0, "best": 15.0}  # minutes
STARTS = {"lite": NETWORK, "predictor": NETWORK, "johnson": NETWORK.with_name("starry-johnson.onnx")}  # what ships
_FIRST_STYLE_WEIGHT = 3.0
_PATIENCE, _AGAIN = 600.0, 5.0  # seconds that a full disk is waited for, and from one try to the next
_NOTED = 12  # lines about paintings
_COMPARED = 10.0  # seconds for the comparison with Gatys, or a tenth of the training's if that is more


@dataclass(frozen=True)
class Files:
    """Where the results go: the style, what lies beside it, and the checkpoint."""

    style: Path
    checkpoint: Path
    is_own_checkpoint: bool  # in the user's folder: it goes when the style is there

    def beside(self, suffix: str) -> Path:
        """A file of the same name, such as `mine.card.html`."""
        return self.style.with_suffix(suffix)

    def clear(self) -> None:
        """Removes the checkpoint if it is ours: the style is there."""
        if self.is_own_checkpoint:
            self.checkpoint.unlink(missing_ok=True)


def run_training(
    *,
    say: Say,
    command: Sequence[str] = (),
    recipe: Recipe | None = None,
    out: Path | None = None,
    half: bool = False,
    overwrite: bool = False,
    start: Path | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    logs: Path | None = None,
    licence: str | None = None,
    **options: Any,
) -> Path | None:
    """Trains, exports and gives back the style file; None in all processes of a team but the first.

    `options` are as for `make_config`. Raises InputError, OutputError, TrainingError or ExportError.
    """
    config = make_config(recipe=recipe, **options)
    if (recipe or config.net == "predictor") and not out:
        out = Path(f"{recipe.name if recipe else config.net}.onnx")  # what ships is in the styles' folder already
    style = out or user_folder() / f"{config.paintings[0].name}.onnx"
    with gathered() as team, alone(checkpoint or _own_checkpoint(style)) if team.leads else nullcontext():
        files = find_files(style, out, checkpoint, overwrite=overwrite, resume=resume, team=team)
        start = _starting_file(start, config, recipe)
        if config.codes_only and (start is None or config.net == "johnson"):
            if options["codes_only"]:
                raise InputError("--codes-only: there is no network for the code; give a lite one with --start")
            config = replace(config, codes_only=False)  # a draft of a network of its own
        first = _start(start, config)
        if isinstance(first, Lite | Johnson):
            config = replace(config, net_options={k: v for k, v in first.config.items() if k != "styles"})
        report = Report(config, files, say if team.leads else lambda line: None, logs if team.leads else None)
        with report.hint_how_to_go_on():
            trained = train(config, start=first, checkpoint=files.checkpoint, watcher=report.watchers)
            if not team.leads:
                return None
            names = [painting.name for painting in config.paintings]
            about = _about(config, report, recipe, licence)
            say("writing the style, checking it, and measuring it for its card")
            write = partial(_export, trained, config, files.style, start, names, about=about, half=half)
            _insist(write, files, report.talk.step, say)
        files.clear()
        if not isinstance(trained, Predicted):
            report.finish(names, {"licence": licence or "not given", "command": made_by(command, team.size)})
    return files.style


def made_by(command: Sequence[str], processes: int) -> str:
    """The line that makes it again: without --resume, for there is nothing to go on with."""
    torchrun = ["torchrun", "--nproc-per-node", str(processes), "-m", "livestyle.cli"]
    words = [word for word in command if word != "--resume"]
    return shlex.join([*(torchrun if processes > 1 else ["livestyle"]), *words])


def _insist(write: Callable[[], None], files: Files, step: int, say: Say) -> None:
    """Writes the style. If the disk is full and took no checkpoint of this step either, it is tried for minutes."""
    until, told = time.monotonic() + _PATIENCE, False
    while True:
        try:
            write()
            return
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if not full or _is_kept(files.checkpoint, step) or time.monotonic() > until:
                raise OutputError(f"{files.style}: cannot be written ({error.strerror or error})") from error
            if not told:
                say(
                    f"note: {files.style}: cannot be written ({error.strerror}), nor could the checkpoint; make room: "
                    f"it is tried again for {_PATIENCE / 60:.0f} minutes"
                )
            told = True
            time.sleep(_AGAIN)


def _is_kept(checkpoint: Path, step: int) -> bool:
    try:
        return int(read_checkpoint(checkpoint).words["step"]) >= step
    except (OSError, SafetensorError, KeyError, ValueError):
        return False


def _export(
    net: nn.Module,
    config: TrainConfig,
    target: Path,
    start: Path | None,
    names: Sequence[str],
    *,
    about: dict[str, str],
    half: bool,
) -> None:
    name = target.stem
    if isinstance(net, Predicted):
        export_predictor(net.predictor, target, about=about)
        return
    if isinstance(net, Lite) and config.codes_only and start and not config.keep_color and _is_of(net, start):
        codes = dict(zip(names, torch.split(net.codes.detach(), 1), strict=True))
        export_codes(start, target, name=name, codes=codes, about=about)
        return
    styles, keep = names if isinstance(net, Lite) else (), config.keep_color
    export_onnx(net, target, name=name, kind=config.net, styles=styles, about=about, half=half, keep_color=keep)


def _is_of(net: Lite, start: Path) -> bool:
    """Whether it is the very network of the file: one resumed from a training of the whole network is not."""
    held = load_lite(start).state_dict()
    return all(torch.equal(value, held[name]) for name, value in net.state_dict().items() if name != "codes")


def make_config(
    *,
    paintings: Sequence[Path],
    paintings_folder: Path | None,
    recipe: Recipe | None,
    names: Sequence[str],
    strokes: Sequence[float],
    style_weights: Sequence[float],
    content_loss: float,
    dot_weight: float,
    loss_networks: Sequence[str],
    width: int | None,
    tv_weight: float,
    temporal_weight: float,
    quality: str | None,
    iterations: int | None,
    minutes: float | None,
    codes_only: bool | None,
    **numbers: Any,
) -> TrainConfig:
    """The configuration that options and recipe ask for; `numbers` are the fields of TrainConfig of the same names."""
    pictures = pictures_of(paintings, paintings_folder)
    chosen = recipe.files(pictures) if recipe and recipe.paintings else pictures
    rows = recipe.paintings if recipe else ()
    net_options = {**(recipe.net_options if recipe else {}), **({"width": width} if width else {})}
    if numbers.get("net") == "predictor":
        names = [str(number) for number in range(len(chosen))]  # the files may be called anything
    if iterations is None and minutes is None:
        minutes = QUALITY[quality or "good"]
    if iterations is not None:
        numbers["iterations"] = iterations
    return TrainConfig(
        paintings=_paintings(chosen, rows, names, strokes, style_weights, content_loss, dot_weight),
        loss_networks=tuple(loss_networks),
        net_options=net_options,
        losses=LossWeights(tv=tv_weight, temporal=temporal_weight),
        minutes=minutes,
        codes_only=quality == "draft" if codes_only is None else codes_only,
        **numbers,
    )


def _paintings(
    pictures: Sequence[Path],
    rows: Sequence[dict[str, Any]],
    names: Sequence[str],
    strokes: Sequence[float],
    style_weights: Sequence[float],
    content_loss: float,
    dot_weight: float,
) -> tuple[Painting, ...]:
    """What is given as options goes before what the recipe's rows say."""
    rows = rows or [{}] * len(pictures)
    names = names or [str(row.get("name", path.stem)) for row, path in zip(rows, pictures, strict=True)]
    if twice := {name for name in names if list(names).count(name) > 1}:
        raise InputError(f"--name: '{min(twice)}' is the name of more than one painting; give each its own")
    if len(names) != len(pictures):
        raise InputError(f"--name: given {len(names)} times, for paintings: {len(pictures)}; give each its own")
    for name in names:
        check_name(name)
    strokes = _each(strokes or [float(row.get("stroke", 1.0)) for row in rows], pictures, "--stroke")
    goals = [row.get("content", None if "style-weight" in row else content_loss) for row in rows]
    first = [float(row.get("style-weight", _FIRST_STYLE_WEIGHT)) for row in rows]
    if style_weights:
        goals, first = [None] * len(rows), [float(w) for w in _each(style_weights, pictures, "--style-weight")]
    dots = [float(row.get("dots", dot_weight)) for row in rows]
    return tuple(Painting(*row) for row in zip(names, pictures, strokes, first, goals, dots, strict=True))


def _each(values: Sequence[T], paintings: Sequence[Path], option: str) -> Sequence[T]:
    """One value for every painting."""
    if len(values) not in (1, len(paintings)):
        raise InputError(f"{option}: {len(values)} values for {len(paintings)} paintings; give one, or one each")
    return values if len(values) == len(paintings) else [values[0]] * len(paintings)


def _own_checkpoint(style: Path) -> Path:
    return user_folder().parent / "training" / f"{style.stem}.safetensors"


def find_files(
    style: Path, out: Path | None, checkpoint: Path | None, *, overwrite: bool, resume: bool, team: Team
) -> Files:
    """Where the results are to go. Raises OutputError or InputError if they cannot, or would replace what counts."""
    if out is None:
        check_free(style.stem, overwrite=overwrite)
        style.parent.mkdir(parents=True, exist_ok=True)
    check_length(style.stem)
    check_target(style, None, overwrite=overwrite, suffixes=(".onnx",))
    if checkpoint:
        return Files(style, checkpoint, False)
    place = _own_checkpoint(style)
    if resume and not place.exists():
        raise InputError(f"--resume: there is no unfinished training of '{style.stem}'")
    if place.exists() and not resume:
        if not overwrite:
            raise InputError(
                f"there is an unfinished training of '{style.stem}': add --resume to go on with it, "
                f"or --overwrite to begin anew"
            )
        if team.leads:
            place.unlink()
    return Files(style, place, True)


class Report:
    """Tells and shows how a training goes, and writes what lies beside the style in the end."""

    def __init__(self, config: TrainConfig, files: Files, say: Say, logs: Path | None) -> None:
        self.files, self._say, self._config = files, say, config
        self.preview = Preview(files.beside(".preview.png"), keep_color=config.keep_color)
        self._told = ForTheCard()
        self.talk = Talk(config, say, self._lines())
        self._logs = [Logs(logs)] if logs else []
        self.watchers = Watchers(self.talk, self.preview, self._told, *self._logs)

    def _lines(self) -> list[str]:
        paintings = self._config.paintings
        notes = [f"note: {line}" for one in paintings for line in painting_notes(one.path, stroke=one.stroke)]
        rest = len(notes) - _NOTED
        more = [f"note: {rest} more of this kind"] if rest > 0 else []
        return [*notes[:_NOTED], *more, f"preview: {self.preview.path}"]

    @contextmanager
    def hint_how_to_go_on(self) -> Iterator[None]:
        """For an interruption, or a full disk."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit, OutputError):
            if self.files.checkpoint.exists():
                how = "and --resume" if self.files.is_own_checkpoint else "again"
                self._say(f"stopped after step {self.talk.step}; to go on, give the same command {how}")
            raise

    def finish(self, names: Sequence[str], facts: dict[str, str]) -> None:
        """Writes curves and card, which are no reason to fail."""
        history, card, told = self.talk.history, self.files.beside(".card.html"), self._told
        networks = ", ".join(Path(name).stem for name in self._config.loss_networks)
        facts = {**losses_of_the_best(history), "loss networks": networks, **facts}
        try:
            write_card(
                card, self.files.style, names, stills=told.stills, losses=told.losses,
                keep_color=self._config.keep_color, seconds=max(_COMPARED, told.seconds / 10), facts=facts,
            )  # fmt: skip
            self._say(f"card: {card}")
            if others := names[1:]:
                style = self.files.style
                at = style.stem if style.parent == user_folder() else style
                self._say("its other styles: " + ", ".join(f"{at}#{name}" for name in others))
            if history:
                write_curves(history, self.files.beside(".curves.png"))
        except LivestyleError as error:
            self._say(f"note: {error}")
        for broken in (self.preview.broken, *(one.broken for one in self._logs)):
            if broken:
                self._say(f"note: {broken}")


class ForTheCard(Watcher):
    """Remembers photos kept aside, the losses at the end, and the seconds it took."""

    def begun(self, facts: Facts, examples: torch.Tensor) -> None:
        """Keeps the photos as images."""
        self.stills, self._began = to_images(examples)[:8], time.monotonic()

    def ended(self, perceptual: Perceptual) -> None:
        """Keeps the losses."""
        self.losses, self.seconds = perceptual, time.monotonic() - self._began


def losses_of_the_best(history: Sequence[dict[str, float]]) -> dict[str, str]:
    """For the card: of the weights that were kept, which only the look itself knows; totals are by the weights then."""
    if not history:
        return {}
    best = next((row for row in reversed(history) if row.get("best")), history[-1])
    losses = {f"{name} loss": f"{best[name]:.4f}" for name in ("style", "content", "temporal") if name in best}
    return {**losses, "training": f"{history[-1]['step']:g} iterations"}


def _starting_file(start: Path | None, config: TrainConfig, recipe: Recipe | None) -> Path | None:
    """What ships, for a network of the usual shape and for a predictor; None to begin from nothing."""
    if start and not start.exists() and (ships := NETWORK.with_name(f"{start}.onnx")).is_file():
        return ships
    if config.net == "predictor" or not (recipe or config.net_options):
        start = start or STARTS[config.net]
    return None if start == Path("none") else start


def _start(path: Path | None, config: TrainConfig) -> Lite | Predicted | Johnson | None:
    """The network of a style file.

    A style that a lite holds keeps its code; a new one begins with what is predicted for its painting or, in a network
    that does not ship, with the mean of all.
    """
    if path is None and config.net == "predictor":
        raise InputError("--net predictor: give the lite style file it is to serve with --start")
    if path is None:
        return None
    if config.net == "johnson":
        net = load_network(path)
        if not isinstance(net, Johnson):
            raise InputError(f"--start {path}: not a johnson network; give one, or leave --net johnson out")
        return net
    held = load_lite(path)
    if config.net == "predictor":
        pictures = [load_painting(one.path, stroke=SIDE / STROKE_SIZE) for one in config.paintings]
        return Predicted(held, load_loss_network("small"), pictures)
    rows = dict(zip(inspect(path).codes, held.codes.detach(), strict=True))
    mean = held.codes.detach().mean(0)
    ships = inspect(path).network == inspect(NETWORK).network
    for painting in config.paintings:
        if painting.name not in rows:
            rows[painting.name] = _guess(painting.path) if ships else mean
    net = Lite(len(config.paintings), **{key: value for key, value in held.config.items() if key != "styles"})
    codes = torch.stack([rows[painting.name] for painting in config.paintings])
    net.load_state_dict({**held.state_dict(), "codes": codes})
    return net


def _guess(painting: Path) -> torch.Tensor:
    """(K,), the code predicted for a painting, however large."""
    (picture,) = to_images(load_painting(painting, stroke=SIDE / STROKE_SIZE))
    return torch.from_numpy(predict_code(picture))[0]


def _about(config: TrainConfig, report: Report, recipe: Recipe | None, licence: str | None) -> dict[str, str]:
    """Metadata: the configuration without this machine's folders."""
    told = asdict(config)
    told["photos"] = name_of(config.photos) if config.photos else "brought along"
    told["loss_networks"] = [Path(name).stem for name in config.loss_networks]
    for row in told["paintings"]:
        row["path"] = Path(row["path"]).name
    if config.net == "predictor":
        told["paintings"] = len(config.paintings)  # their names say nothing
    about = {"config": json.dumps(told, default=str), "training": f"{report.talk.step} iterations"}
    about |= {"recipe": recipe.name} if recipe else {}
    return about | ({"licence": licence} if licence else {})


__all__ = ["QUALITY", "load_recipe", "make_config", "run_training"]
