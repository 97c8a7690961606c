"""The benchmark measures what it says."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import livestyle
from livestyle.bench import make_film, report, run_bench
from livestyle.errors import InputError
from livestyle.media.reader import FilmReader
from livestyle.media.size import Size

STYLES = Path(livestyle.__file__).parent / "styles"


@pytest.fixture
def peer(tmp_path):
    """An ONNX network that gives the picture back."""
    picture = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, None, None, 3])
    result = helper.make_tensor_value_info("y", TensorProto.UINT8, [1, None, None, 3])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "peer", [picture], [result])
    path = tmp_path / "peer.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_every_figure_is_there_and_positive(peer):
    result = run_bench(None, style="starry", size=Size(64, 48), frames=20, device="cpu", peer=peer)
    json.dumps(result)
    assert result["film"] == {"size": "64x48", "frames": 20}
    assert result["device"].startswith("cpu")
    assert sum(result["whole_chain"][stage]["share"] for stage in ("source", "engine", "sink")) == pytest.approx(1)
    assert all(result[part]["cpu_ms"] > 0 for part in ("whole_chain", "tensor_only", "codecs_only"))
    assert result["tensor_only"]["p50"] <= result["tensor_only"]["p95"]
    assert result["peer"]["we_are_times_faster"] == pytest.approx(result["whole_chain"]["fps"] / result["peer"]["fps"])
    assert "64x48" in report(result)


@pytest.mark.parametrize("frames", [1, 3, 10])
def test_a_short_film_is_enough_for_a_peer(peer, tmp_path, frames):
    film = make_film(tmp_path / "film.mp4", Size(64, 48), frames)
    result = run_bench(film, style="none", size=640, frames=10, device="cpu", peer=peer)
    assert result["peer"]["fps"] > 0


@pytest.mark.parametrize("network", ["predictor", "lite"])
def test_a_peer_that_makes_no_picture_is_one_line(network, tmp_path):
    path, film = STYLES / f"{network}.onnx", make_film(tmp_path / "film.mp4", Size(64, 48), 10)
    if network == "lite":  # with another input
        model = onnx.load(path)
        model.graph.initializer.remove(next(t for t in model.graph.initializer if t.name == "code"))
        path = tmp_path / "lite.onnx"
        onnx.save(model, path)
    with pytest.raises(InputError) as caught:
        run_bench(film, style="none", size=640, frames=10, device="cpu", peer=path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_without_a_network_the_engine_takes_no_share():
    result = run_bench(None, style="none", size=Size(64, 48), frames=20, device="cpu", peer=None)
    assert result["whole_chain"]["engine"]["share"] < 0.2


def test_the_film_it_makes_moves(tmp_path):
    path = make_film(tmp_path / "film.mp4", Size(64, 48), 12)
    with FilmReader(path) as reader:
        images = [frame.image for frame in reader]
    assert len(images) == 12
    assert np.abs(images[0].astype(int) - images[6]).mean() > 2
    with av.open(str(path)) as container:
        assert not container.streams.audio
