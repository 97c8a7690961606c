"""Training: the same seed gives the same weights, interrupted or not, and the command writes a style."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_images_close, gradient
from PIL import Image as Pillow

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

import livestyle  # noqa: E402
from livestyle import train as training  # noqa: E402
from livestyle.artifact import inspect  # noqa: E402
from livestyle.cli import main  # noqa: E402
from livestyle.errors import InputError  # noqa: E402
from livestyle.train import Painting, Progress, TrainConfig, load_network, train  # noqa: E402

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


def interrupt_at(step: int) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        if progress.step == step:
            raise Interrupted

    return on_progress


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
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)  # at every step
    checkpoint, steps = tmp_path / "runs" / "net.safetensors", []
    with pytest.raises(Interrupted):
        train(config, checkpoint=checkpoint, on_progress=interrupt_at(4))
    resumed = train(config, checkpoint=checkpoint, on_progress=lambda progress: steps.append(progress.step))
    assert steps == [4, 5, 6]
    assert differences(resumed, train(config)) == []


def test_a_style_weight_found_on_the_way_survives_an_interruption(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, paintings=tuple(replace(one, content=0.1) for one in config.paintings))
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    checkpoint = tmp_path / "net.safetensors"
    with pytest.raises(Interrupted):
        train(config, checkpoint=checkpoint, on_progress=interrupt_at(4))
    assert differences(train(config, checkpoint=checkpoint), train(config)) == []


def test_the_temporal_loss_is_reported_and_has_an_effect(config: TrainConfig) -> None:
    reports: list[Progress] = []
    steady = train(config, on_progress=reports.append)
    assert all(report.losses["temporal"] > 0 for report in reports)
    without = replace(config, losses=replace(config.losses, temporal=0))
    assert differences(steady, train(without, on_progress=reports.append)) != []
    assert "temporal" not in reports[-1].losses


def test_a_finished_training_is_not_repeated(config: TrainConfig, tmp_path: Path) -> None:
    checkpoint, steps = tmp_path / "net.safetensors", []
    trained = train(config, checkpoint=checkpoint)
    again = train(config, checkpoint=checkpoint, on_progress=lambda progress: steps.append(progress.step))
    assert steps == [] and differences(trained, again) == []
    loaded, told, done = load_network(checkpoint)
    assert differences(trained, loaded) == [] and not loaded.training
    assert (told["net"], told["paintings"][1]["name"], done) == ("lite", "waves", ITERATIONS)


def test_the_loss_falls_and_the_end_comes_nearer(config: TrainConfig) -> None:
    reports: list[Progress] = []
    train(replace(config, iterations=30, learning_rate=1e-2), on_progress=reports.append)
    totals = [report.losses["total"] for report in reports]
    assert np.mean(totals[-5:]) < 0.8 * np.mean(totals[:5])
    assert [report.step for report in reports] == list(range(1, 31))
    assert reports[0].seconds_left > reports[-1].seconds_left == 0


def test_a_checkpoint_that_breaks_off_leaves_the_one_before(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "net.safetensors"
    train(replace(config, iterations=1), checkpoint=checkpoint)
    before = checkpoint.read_bytes()

    def full_disk(tensors: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(training, "save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        train(config, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before


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


def test_johnson_holds_one_style(config: TrainConfig) -> None:
    with pytest.raises(InputError, match="johnson holds one style, not 2; train many with lite"):
        train(replace(config, net="johnson", net_options={"width": 4}))


LITE = str(Path(livestyle.__file__).parent / "styles" / "lite.onnx")
RunCli = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run_train(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunCli:
    """A function that runs `livestyle train`: exit code, lines of output, lines of errors."""
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    monkeypatch.chdir(world)
    small = ["--width", "4", "--iterations", "2", "--batch", "2", "--crop", "64", "--stroke", "0.25"]

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
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
    run_train: RunCli, tmp_path: Path, world: Path
) -> None:
    dots, waves, photos, vgg = (str(world / name) for name in ("dots.png", "waves.png", "photos", "vgg.safetensors"))
    named = ["--name", "d", "--name", "w"]
    code, out, errors = run_train(dots, waves, "--photos", photos, "--loss-network", vgg, *named)
    target = tmp_path / "styles" / "d.onnx"
    assert (code, out) == (0, [str(target)])
    assert errors[-1].startswith("2/2  total ")
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


def test_a_new_style_beside_those_of_a_style_file_begins_with_their_mean(run_train: RunCli, tmp_path: Path) -> None:
    common = ["--photos", "photos", "--loss-network", "vgg.safetensors", "--out", str(tmp_path / "three.onnx")]
    named = ["--name", "wave", "--name", "new", "--name", "starry"]
    start = ["--start", LITE, "--learning-rate", "1e-9"]
    code = run_train("dots.png", "waves.png", "dots.png", *common, *named, *start)[0]
    before, after = inspect(Path(LITE)).codes, inspect(tmp_path / "three.onnx").codes
    assert code == 0 and list(after) == ["wave", "new", "starry"]
    for name, expected in (("wave", before["wave"]), ("new", np.mean(list(before.values()), axis=0))):
        np.testing.assert_allclose(after[name], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["dots.png", "--photos", "missing"], "missing: no such folder of photos"),
        (["dots.png", "--photos", "empty"], "empty: no pictures in it"),
        (["missing.png", "--photos", "photos"], "missing.png: no such file"),
        (["vgg.safetensors", "--photos", "photos"], "vgg.safetensors: not a picture"),
        (["dots.png", "--photos", "photos", "--loss-network", "vgg11"], "vgg11: no such loss network"),
        (["dots.png", "--photos", "photos", "--name", "a", "--name", "b"], "--name: 2 names for 1 paintings"),
        (["dots.png", "waves.png", "--photos", "photos", "--net", "johnson"], "johnson holds one style, not 2"),
        (["dots.png", "--photos", "photos", "--style-weight", "1", "--style-weight", "2"], "--style-weight: 2 values"),
        (["dots.png", "--photos", "photos", "--out", "dots.png"], "dots.png: unknown kind of output"),
        (["dots.png", "--photos", "photos", "--out", "nowhere/a.onnx"], "nowhere does not exist"),
        (["dots.png", "--photos", "photos", "--checkpoint", "vgg.safetensors"], "not a checkpoint of this lite"),
        (["dots.png", "--photos", "photos", "--net", "johnson", "--start", LITE], "only lite can be trained on"),
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
