"""Training: the same seed gives the same weights, interrupted or not, and the command writes a style."""

from __future__ import annotations

import errno
import functools
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import assert_images_close, gradient
from PIL import Image as Pillow

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

import exporters.to_onnx  # noqa: E402
import livestyle  # noqa: E402
from exporters.wrap import Contract  # noqa: E402
from livestyle.artifact import inspect  # noqa: E402
from livestyle.cli import main  # noqa: E402
from livestyle.cli_train import CONTENT_GOAL  # noqa: E402
from livestyle.data import Files, middle  # noqa: E402
from livestyle.errors import InputError, OutputError, TrainingError  # noqa: E402
from livestyle.nets.lite import Lite  # noqa: E402
from livestyle.predict import predict  # noqa: E402
from livestyle.styles import shipped  # noqa: E402
from livestyle.training import command, loop, state  # noqa: E402
from livestyle.training.budget import Budget  # noqa: E402
from livestyle.training.command import losses_of_the_best, made_by  # noqa: E402
from livestyle.training.config import Judged, Painting, Progress, TrainConfig, Watcher  # noqa: E402
from livestyle.training.judge import Judge  # noqa: E402
from livestyle.training.loop import train  # noqa: E402
from livestyle.training.recipe import load_recipe  # noqa: E402
from livestyle.training.state import alone, load_network  # noqa: E402

torch.set_num_threads(1)  # threads cost more than they bring to nets this small
TINY = {"width": 4, "depth": 4, "blocks": 1}
ITERATIONS = 6
VGG19_TO_RELU4_1 = [0, 2, 5, 7, 10, 12, 14, 16, 19]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, two paintings and a loss network of four channels."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "photos").mkdir()
    for i in range(3):
        Pillow.fromarray(gradient(80, 60, shift=25 * i)).save(folder / "photos" / f"{i}.png")
    rng = np.random.default_rng(0)
    for name in ("dots", "waves"):
        Pillow.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    generator, weights = torch.Generator().manual_seed(0), {}
    for number in VGG19_TO_RELU4_1:
        inputs = 4 if number else 3
        weights[f"features.{number}.weight"] = torch.randn(4, inputs, 3, 3, generator=generator) / 3
        weights[f"features.{number}.bias"] = torch.rand(4, generator=generator)
    save_file(weights, folder / "vgg.safetensors")
    return folder


@pytest.fixture
def config(world: Path) -> TrainConfig:
    return TrainConfig(
        paintings=tuple(Painting(name, world / f"{name}.png", stroke=0.25) for name in ("dots", "waves")),
        photos=world / "photos",
        loss_networks=(str(world / "vgg.safetensors"),),
        net_options=TINY,
        iterations=ITERATIONS,
        batch=2,
        crop=32,
    )


def differences(a: nn.Module, b: nn.Module) -> list[str]:
    """The names of the tensors that are not equal bit for bit."""
    assert a.state_dict().keys() == b.state_dict().keys()
    return [name for name, value in a.state_dict().items() if not torch.equal(value, b.state_dict()[name])]


class Interrupted(Exception):
    """Stands for Ctrl-C."""


class Witness(Watcher):
    """Remembers what it hears; raises after a step, as Ctrl-C would."""

    def __init__(self, *, interrupt_after: int = 0) -> None:
        self.reports: list[Progress] = []
        self.looks: list[Judged] = []
        self.notes: list[str] = []
        self._interrupt_after = interrupt_after

    def stepped(self, progress: Progress, net: nn.Module) -> None:
        self.reports.append(progress)
        if progress.step == self._interrupt_after:
            raise Interrupted

    def judged(self, judged: Judged, history: Sequence[dict[str, float]]) -> None:
        self.looks.append(judged)

    def note(self, line: str) -> None:
        self.notes.append(line)

    @property
    def steps(self) -> list[int]:
        return [progress.step for progress in self.reports]


def test_the_same_seed_gives_the_same_weights(config: TrainConfig) -> None:
    first = train(config)
    torch.rand(7)  # what ran before does not matter
    assert differences(first, train(config)) == []
    assert differences(first, train(replace(config, seed=1)))


@pytest.mark.parametrize("net", ["lite", "johnson"])
def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    net: str, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if net == "johnson":
        config = replace(config, net=net, net_options={"width": 4, "norm": "batch"}, paintings=config.paintings[:1])
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)  # at every step
    checkpoint, witness = tmp_path / "runs" / "net.safetensors", Witness()
    with pytest.raises(Interrupted):
        train(config, checkpoint=checkpoint, watcher=Witness(interrupt_after=4))
    resumed = train(config, checkpoint=checkpoint, watcher=witness)
    assert witness.steps == [5, 6]
    assert differences(resumed, train(config)) == []


