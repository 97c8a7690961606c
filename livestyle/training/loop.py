"""Training a network after one or many paintings (Johnson 2016; many: Dumoulin 2017)."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..data import Crops, load_painting, open_photos, split, to_look_at
from ..errors import InputError, TrainingError
from ..losses import Perceptual
from ..motion_pairs import Moved, follow
from ..nets import build
from ..nets.lite import Lite
from ..nets.vgg import load_loss_networks
from ..signals import held
from .budget import rate
from .config import Facts, Judged, Progress, TrainConfig, Watcher
from .judge import BETTER, Batch, Judge, gray, style_batch, total
from .state import Packed, State, resume, write_checkpoint
from .team import Team, device_of_this_process, gathered

CHECKPOINT_SECONDS = 30
_HALVINGS = 3  # of the learning rate, after losses that are not numbers


def train(
    config: TrainConfig,
    *,
    start: nn.Module | None = None,
    checkpoint: Path | None = None,
    watcher: Watcher | None = None,
) -> nn.Module:
    """The network that did best on photos kept aside, on the CPU, in evaluation mode.

    Training begins with the weights of `start`, if given; a checkpoint found goes before.
    With `checkpoint`, the state is written there every half minute, when training is interrupted, by whatever,
    and at the end; a run that finds one goes on from it as if nothing had happened. Started by torchrun, each
    process trains on its own crops and all return the same.

    Raises InputError for pictures, layers or checkpoints that do not fit, TrainingError if the loss stays no number.
    """
    with gathered() as team:
        return _Training(config, start, checkpoint, watcher or Watcher(), team).run()


class _Training:
    """One run of it."""

    def __init__(
        self, config: TrainConfig, start: nn.Module | None, checkpoint: Path | None, watcher: Watcher, team: Team
    ) -> None:
        torch.manual_seed(config.seed)
        self._config, self._checkpoint, self._team = config, checkpoint, team
        self._watcher = watcher if team.leads else Watcher()
        self._device = device = device_of_this_process()
        net = (start or _new_network(config)).to(device).train()
        if config.codes_only and isinstance(net, Lite):
            net.requires_grad_(False).codes.requires_grad_(True)
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._state = State(config, net, _perceptual(config, device, team), started=start is not None)
        # bfloat16 for the convolutions where the hardware has it, and channels last, which it wants (without, nothing
        # is won or lost by that). The losses stay in float32.
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))
        if checkpoint and checkpoint.exists():
            for difference in resume(checkpoint, self._state):
                self._watcher.note(f"{checkpoint.name}: {difference}")
        photos = open_photos(config.photos, self._watcher.note)
        self._photos, kept = split(photos)
        self._judge = Judge(kept, to_look_at(photos, kept), config, self._watcher.note)
        self._kept = len(kept)
        self._backup = self._whole = self._state.pack()
        self._sums: dict[str, float] = {}
        self._complained = False

    def run(self) -> nn.Module:
        state, config = self._state, self._config
        crops = Crops(
            self._photos, size=config.crop, batch=config.batch, seed=config.seed,
            of=(self._team.rank, self._team.size), say=self._watcher.note,
        )  # fmt: skip
        weights = sum(p.numel() for p in state.net.parameters())
        facts = Facts(weights, len(self._photos), self._kept, state.step, self._device, state.history)
        self._watcher.begun(facts, self._judge.examples)
        self._first, self._started = state.step, time.monotonic()
        if not state.ended and self._done() < 1:
            try:
                self._steps(crops)
            except BaseException:  # Ctrl-C, too little memory: what was done is kept
                self._write(self._whole)
                raise
        elif not state.ended and state.best_net:  # a shorter training is asked for now
            self._look()
            self._end()
        self._watcher.ended(state.perceptual)
        return state.net.eval().cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]

    def _steps(self, crops: Crops) -> None:
        state, saved = self._state, time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            upcoming, step = pool.submit(_batch, crops, state.step, self._config), state.step
            while not state.ended:
                with held():
                    batch = upcoming.result() if step == state.step else _batch(crops, state.step, self._config)
                    step = state.step + 1
                    upcoming = pool.submit(_batch, crops, step, self._config)
                losses = self._step(batch.to(self._device))
                if not math.isfinite(losses["total"]):
                    self._back_up()
                    continue
                done = self._done()
                if state.step % self._config.judge_every == 0 or done >= 1:
                    self._look()
                    done = self._done()
                if done >= 1 or state.ended:
                    self._end()
                if self._checkpoint:
                    self._whole = state.pack()
                    if state.ended or time.monotonic() - saved > CHECKPOINT_SECONDS:
                        self._write(self._whole)
                        saved = time.monotonic()
                self._watcher.stepped(self._progress(losses, done), state.net)

    def _done(self) -> float:
        state = self._state
        done = state.budget.done(state.step)
        return self._team.agree(done, self._device) if state.budget.timed else done

    def _step(self, batch: Batch) -> dict[str, float]:
        """One step; its losses, averaged over the team."""
        state, config = self._state, self._config
        for group in state.optimizer.param_groups:
            group["lr"] = group["rate"] * state.slower * rate(self._done())
        with self._autocast:
            losses = _losses(state.net, state.perceptual, batch, config)
        state.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        self._team.average(p.grad for p in state.net.parameters() if p.grad is not None)
        told = self._team.average_of(losses)
        if math.isfinite(told["total"]):
            state.optimizer.step()
            state.step += 1
            for name, value in told.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
        return told

    def _look(self) -> None:
        """Judges the weights, keeps them if they are the best, and learns whether this still gets anywhere."""
        state, config = self._state, self._config
        with self._autocast:
            losses = self._judge(state.net, state.perceptual, self._device)
        now = self._team.agree(total(losses, state.perceptual, config), self._device)
        if not math.isfinite(now):
            self._back_up()
            return
        before = total(state.best, state.perceptual, config) if state.best else math.inf
        before = self._team.agree(before, self._device)
        if now < before:
            state.keep_best(losses)
        state.stale = 0 if now < BETTER * before else state.stale + 1
        falling = rate(state.budget.done(state.step)) < 1
        if config.patience and state.stale >= config.patience:
            state.ended, state.stale = falling, 0
            state.budget.level_off(state.step)
        means = {name: value.mean().item() for name, value in losses.items() if name != "painting"}
        self._remember({"total": now, **means, "best": float(now < before)})
        self._backup = state.pack()
        self._watcher.judged(Judged(state.step, {"total": now, **means}, now < before), state.history)

    def _remember(self, kept: dict[str, float]) -> None:
        last = self._state.history[-1]["step"] if self._state.history else 0
        count = max(1, self._state.step - max(int(last), self._first))
        learnt = {f"train {name}": value / count for name, value in self._sums.items()}
        self._state.history.append({"step": self._state.step, **kept, **learnt})
        self._sums.clear()

    def _end(self) -> None:
        state = self._state
        state.ended = True
        if state.best_net:
            state.net.load_state_dict(state.best_net)

    def _back_up(self) -> None:
        """Back to the last look, at half the rate. Raises TrainingError after three times."""
        state, slower = self._state, self._state.slower / 2
        if slower < 0.5**_HALVINGS:
            raise TrainingError(
                f"the loss is no number at step {state.step + 1}, even at {state.slower:g} of the learning rate; "
                f"give a lower --learning-rate or --style-weight"
            )
        bad, seconds = state.step + 1, state.budget.seconds
        state.unpack(self._backup)
        state.budget.resume(seconds, state.budget.plateau)  # time goes on all the same
        state.slower = slower
        self._backup = self._whole = state.pack()
        self._sums.clear()
        self._watcher.note(f"the loss is no number at step {bad}: back to step {state.step}, at {slower:g} of the rate")

    def _write(self, packed: Packed) -> None:
        if self._checkpoint is None or not self._team.leads or packed.words["step"] == "0":
            return
        try:
            write_checkpoint(packed, self._checkpoint)
            self._complained = False
        except OSError as error:
            if not self._complained:
                reason = error.strerror or error
                self._watcher.note(f"{self._checkpoint}: cannot be written ({reason}); training goes on without")
            self._complained = True

    def _progress(self, losses: dict[str, float], done: float) -> Progress:
        state, spent = self._state, time.monotonic() - self._started
        iterations = state.step if state.ended or not done else max(state.step, round(state.step / done))
        per_step = spent / (state.step - self._first or 1)
        left = 0.0 if state.ended else state.budget.seconds_left(state.step, per_step)
        return Progress(state.step, iterations, losses, left)


def _new_network(config: TrainConfig) -> nn.Module:
    options = dict(config.net_options)
    if config.net == "lite":
        options["styles"] = len(config.paintings)
    elif len(config.paintings) > 1:
        raise InputError(f"{config.net} holds one style, not {len(config.paintings)}; train many with lite")
    return build(config.net, options)


def _perceptual(config: TrainConfig, device: torch.device, team: Team) -> Perceptual:
    pictures = (load_painting(p.path, stroke=p.stroke).to(device) for p in config.paintings)
    if config.keep_color:
        pictures = (gray(picture) for picture in pictures)
    style_weights = [p.style_weight for p in config.paintings]
    network = load_loss_networks(config.loss_networks).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    goals, dots = [p.content for p in config.paintings], [p.dots for p in config.paintings]
    return Perceptual(network, pictures, style_weights, config.losses, goals, dots, team.gather)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.cpu._is_avx512_bf16_supported()


def _batch(crops: Crops, step: int, config: TrainConfig) -> Batch:
    # Every painting comes up equally often, many in one batch: single-style batches pull the trunk to and fro.
    numbers = crops.numbers(step)
    x, moved = crops(step), None
    if config.losses.temporal:
        rngs = [np.random.default_rng((config.seed, number, 1)) for number in numbers]
        pairs = [follow(one[None], rng) for one, rng in zip(x, rngs, strict=True)]
        moved = Moved(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))
    return Batch(x, moved, torch.tensor([number % len(config.paintings) for number in numbers]))


def _losses(net: nn.Module, perceptual: Perceptual, batch: Batch, config: TrainConfig) -> dict[str, Tensor]:
    styled, temporal = style_batch(net, batch, config)
    losses: dict[str, Tensor] = perceptual(styled, gray(batch.x) if config.keep_color else batch.x, batch.painting)
    if temporal is not None:
        losses["total"] = losses["total"] + config.losses.temporal * temporal.mean()
        losses["temporal"] = temporal.detach().mean()
    return losses
