"""What `livestyle train` does: options to a configuration, training, export."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from .artifact import inspect
from .errors import InputError, MissingExtra
from .media.writer import check_target
from .styles import user_folder

try:
    import torch

    from exporters.from_onnx import load_lite
    from exporters.to_onnx import export_onnx

    from .losses import LossWeights
    from .nets.lite import Lite
    from .train import Painting, Progress, TrainConfig, train
except ModuleNotFoundError as error:
    raise MissingExtra("livestyle train", error.name or "torch", "train") from error

T = TypeVar("T")
_REPORT_EVERY = 50  # steps
_FIRST_STYLE_WEIGHT = 3.0
CONTENT_GOAL = 0.7  # the content loss at which paintings are recognised and faces still are


def run_training(
    *,
    paintings: Sequence[Path],
    photos: Path,
    names: Sequence[str],
    out: Path | None,
    net: str,
    width: int | None,
    loss_networks: Sequence[str],
    style_weights: Sequence[float],
    strokes: Sequence[float],
    tv_weight: float,
    temporal_weight: float,
    half: bool,
    overwrite: bool,
    start: Path | None,
    checkpoint: Path | None,
    say: Callable[[str], object],
    quiet: bool = False,
    **numbers: Any,
) -> Path:
    """Trains, exports and gives back the style file. Raises InputError, OutputError or ExportError.

    `numbers` are the fields of TrainConfig of the same names.
    """
    names = names or [path.stem for path in paintings]
    if len(names) != len(paintings) or len(set(names)) != len(names):
        raise InputError(f"--name: {len(names)} names for {len(paintings)} paintings; give each its own")
    target = out or user_folder() / f"{names[0]}.onnx"
    if out is None:
        target.parent.mkdir(parents=True, exist_ok=True)
    check_target(target, None, overwrite=overwrite, suffixes=(".onnx",))
    rows = zip(
        names,
        paintings,
        _each(strokes or [1.0], paintings, "--stroke"),
        _each(style_weights or [_FIRST_STYLE_WEIGHT], paintings, "--style-weight"),
        [None if style_weights else CONTENT_GOAL] * len(paintings),
        strict=True,
    )
    config = TrainConfig(
        paintings=tuple(Painting(*row) for row in rows),
        photos=photos,
        loss_networks=tuple(loss_networks),
        net=net,
        net_options={"width": width} if width else {},
        losses=LossWeights(tv=tv_weight, temporal=temporal_weight),
        **numbers,
    )
    first = _start(start, config) if start else None
    if first:
        config = replace(config, net_options={k: v for k, v in first.config.items() if k != "styles"})
    trained = train(config, start=first, checkpoint=checkpoint, on_progress=None if quiet else _reporter(say))
    styles = names if net == "lite" else ()
    export_onnx(trained, target, name=target.stem, kind=net, styles=styles, about=_about(config), half=half)
    return target


def _each(values: Sequence[T], paintings: Sequence[Path], option: str) -> Sequence[T]:
    """One value for every painting."""
    if len(values) not in (1, len(paintings)):
        raise InputError(f"{option}: {len(values)} values for {len(paintings)} paintings; give one, or one each")
    return values if len(values) == len(paintings) else [values[0]] * len(paintings)


def _start(path: Path, config: TrainConfig) -> Lite:
    """The network of a style file: a style it holds keeps its code, a new one begins with the mean of all."""
    if config.net != "lite":
        raise InputError(f"--start {path}: only lite can be trained on, not {config.net}")
    held = load_lite(path)
    rows = dict(zip(inspect(path).codes, held.codes.detach(), strict=True))
    mean = held.codes.detach().mean(0)
    net = Lite(len(config.paintings), **{key: value for key, value in held.config.items() if key != "styles"})
    codes = torch.stack([rows.get(painting.name, mean) for painting in config.paintings])
    net.load_state_dict({**held.state_dict(), "codes": codes})
    return net


def _about(config: TrainConfig) -> dict[str, str]:
    """Metadata: the configuration without this machine's folders."""
    told = asdict(config)
    told["photos"] = Path(config.photos).name
    told["loss_networks"] = [Path(name).stem for name in config.loss_networks]
    for row in told["paintings"]:
        row["path"] = Path(row["path"]).name
    return {"config": json.dumps(told, default=str), "training": f"{config.iterations} iterations on own photos"}


def _reporter(say: Callable[[str], object]) -> Callable[[Progress], None]:
    sums: dict[str, float] = {}

    def report(progress: Progress) -> None:
        for name, value in progress.losses.items():
            sums[name] = sums.get(name, 0.0) + value
        if progress.step % _REPORT_EVERY and progress.step != progress.iterations:
            return
        count = progress.step % _REPORT_EVERY or _REPORT_EVERY
        parts = "  ".join(f"{name} {value / count:.4f}" for name, value in sums.items())
        left = f"{progress.seconds_left / 60:.1f} min left"
        say(f"{progress.step}/{progress.iterations}  {parts}  {left}")
        sums.clear()

    return report