def test_a_training_resumed_for_another_painting_ends_with_that_one(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did best by the old painting, or ended there, does not count, nor does its style weight."""
    dots, waves = (replace(config, paintings=(painting,), judge_every=1) for painting in config.paintings)
    waves = replace(waves, paintings=(replace(waves.paintings[0], style_weight=7.0),))
    checkpoint, witness = tmp_path / "net.safetensors", Witness()
    before = train(dots, checkpoint=checkpoint)
    weights: list[float] = []
    look = loop._Training._look
    monkeypatch.setattr(
        loop._Training, "_look", lambda self: (weights.extend(self._state.perceptual.style_weights), look(self))
    )
    trained = train(replace(waves, iterations=ITERATIONS + 2), checkpoint=checkpoint, watcher=witness)
    assert witness.steps == [7, 8] and witness.looks[0].best
    assert weights == [7.0, 7.0] and differences(before, trained)
    again = train(replace(dots, iterations=ITERATIONS + 2), checkpoint=checkpoint)
    assert differences(trained, again) == []  # there was nothing left to do


def test_a_style_weight_found_on_the_way_survives_an_interruption(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, paintings=tuple(replace(one, content=0.1) for one in config.paintings))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    checkpoint = tmp_path / "net.safetensors"
    with pytest.raises(Interrupted):
        train(config, checkpoint=checkpoint, watcher=Witness(interrupt_after=4))
    assert differences(train(config, checkpoint=checkpoint), train(config)) == []


def test_the_temporal_loss_is_reported_and_has_an_effect(config: TrainConfig) -> None:
    witness, other = Witness(), Witness()
    steady = train(config, watcher=witness)
    assert all(report.losses["temporal"] > 0 for report in witness.reports)
    without = replace(config, losses=replace(config.losses, temporal=0))
    assert differences(steady, train(without, watcher=other)) != []
    assert "temporal" not in other.reports[-1].losses


def test_a_finished_training_is_not_repeated(config: TrainConfig, tmp_path: Path) -> None:
    checkpoint, witness = tmp_path / "net.safetensors", Witness()
    trained = train(config, checkpoint=checkpoint)
    again = train(config, checkpoint=checkpoint, watcher=witness)
    assert witness.steps == [] and differences(trained, again) == []
    loaded, told, done = load_network(checkpoint)
    assert differences(trained, loaded) == [] and not loaded.training
    assert (told["net"], told["paintings"][1]["name"], done) == ("lite", "waves", ITERATIONS)


def test_the_loss_falls_and_the_end_comes_nearer(config: TrainConfig) -> None:
    witness = Witness()
    train(replace(config, iterations=30, learning_rate=1e-2), watcher=witness)
    reports = witness.reports
    totals = [report.losses["total"] for report in reports]
    assert np.mean(totals[-5:]) < 0.8 * np.mean(totals[:5])
    assert [report.step for report in reports] == list(range(1, 31))
    assert reports[0].seconds_left > reports[-1].seconds_left == 0


def test_on_a_full_disk_training_goes_on_and_the_checkpoint_before_stays(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, witness = tmp_path / "net.safetensors", Witness()
    train(replace(config, iterations=1), checkpoint=checkpoint)
    before = checkpoint.read_bytes()

    def full_disk(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(state.os, "fsync", full_disk)
    trained = train(config, checkpoint=checkpoint, watcher=witness)
    assert [line for line in witness.notes if "No space left on device" in line] == witness.notes[-1:]
    assert checkpoint.read_bytes() == before and list(tmp_path.iterdir()) == [checkpoint]
    assert witness.steps == [2, 3, 4, 5, 6] and not trained.training


@pytest.mark.parametrize("kind", ["wider", "johnson", "text", "no metadata", "folder"])
def test_a_checkpoint_that_does_not_fit_is_one_line(kind: str, config: TrainConfig, tmp_path: Path) -> None:
    checkpoint = tmp_path / "net.safetensors"
    if kind == "wider":
        train(replace(config, iterations=1, net_options={**TINY, "width": 8}), checkpoint=checkpoint)
    elif kind == "johnson":
        one = replace(config, iterations=1, net=kind, net_options={"width": 4}, paintings=config.paintings[:1])
        train(one, checkpoint=checkpoint)
    elif kind == "text":
        checkpoint.write_text("no tensors")
    elif kind == "no metadata":
        save_file({"net.codes": torch.zeros(1)}, checkpoint)
    else:
        checkpoint.mkdir()
    with pytest.raises(InputError, match="not a checkpoint of this lite") as caught:
        train(config, checkpoint=checkpoint)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_one_line(world: Path) -> None:
    with pytest.raises(InputError, match="not a livestyle checkpoint"):
        load_network(world / "vgg.safetensors")


LONG = {"iterations": 40, "judge_every": 2, "patience": 2}


def test_training_ends_early_when_the_photos_kept_aside_get_no_better(config: TrainConfig) -> None:
    """With a learning rate of next to nothing there is no progress from the first look on."""
    config, witness = replace(config, learning_rate=1e-12, **LONG), Witness()
    train(config, watcher=witness)
    # Looks at 2, 4 and 6: two without progress, so 6 is six tenths of the new length, 10.
    assert witness.steps[-1] == 10
    assert [judged.step for judged in witness.looks] == [2, 4, 6, 8, 10]
    assert witness.reports[-1].seconds_left == 0
    patient = Witness()
    train(replace(config, patience=0, iterations=12), watcher=patient)
    assert patient.steps[-1] == 12


def get_worse(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """What every judge sees after so many looks is far worse."""
    judge, looks = Judge.__call__, Counter[Judge]()

    def judge_worse(self: Judge, *arguments: Any) -> dict[str, torch.Tensor]:
        looks[self] += 1
        losses = judge(self, *arguments)
        return losses | {"content": losses["content"] + 1e3 * (looks[self] > after)}

    monkeypatch.setattr(Judge, "__call__", judge_worse)


def test_the_best_weights_are_kept_not_the_last(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config, witness = replace(config, iterations=12, judge_every=2, patience=0), Witness()
    get_worse(monkeypatch, after=3)
    best = train(config, watcher=witness)
    chosen = [judged.step for judged in witness.looks if judged.best][-1]
    assert chosen <= 6
    again = train(replace(config, losses=config.losses), watcher=Witness())
    assert differences(best, again) == []
    taken: list[dict[str, torch.Tensor]] = []

    class Taker(Watcher):
        def stepped(self, progress: Progress, net: nn.Module) -> None:
            if progress.step == chosen:
                taken.append({name: value.clone() for name, value in net.state_dict().items()})

    train(config, watcher=Taker())
    assert all(torch.equal(value, best.state_dict()[name]) for name, value in taken[0].items())


def test_the_best_weights_are_kept_where_a_shorter_training_is_asked_for(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, witness = replace(config, iterations=24, judge_every=2, patience=0), Witness()
    checkpoint = tmp_path / "net.safetensors"
    get_worse(monkeypatch, after=3)
    with pytest.raises(Interrupted):
        train(config, checkpoint=checkpoint, watcher=Witness(interrupt_after=15))
    packed = state.read_checkpoint(checkpoint)
    best = {name.removeprefix("best.net."): value for name, value in packed.tensors.items() if "best.net." in name}
    assert not all(torch.equal(value, packed.tensors[f"net.{name}"]) for name, value in best.items())
    get_worse(monkeypatch, after=0)
    shorter = train(replace(config, iterations=10), checkpoint=checkpoint, watcher=witness)
    assert witness.steps == [] and not any(judged.best for judged in witness.looks)
    assert all(torch.equal(value, best[name]) for name, value in shorter.state_dict().items())


@pytest.mark.parametrize("step", [1, 3, 5, 7, 9])
def test_early_stopping_survives_an_interruption(step: int, config: TrainConfig, tmp_path: Path) -> None:
    """Wherever it falls: written when the interruption comes, not by the clock."""
    config = replace(config, learning_rate=1e-12, **LONG)
    checkpoint, before, after, whole = tmp_path / "net.safetensors", Witness(interrupt_after=step), Witness(), Witness()
    with pytest.raises(Interrupted):
        train(config, checkpoint=checkpoint, watcher=before)
    resumed = train(config, checkpoint=checkpoint, watcher=after)
    assert differences(resumed, train(config, watcher=whole)) == []
    assert before.steps + after.steps == whole.steps
    assert before.looks + after.looks == whole.looks


def test_a_training_cut_off_within_a_step_goes_on_from_the_step_before(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, step_of, calls = tmp_path / "net.safetensors", torch.optim.Adam.step, []

    def half_a_step(self: torch.optim.Adam) -> None:
        calls.append(1)
        step_of(self)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.Adam, "step", half_a_step)
        with pytest.raises(KeyboardInterrupt):
            train(config, checkpoint=checkpoint)
    assert load_network(checkpoint)[2] == 2
    assert differences(train(config, checkpoint=checkpoint), train(config)) == []


def test_a_training_by_minutes_ends_in_time_with_its_rate_fallen(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("livestyle.training.budget.time.monotonic", lambda: now[0])

    class Clock(Witness):
        def stepped(self, progress: Progress, net: nn.Module) -> None:
            now[0] += 6
            super().stepped(progress, net)

    witness, rates = Clock(), []
    step_of = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: (rates.append(self.param_groups[0]["lr"]), step_of(self))[1]
    )
    train(replace(config, minutes=1.0, iterations=10**6), watcher=witness)
    expected = [min(1, (1 - 0.1 * done) / 0.4) * config.rates(started=False)[0] for done in range(len(rates))]
    assert len(rates) in (10, 11) and rates == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "started", "expected"),
    [
        ({}, False, {(2e-3, True), (2e-3, False)}),
        ({}, True, {(8e-2, True), (1e-3, False)}),
        ({"codes_only": True}, True, {(8e-2, True), (1e-3, False)}),
        ({"learning_rate": 3e-4}, True, {(3e-4, True), (3e-4, False)}),
    ],
)
def test_a_network_and_its_codes_learn_at_rates_of_their_own(
    config: TrainConfig,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    started: bool,
    expected: set[tuple[float, bool]],
) -> None:
    begun = Lite(len(config.paintings), width=4, depth=4, blocks=1)
    seen: set[tuple[float, bool]] = set()
    step_of = torch.optim.Adam.step

    def step(self: torch.optim.Adam) -> None:
        seen.update((group["lr"], weights.dim() == 2) for group in self.param_groups for weights in group["params"])
        step_of(self)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    train(replace(config, iterations=1, **changes), start=begun if started else None)  # type: ignore[arg-type]
    assert seen == expected


def spoil(steps: set[int], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes the loss of these calls no number; the calls there were."""
    calls: list[int] = []
    losses_of = loop._losses

    def losses(*arguments: object) -> dict[str, torch.Tensor]:
        calls.append(len(calls) + 1)
        losses = losses_of(*arguments)  # type: ignore[arg-type]
        return losses | {"total": losses["total"] * torch.nan} if calls[-1] in steps else losses

    monkeypatch.setattr(loop, "_losses", losses)
    return calls


def test_a_loss_that_is_no_number_goes_back_to_the_last_look_at_half_the_rate(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, witness = spoil({4}, monkeypatch), Witness()
    trained = train(replace(config, judge_every=2), watcher=witness)
    assert witness.notes == ["the loss is no number at step 4: back to step 2, at 0.5 of the rate"]
    assert witness.steps == [1, 2, 3, 3, 4, 5, 6] and len(calls) == 8
    assert all(value.isfinite().all() for value in trained.state_dict().values())


def test_a_loss_that_stays_no_number_ends_in_one_line_after_three_times(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, witness, checkpoint = spoil(set(range(3, 99)), monkeypatch), Witness(), tmp_path / "net.safetensors"
    with pytest.raises(TrainingError, match=r"no number at step 3, even at 0\.125 of the learning rate") as caught:
        train(replace(config, judge_every=2), checkpoint=checkpoint, watcher=witness)
    assert "\n" not in str(caught.value) and len(calls) == 6 and len(witness.notes) == 3
    assert load_network(checkpoint)[2] == 2  # nothing is lost


def test_keeping_colours_learns_light_and_dark_alone(config: TrainConfig) -> None:
    coloured, gray = train(config), train(replace(config, keep_color=True))
    assert differences(coloured, gray)
    image = torch.rand(1, 20, 30, 3).mul(255).byte()
    contract = Contract(gray, keep_color=True)
    change = contract(image, torch.tensor(1.0), contract.code_rows()[0]).float() - image
    free = (contract(image, torch.tensor(1.0), contract.code_rows()[0]) % 255 != 0).all(3)  # nothing was clipped
    assert free.any() and (change.max(3).values - change.min(3).values)[free].max() <= 1  # the same in all channels


def test_two_processes_hold_equal_weights_those_of_one_with_twice_the_batch(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paintings = tuple(replace(painting, content=0.1) for painting in config.paintings)
    whole = replace(config, iterations=3, batch=4, learning_rate=0.02, paintings=paintings)
    (tmp_path / "config.pickle").write_bytes(pickle.dumps(replace(whole, batch=2)))
    script = tmp_path / "rank.py"
    script.write_text(
        "import functools, os, pickle, sys, torch\n"
        "from pathlib import Path\n"
        "from safetensors.torch import save_file\n"
        "from livestyle.training import loop\n"
        "torch.set_num_threads(1)\n"
        "loop._has_bfloat16 = lambda device: False\n"
        "torch.optim.Adam = functools.partial(torch.optim.Adam, eps=10.0)\n"
        "folder = Path(sys.argv[1])\n"
        "net = loop.train(pickle.loads((folder / 'config.pickle').read_bytes()))\n"
        "save_file(net.state_dict(), folder / f'{os.environ[\"RANK\"]}.safetensors')\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    team = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen([sys.executable, str(script), str(tmp_path)], env={**os.environ, **team, "RANK": rank})
        for rank in ("0", "1")
    ]
    # Else Adam makes much of rounding errors, which at the kink of a ReLU change a gradient by a hundredth.
    monkeypatch.setattr(loop, "_has_bfloat16", lambda device: False)
    monkeypatch.setattr(torch.optim, "Adam", functools.partial(torch.optim.Adam, eps=10.0))
    alone = train(whole).state_dict()
    assert [process.wait(120) for process in ranks] == [0, 0]
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in alone)
    assert (alone["codes"] - alone["codes"].round()).abs().max() > 1e-3  # they have moved from 0 and 1
    for name, value in alone.items():
        torch.testing.assert_close(first[name], value, atol=2e-4, rtol=1e-2)  # sums in another order


def test_johnson_holds_one_style(config: TrainConfig) -> None:
    with pytest.raises(InputError, match="johnson holds one style, not 2; train many with lite"):
        train(replace(config, net="johnson", net_options={"width": 4}))


def test_the_card_tells_the_command_with_its_processes() -> None:
    command = ["train", "my painting.jpg", "--resume"]
    assert made_by(command, 1) == "livestyle train 'my painting.jpg'"
    assert made_by(command, 2) == "torchrun --nproc-per-node 2 -m livestyle.cli train 'my painting.jpg'"


LITE = str(Path(livestyle.__file__).parent / "styles" / "lite.onnx")
RunCli = Callable[..., tuple[int, list[str], list[str]]]
SMALL = ["--batch", "2", "--crop", "64", "--stroke", "0.25"]


@pytest.fixture
def run_train(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunCli:
    """A function that runs `livestyle train`: exit code, lines of output, lines of errors."""
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    monkeypatch.setattr("livestyle.training.command._COMPARED", 0)  # seconds: only where it is looked at
    monkeypatch.chdir(world)

    def run(
        *arguments: str, small: Sequence[str] = (*SMALL, "--width", "4", "--iterations", "2")
    ) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["livestyle", "train", *arguments, *small])
        before = signal.getsignal(signal.SIGTERM)
        try:
            main()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
        out = capsys.readouterr()
        return code, out.out.splitlines(), out.err.splitlines()

    return run


def test_the_command_writes_a_style_that_runs_and_tells_how_it_was_made(
    run_train: RunCli, tmp_path: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livestyle.training.command._COMPARED", 300)
    dots, waves, photos, vgg = (str(world / name) for name in ("dots.png", "waves.png", "photos", "vgg.safetensors"))
    named = ["--name", "d", "--name", "w"]
    code, out, errors = run_train(dots, waves, "--photos", photos, "--loss-network", vgg, *named)
    target = tmp_path / "styles" / "d.onnx"
    assert (code, out) == (0, [str(target)])
    assert "photos: 3 (photos), judged by the same" in errors
    assert any(line.startswith("2/2  total ") for line in errors)
    assert errors[-2:] == [f"card: {target.with_suffix('.card.html')}", "its other styles: d#w"]
    card = target.with_suffix(".card.html").read_text()
    assert "noise amplification" in card and card.count("iterations of Gatys 2015") == 2  # one a style
    beside = {path.name for path in target.parent.iterdir()} - {target.name}
    assert beside == {"d.card.html", "d.preview.png", "d.curves.png"}
    with Pillow.open(target.with_suffix(".preview.png")) as preview:
        assert preview.size == (3 * 256 + 8, 3 * 256 + 8)  # three photos: as they are, and in two styles
    image = gradient(47, 33)
    both = [livestyle.load(name, device="cpu")(image) for name in (target, f"{target}#w")]
    assert both[0].shape == image.shape and not np.array_equal(*both)
    about = inspect(target).about
    told = json.loads(about["config"])
    assert (told["iterations"], told["net_options"], told["photos"]) == (2, {"width": 4}, "photos")
    assert [row["path"] for row in told["paintings"]] == ["dots.png", "waves.png"]
    assert not any(str(folder) in value for value in about.values() for folder in (world, tmp_path, Path.home()))


def test_training_goes_on_from_a_style_file(run_train: RunCli, tmp_path: Path) -> None:
    common = ["--photos", "photos", "--loss-network", "vgg.safetensors"]
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    run_train("dots.png", *common, "--out", str(first))
    on = ["--start", str(first), "--seed", "5", "--out", str(second)]
    assert run_train("dots.png", *common, *on, "--learning-rate", "1e-9")[0] == 0
    image = gradient(47, 33)
    before, after = (livestyle.load(path, device="cpu")(image) for path in (first, second))
    assert_images_close(before, after)
    assert json.loads(inspect(second).about["config"])["net_options"]["width"] == 4


def test_a_new_style_beside_those_that_ship_begins_with_what_is_predicted(
    run_train: RunCli, tmp_path: Path, world: Path
) -> None:
    common = ["--photos", "photos", "--loss-network", "vgg.safetensors", "--out", str(tmp_path / "three.onnx")]
    named = ["--name", "wave", "--name", "new", "--name", "starry"]
    start = ["--start", LITE, "--learning-rate", "1e-9"]
    code = run_train("dots.png", "waves.png", "dots.png", *common, *named, *start)[0]
    before, after = inspect(Path(LITE)).codes, inspect(tmp_path / "three.onnx").codes
    assert code == 0 and list(after) == ["wave", "new", "starry"]
    for name, expected in (("wave", before["wave"]), ("new", predict(world / "waves.png")[1])):
        np.testing.assert_allclose(after[name], expected, atol=1e-6)


def test_a_code_alone_is_learnt_for_the_network_that_is_there(run_train: RunCli, tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    run_train("dots.png", *COMMON, "--out", str(first))
    start = ["--start", str(first), "--codes-only", "--learning-rate", "0.1", "--out", str(second)]
    assert run_train("waves.png", *COMMON, *start)[0] == 0
    before, after = inspect(first), inspect(second)
    assert after.network == before.network and list(after.codes) == ["waves"]
    assert not np.allclose(after.codes["waves"], before.codes["dots"])
    image = gradient(47, 33)
    with livestyle.load(f"{first}:0.5+{second}:0.5", device="cpu") as mix:
        assert mix.notes == []  # one network, so the codes mix
        assert len(mix.files) == 1
        mixed = mix(image)
    a, b = (livestyle.load(path, device="cpu")(image) for path in (first, second))
    assert not np.array_equal(a, b) and not np.array_equal(mixed, a)


def test_a_code_resumed_from_a_training_of_the_whole_network_keeps_that_network(
    run_train: RunCli, tmp_path: Path, world: Path
) -> None:
    """The code was learnt for what the network had become, not for the one it began with."""
    checkpoint, target = tmp_path / "net.safetensors", tmp_path / "mine.onnx"
    common = ["dots.png", *COMMON, "--start", LITE, "--checkpoint", str(checkpoint), "--learning-rate", "0.05"]
    assert run_train(*common, "--out", str(tmp_path / "whole.onnx"), small=[*SMALL, "--iterations", "3"])[0] == 0
    steps = [*SMALL, "--iterations", "4"]
    assert run_train(*common, "--out", str(target), "--codes-only", small=steps)[0] == 0
    with livestyle.load(target, device="cpu") as stylizer:
        image = gradient(47, 33)
        expected = Contract(load_network(checkpoint)[0].eval())
        code = torch.tensor(next(iter(inspect(target).codes.values())))
        styled = expected(torch.from_numpy(image)[None], torch.tensor(1.0), code)[0].detach().numpy()
        assert_images_close(stylizer(image), styled, levels=1)


@pytest.mark.parametrize(
    ("more", "of_ours"),
    [
        ([], True),
        (["--width", "4"], False),
        (["--start", "none", "--width", "4"], False),
        (["--net", "johnson"], False),
    ],
)
def test_a_draft_is_a_code_for_the_network_that_ships_or_a_network_of_its_own(
    more: list[str], of_ours: bool, run_train: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livestyle.training.command.QUALITY", {"draft": 0.005})  # minutes
    target = tmp_path / "draft.onnx"
    code, _, errors = run_train("dots.png", *COMMON, "--out", str(target), *more, small=[*SMALL, "--quality", "draft"])
    assert (code, [line for line in errors if line.startswith("error")]) == (0, [])
    assert (inspect(target).network == inspect(Path(LITE)).network) == of_ours


@pytest.mark.parametrize(
    ("more", "ships"),
    [([], True), (["--start", "starry-johnson"], True), (["--width", "16", "--start", "none"], False)],
)
def test_a_johnson_begins_with_the_one_that_ships(
    more: list[str], ships: bool, run_train: RunCli, tmp_path: Path
) -> None:
    target, started = tmp_path / "mine.onnx", Path(LITE).with_name("starry-johnson.onnx")
    steps = ["--iterations", "1", "--batch", "1", "--crop", "64", "--learning-rate", "1e-6"]
    code, _, errors = run_train("dots.png", *COMMON, "--net", "johnson", "--out", str(target), *more, small=steps)
    assert (code, [line for line in errors if line.startswith("error")]) == (0, [])
    image = gradient(47, 33)
    near = np.abs(livestyle.load(target)(image).astype(int) - livestyle.load(started)(image)).mean() < 2
    assert near == ships


def test_a_code_does_not_say_how_its_network_was_made(run_train: RunCli, tmp_path: Path) -> None:
    code, _, _ = run_train(
        "dots.png", *COMMON, "--codes-only", "--out", str(tmp_path / "a.onnx"), small=[*SMALL, "--iterations", "1"]
    )
    about = inspect(tmp_path / "a.onnx").about
    assert code == 0 and about["training"] == "1 iterations" and "dots" in about["config"]
    assert not {"licence", "recipe", "command", "training data"} & set(about)


def test_the_card_tells_of_the_weights_that_were_kept() -> None:
    """The style weight moves: a total of before is of other weights."""
    looks = [
        {"step": 100.0, "total": 2.7, "style": 0.9, "best": 1.0},
        {"step": 200.0, "total": 2.8, "style": 0.2, "best": 1.0},
    ]
    assert (
        losses_of_the_best([*looks, {"step": 300.0, "total": 2.9, "style": 0.5, "best": 0.0}])["style loss"] == "0.2000"
    )


@pytest.mark.parametrize("more", [["--net", "johnson"], ["--start", "none"]])
def test_a_code_needs_a_network(more: list[str], run_train: RunCli) -> None:
    code, _, errors = run_train("dots.png", *COMMON, *more, "--codes-only")
    assert (code, len(errors)) == (1, 1)
    assert "there is no network for the code" in errors[0]


def test_a_predictor_learns_the_codes_of_a_style_files_network(
    run_train: RunCli, tmp_path: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite, predictor = tmp_path / "lite.onnx", tmp_path / "predictor.onnx"
    run_train("dots.png", *COMMON, "--out", str(lite))
    start = ["--net", "predictor", "--start", str(lite), "--out", str(predictor)]
    assert run_train("dots.png", "waves.png", *COMMON, *start)[0] == 0
    monkeypatch.setattr("livestyle.predict.NETWORK", lite)
    monkeypatch.setattr("livestyle.predict.PREDICTOR", predictor)
    network, code = predict(world / "dots.png")
    learnt = inspect(lite).codes["dots"]
    assert network.path == lite and code.shape == learnt.shape
    assert 0 < np.abs(code - learnt).max() < 1  # two steps: still near to what it began with
    assert not np.array_equal(code, predict(world / "waves.png")[1])
    assert livestyle.load(world / "dots.png", device="cpu")(gradient(47, 33)).shape == (33, 47, 3)


COMMON = ["--photos", "photos", "--loss-network", "vgg.safetensors"]


def test_an_unfinished_training_is_gone_on_with_or_kept(
    run_train: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: object, progress: Progress, net: nn.Module) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("livestyle.training.preview.Preview.stepped", stop)
        code, _, errors = run_train("dots.png", *COMMON)
    assert code == 130 and "stopped after step 1; to go on, give the same command and --resume" in errors
    unfinished = tmp_path / "training" / "dots.safetensors"
    assert load_network(unfinished)[2] == 1
    code, _, errors = run_train("dots.png", *COMMON)
    assert code == 1 and "add --resume to go on with it" in errors[0] and unfinished.exists()
    code, _, errors = run_train("dots.png", *COMMON, "--resume")
    assert code == 0 and "goes on from step 1" in errors and not unfinished.exists()
    assert "--resume" not in (tmp_path / "styles" / "dots.card.html").read_text()  # told to make it again by
    assert run_train("dots.png", *COMMON, "--name", "other", "--resume")[0] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
@pytest.mark.parametrize("more", [[], ["--resume"], ["--overwrite"]])
def test_a_second_training_of_a_name_is_refused_while_the_first_runs(
    more: list[str], run_train: RunCli, tmp_path: Path
) -> None:
    unfinished = tmp_path / "training" / "dots.safetensors"
    with alone(unfinished):
        unfinished.write_bytes(b"the first one's")
        code, _, errors = run_train("dots.png", *COMMON, *more)
    assert (code, len(errors)) == (1, 1) and "a training of 'dots' is under way" in errors[0]
    assert [path.read_bytes() for path in unfinished.parent.iterdir()] == [b"the first one's"]


def test_a_style_that_the_disk_does_not_take_is_exported_when_resumed(
    run_train: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("exporters.to_onnx.onnx.save", full_disk)
        code, _, errors = run_train("dots.png", *COMMON)
    style = tmp_path / "styles" / "dots.onnx"
    assert code == 1 and errors[-1] == f"error: {style}: cannot be written (No space left on device)"
    assert errors[-2] == "stopped after step 2; to go on, give the same command and --resume"
    assert run_train("dots.png", *COMMON, "--resume")[0] == 0 and style.exists()


def test_the_time_left_is_what_was_asked_for_or_what_the_steps_take(config: TrainConfig) -> None:
    minutes, steps = Budget(replace(config, minutes=10.0)), Budget(replace(config, iterations=100))
    minutes.resume(150, None)
    assert minutes.seconds_left(3, 99.0) == pytest.approx(450, abs=5)
    assert steps.seconds_left(40, 2.0) == 120
    steps.level_off(30)
    assert steps.seconds_left(30, 2.0) == pytest.approx(40)  # 30 steps were three fifths of it
    assert steps.seconds_left(60, 2.0) == 0


def test_what_is_shown_may_be_other_photos_than_what_is_judged_by(config: TrainConfig, world: Path) -> None:
    photos = Files(sorted((world / "photos").iterdir()))
    same, other = (Judge(photos, shown, config, print) for shown in (photos, Files([world / "dots.png"])))
    assert (len(same.examples), len(other.examples)) == (3, 1)
    assert torch.equal(other.examples, middle(Pillow.open(world / "dots.png"), same.examples.shape[-1]))


@pytest.mark.parametrize("before", [False, True])
def test_what_a_full_disk_took_no_checkpoint_of_is_exported_when_there_is_room(
    before: bool, run_train: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room: list[float] = []
    fsync, save = os.fsync, exporters.to_onnx.onnx.save

    def stop(self: object, progress: Progress, net: nn.Module) -> None:
        raise KeyboardInterrupt

    def full_disk_of(write: Callable[..., object]) -> Callable[..., object]:
        def full_disk(*arguments: object) -> object:
            if room:
                return write(*arguments)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return full_disk

    if before:  # a checkpoint of the first step, which is not what is to be kept
        with monkeypatch.context() as patched:
            patched.setattr("livestyle.training.preview.Preview.stepped", stop)
            run_train("dots.png", *COMMON)
        assert (tmp_path / "training" / "dots.safetensors").exists()
    monkeypatch.setattr(state.os, "fsync", full_disk_of(fsync))
    monkeypatch.setattr("exporters.to_onnx.onnx.save", full_disk_of(save))
    monkeypatch.setattr(command.time, "sleep", room.append)
    code, _, errors = run_train("dots.png", *COMMON, *["--resume"] * before)
    told = [line for line in errors if "make room" in line]
    style = tmp_path / "styles" / "dots.onnx"
    assert code == 0 and style.exists() and len(room) == 1
    assert len(told) == 1 and told[0].startswith(f"note: {style}: cannot be written (No space left on device)")


def test_a_disk_that_stays_full_is_given_up_in_the_end(run_train: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(state.os, "fsync", full_disk)
    monkeypatch.setattr("exporters.to_onnx.onnx.save", full_disk)
    monkeypatch.setattr(command, "_PATIENCE", 0.5)
    monkeypatch.setattr(command, "_AGAIN", 0.2)
    code, _, errors = run_train("dots.png", *COMMON)
    assert code == 1 and errors[-1].endswith("dots.onnx: cannot be written (No space left on device)")


def test_logs_that_the_disk_does_not_take_are_no_reason_to_stop(
    run_train: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", full_disk)
    code, _, errors = run_train("dots.png", *COMMON, "--logs", str(tmp_path / "logs"))
    told = [line for line in errors if "No space left" in line]
    assert code == 0 and told == [f"note: {tmp_path / 'logs'}: cannot be written (No space left on device)"]


def test_a_training_cut_off_at_its_card_is_done(
    run_train: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("livestyle.training.command.write_card", stop)
    assert run_train("dots.png", *COMMON)[0] == 130
    assert (tmp_path / "styles" / "dots.onnx").exists() and not any((tmp_path / "training").iterdir())


@pytest.mark.parametrize("photos", [".", "../photos", "../photos/."])
def test_photos_are_called_by_their_folders_name(
    photos: str, run_train: RunCli, tmp_path: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world / "photos")
    more = [str(world / "dots.png"), "--loss-network", str(world / "vgg.safetensors"), "--photos", photos]
    code, _, errors = run_train(*more, "--out", str(tmp_path / "a.onnx"))
    assert code == 0 and any("(photos)" in line for line in errors if line.startswith("photos: "))


def test_a_training_that_had_ended_still_gets_its_curves(
    run_train: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OutputError("dots.onnx: cannot be written (No space left on device)")

    with monkeypatch.context() as patched:
        patched.setattr("livestyle.training.command.export_onnx", full_disk)
        assert run_train("dots.png", *COMMON)[0] == 1
    assert load_network(tmp_path / "training" / "dots.safetensors")[2] == 2
    code, _, errors = run_train("dots.png", *COMMON, "--resume")
    assert (code, errors.count("goes on from step 2")) == (0, 1)
    styles = tmp_path / "styles"
    assert (styles / "dots.curves.png").exists()
    card = (styles / "dots.card.html").read_text()
    assert "content loss" in card and "Gatys" not in card  # nothing is said where there was no time


RECIPE = """
net = "lite"
iterations = 3
loss-network = "vgg.safetensors"
crop = 64
[net-options]
depth = 8
blocks = 1
[[painting]]
name = "spots"
file = "dots"
stroke = 0.25
dots = 100
[[painting]]
name = "waves"
style-weight = 2
"""


def test_a_recipe_makes_a_network_and_what_is_typed_goes_before(run_train: RunCli, tmp_path: Path) -> None:
    recipe, target = tmp_path / "mine.toml", tmp_path / "target.onnx"
    recipe.write_text(RECIPE)
    paintings = ["--paintings", ".", "--photos", "photos", "--out", str(target)]
    assert run_train("--recipe", str(recipe), *paintings)[0] == 0
    about = inspect(target).about
    told = json.loads(about["config"])
    assert about["recipe"] == "mine" and list(inspect(target).codes) == ["spots", "waves"]
    assert told["net_options"] == {"width": 4, "depth": 8, "blocks": 1}
    assert told["iterations"] == 2  # typed
    rows = [(row["path"], row["style_weight"], row["content"], row["dots"]) for row in told["paintings"]]
    assert rows == [("dots.png", 3.0, CONTENT_GOAL, 100.0), ("waves.png", 2.0, None, 0.0)]


def test_what_is_typed_goes_before_a_recipes_paintings(run_train: RunCli, tmp_path: Path) -> None:
    recipe, target = tmp_path / "mine.toml", tmp_path / "target.onnx"
    recipe.write_text(RECIPE)
    paintings = ["--paintings", ".", "--photos", "photos", "--out", str(target)]
    typed = ["--content-loss", "0.8", "--dot-weight", "7"]
    assert run_train("--recipe", str(recipe), *paintings, *typed)[0] == 0
    told = json.loads(inspect(target).about["config"])["paintings"]
    assert [(row["content"], row["dots"]) for row in told] == [(0.8, 7.0)] * 2


def test_how_far_from_the_photo_can_be_said(run_train: RunCli, tmp_path: Path) -> None:
    target = tmp_path / "far.onnx"
    options = ["--content-loss", "1.1", "--dot-weight", "50"]
    assert run_train("dots.png", *COMMON, *options, "--out", str(target))[0] == 0
    (painting,) = json.loads(inspect(target).about["config"])["paintings"]
    assert (painting["content"], painting["dots"]) == (1.1, 50)


def test_of_many_small_paintings_a_few_are_named(run_train: RunCli, tmp_path: Path, world: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(14):
        shutil.copy(world / "dots.png", tmp_path / "many" / f"p{number}.png")
    target = ["--out", str(tmp_path / "many.onnx")]
    code, _, lines = run_train("--paintings", str(tmp_path / "many"), *COMMON, *target)
    notes = [line for line in lines if line.startswith("note: ")]
    assert code == 0 and len(notes) == 13 and notes[-1] == "note: 2 more of this kind"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nett = 'lite'", "'nett' is not an option a recipe can set"),
        ("out = 'x'", "'out' is not an option a recipe can set"),
        ("crop = 3", "crop = 3"),
        ("[[painting]]\nname = 'a'\nbrush = 3", "brush = 3"),
        ("[[painting]]\nname = 'absent'", "no picture for absent; give them with --paintings FOLDER"),
        ("= 3", "not a recipe"),
        ("painting = 3", "write a table for each, [[painting]]"),
        ("[painting]\nname = 'a'", "write a table for each, [[painting]]"),
        ("painting = ['name']", "write a table for each, [[painting]]"),
        ("net-options = 3", "write a table, [net-options]"),
        ("codes-only = 1", "codes-only = 1: write true or false"),
        ("keep-color = {a = 1}", "write true or false"),
        ("[[painting]]\nname = 'dots'\nstroke = 1000", "stroke = 1000; from 0.25 to 4"),
        ("[[painting]]\nname = 'dots'\nstroke = 0", "stroke = 0; from 0.25 to 4"),
        ("[[painting]]\nname = 'dots'\nstyle-weight = nan", "style-weight = nan; from"),
        ("[[painting]]\nname = 'dots'\ndots = -1", "dots = -1; from 0"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_one_line(text: str, reason: str, run_train: RunCli, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(text)
    code, _, errors = run_train("dots.png", "--recipe", str(recipe), *COMMON)
    assert (code, len(errors)) == (1, 1) and reason in errors[0]


def test_the_shipped_recipes_hold_the_shipped_styles() -> None:
    for name in {style.network for style in shipped().values()}:
        rows = {row["name"] for row in load_recipe(name).paintings}
        assert rows == {style.name for style in shipped().values() if style.network == name}
    with pytest.raises(InputError, match="did you mean 'lite'"):
        load_recipe("litte")


@pytest.mark.parametrize("two", [["--minutes", "1"], ["--quality", "draft"]])
def test_two_lengths_are_a_usage_error(two: list[str], run_train: RunCli) -> None:
    code, _, errors = run_train("dots.png", *COMMON, *two)  # run_train gives --iterations
    assert code == 2 and "both say how long" in errors[-1]


def test_a_painting_that_there_is_not_is_told_before_torch_is_loaded(
    run_train: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "livestyle.training.command", None)  # importing it raises
    assert run_train("dots.png", "missing.png")[::2] == (1, ["error: missing.png: no such file"])


@pytest.mark.parametrize("option", ["style-weight", "content-loss", "learning-rate", "tv-weight", "stroke", "minutes"])
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_number_that_is_none_is_a_usage_error(option: str, number: str, run_train: RunCli) -> None:
    code, _, errors = run_train("dots.png", *COMMON, f"--{option}", number, small=())
    assert code == 2 and f"--{option}" in errors[-1]


def test_a_seed_that_is_too_large_is_a_usage_error(run_train: RunCli) -> None:
    code, _, errors = run_train("dots.png", *COMMON, "--seed", str(2**64))
    assert code == 2 and "--seed" in errors[-1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["dots.png", "--photos", "photos", "--name", "starry"], "one of this name comes with livestyle"),
        (["dots.png", "--photos", "photos", "--name", "a+b"], "cannot be the name of a style"),
        (["--paintings", "empty", "--photos", "photos"], "empty: no pictures in it"),
        (["dots.png", "--photos", "photos", "--resume"], "no unfinished training of 'dots'"),
        (["dots.png", "--photos", "missing"], "missing: no such folder"),
        (["--recipe", "litte"], "no recipe 'litte'; did you mean 'lite'?"),
        (["dots.png", "--photos", "empty"], "empty: no pictures in it"),
        (["missing.png", "--photos", "photos"], "missing.png: no such file"),
        (["vgg.safetensors", "--photos", "photos"], "vgg.safetensors: not a picture"),
        (["dots.png", "--photos", "photos", "--loss-network", "vgg11"], "vgg11: no such loss network"),
        (["dots.png", "--photos", "photos", "--name", "a", "--name", "b"], "--name: given 2 times, for paintings: 1;"),
        (["dots.png", "dots.png", "--photos", "photos"], "'dots' is the name of more than one painting"),
        (["dots.png", "waves.png", "--photos", "photos", "--net", "johnson"], "johnson holds one style, not 2"),
        (["dots.png", "--photos", "photos", "--style-weight", "1", "--style-weight", "2"], "--style-weight: 2 values"),
        (["dots.png", "--photos", "photos", "--out", "dots.png"], "dots.png: unknown kind of output"),
        (["dots.png", "--photos", "photos", "--name", "x" * 230], "too long for the name of a style"),
        (["dots.png", "--photos", "photos", "--out", "x" * 240 + ".onnx"], "too long for the name of a style"),
        (["dots.png", "--photos", "photos", "--out", "nowhere/a.onnx"], "nowhere does not exist"),
        (["dots.png", "--photos", "photos", "--checkpoint", "vgg.safetensors"], "not a checkpoint of this lite"),
        (["dots.png", "--net", "predictor", "--start", "none"], "give the lite style file it is to serve"),
        (["dots.png", "--photos", "photos", "--net", "johnson", "--start", LITE], "not a johnson network"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_exit_1(
    arguments: list[str], reason: str, run_train: RunCli, world: Path
) -> None:
    (world / "empty").mkdir(exist_ok=True)
    before = sorted(world.rglob("*"))
    if "--loss-network" not in arguments:
        arguments = [*arguments, "--loss-network", "vgg.safetensors"]
    code, out, errors = run_train(*arguments)
    assert (code, out, len(errors)) == (1, [], 1)
    assert errors[0].startswith("error: ") and reason in errors[0]
    assert sorted(world.rglob("*")) == before


def test_an_existing_style_is_kept(run_train: RunCli, tmp_path: Path) -> None:
    target = tmp_path / "mine.onnx"
    target.write_bytes(b"mine")
    code, _, errors = run_train("dots.png", "--photos", "photos", "--out", str(target))
    assert code == 1 and "add --overwrite" in errors[0]
    assert target.read_bytes() == b"mine"
