"""An honest benchmark: file to file, beside the network alone and the codecs alone, in one run."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from .errors import InputError
from .film import stylize_film
from .frame import Frame, Image
from .media.color import tag, to_yuv
from .media.encoding import CRF, PRESET
from .media.reader import FilmReader, address_of
from .media.size import Size, fit
from .pipeline import STAGES
from .stylizer import Stylizer, load

if TYPE_CHECKING:
    import onnxruntime

WARM_UP = 5  # frames: the first ones allocate
PEER_FRAMES = 10  # frames: a peer may take a second each
RATE = 30


def run_bench(
    source: Path | None, *, style: str, size: Size | int, frames: int, device: str, peer: Path | None
) -> dict[str, Any]:
    """All figures, ready for JSON: speeds in fps, times in milliseconds a frame.

    Args:
        source: the film to measure on; None makes a moving one of `size`.
        peer: an ONNX network, uint8 (1, H, W, 3) in and out, run frame by frame with the same codecs.
    """
    with tempfile.TemporaryDirectory(prefix="livestyle-bench-") as folder:
        film = source or make_film(Path(folder) / "film.mp4", fit(Size(640, 360), size), frames)
        with load(style, device=device, film=True) as film_stylizer, load(style, device=device) as stylizer:
            styled = Path(folder) / "styled.mp4"
            for image in islice(_images(film), WARM_UP):
                stylizer(image)
                film_stylizer(image)
            chain, chain_cpu, chain_wall, stages = _chain(film, styled, film_stylizer)
            images = list(islice(_images(film), min(frames, 100)))
            network, network_cpu = _each(stylizer, images)
            codecs, codecs_cpu = _codecs(film, styled)
            result: dict[str, Any] = {
                "machine": _machine(),
                "device": stylizer.device,
                "style": style,
                "film": {"size": f"{images[0].shape[1]}x{images[0].shape[0]}", "frames": chain},
                "whole_chain": {"fps": chain / chain_wall, "cpu_ms": chain_cpu, **stages},
                "tensor_only": {"fps": 1000 / np.median(network), "cpu_ms": network_cpu, **_percentiles(network)},
                "codecs_only": {"cpu_ms": codecs_cpu, "ms": codecs},
            }
        alone = network_cpu + codecs_cpu
        result["cpu_over_network_plus_codecs"] = chain_cpu / alone
        result["wall_over_network_plus_codecs"] = chain_wall / chain * 1000 / (alone / (os.cpu_count() or 1))
        if peer:
            result["peer"] = _peer(peer, film, Path(folder) / "peer.mp4", result["whole_chain"]["fps"])
        return result


def report(result: dict[str, Any]) -> str:
    """The figures as lines for people."""
    chain, tensor, codecs = result["whole_chain"], result["tensor_only"], result["codecs_only"]
    film = result["film"]
    lines = [
        f"{result['style']}, {film['size']}, {film['frames']} frames, on {result['device']}",
        f"{result['machine']}",
        "",
        f"whole chain   {chain['fps']:6.1f} fps   {chain['cpu_ms']:6.1f} CPU-ms a frame, H.264 file to H.264 file",
        f"tensor only   {tensor['fps']:6.1f} fps   {tensor['cpu_ms']:6.1f} CPU-ms a frame,"
        f" p50 {tensor['p50']:.1f} ms, p95 {tensor['p95']:.1f} ms",
        f"codecs only             {codecs['cpu_ms']:6.1f} CPU-ms a frame, decode and encode without conversion",
        f"the chain costs {result['cpu_over_network_plus_codecs']:.2f}x the CPU time of network and codecs alone",
        f"and {result['wall_over_network_plus_codecs']:.2f}x their time spread over {os.cpu_count()} cores",
        "",
        "stage      p50 ms   p95 ms   share",
    ]
    lines += [
        f"{stage:<9}{chain[stage]['p50']:8.1f}{chain[stage]['p95']:9.1f}{chain[stage]['share']:8.0%}"
        for stage in STAGES
    ]
    if "peer" in result:
        peer = result["peer"]
        ratio = f"we are {peer['we_are_times_faster']:.1f}x as fast"
        lines += [
            "",
            f"peer {peer['name']}: {peer['fps']:.2f} fps frame by frame; {ratio}",
        ]
    return "\n".join(lines)


def make_film(path: Path, size: Size, frames: int) -> Path:
    """A film with texture that moves: noise at many scales, sliding, with a disc across it."""
    rng = np.random.default_rng(0)
    width, height = size.width + size.width % 2, size.height + size.height % 2
    canvas = sum(
        np.kron(rng.normal(size=(-(-height // cell), -(-2 * width // cell), 3)), np.ones((cell, cell, 1)))[
            :height, : 2 * width
        ]
        * cell
        for cell in (2, 8, 32, 64)
    )
    texture = np.clip(np.asarray(canvas) * 0.8 + 128, 0, 255).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(CRF), "preset": PRESET})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            left = index * 2 % width
            image = np.ascontiguousarray(texture[:, left : left + width])
            disc = (columns - (index * 5 % width)) ** 2 + (rows - height / 2) ** 2 < (height / 5) ** 2
            image[disc] = (230, 190, 160)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _images(film: Path) -> Iterator[Image]:
    with FilmReader(film) as reader:
        yield from (frame.image for frame in reader)


@contextmanager
def _clock() -> Iterator[Callable[[], tuple[float, float]]]:
    """A function that gives (wall, CPU) seconds since the start."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield lambda: (time.perf_counter() - wall, time.process_time() - cpu)


def _chain(film: Path, styled: Path, stylizer: Stylizer) -> tuple[int, float, float, dict[str, Any]]:
    with _clock() as elapsed:
        stats = stylize_film(film, styled, stylizer).stats
        wall, cpu = elapsed()
    totals = {stage: sum(times) for stage, times in stats.stage_ms.items()}
    stages = {
        stage: {**_percentiles(list(stats.stage_ms[stage])), "share": totals[stage] / sum(totals.values())}
        for stage in STAGES
    }
    return stats.frames, cpu * 1000 / stats.frames, wall, stages


def _each(work: Callable[[Image], Image], images: Sequence[Image]) -> tuple[list[float], float]:
    """Milliseconds of each, and CPU milliseconds on average."""
    times = []
    with _clock() as elapsed:
        for image in images:
            began = time.perf_counter()
            work(image)
            times.append((time.perf_counter() - began) * 1000)
        _, cpu = elapsed()
    return times, cpu * 1000 / len(images)


def _codecs(film: Path, styled: Path) -> tuple[float, float]:
    """(wall, CPU) milliseconds a frame of decoding the film and encoding the styled film's pictures, without RGB."""
    with _clock() as elapsed, av.open(address_of(film)) as container:
        container.streams.video[0].thread_type = "AUTO"
        frames = sum(1 for _ in container.decode(video=0))
        decode = elapsed()
    with av.open(str(styled)) as container:
        pictures = list(islice(container.decode(video=0), min(frames, 150)))
        rate = container.streams.video[0].guessed_rate or RATE
    with tempfile.TemporaryDirectory() as folder, _clock() as elapsed:
        _encode(Path(folder) / "again.mp4", pictures, Fraction(rate))
        encode = elapsed()
    wall, cpu = (1000 * (d / frames + e / len(pictures)) for d, e in zip(decode, encode, strict=True))
    return wall, cpu


def _encode(path: Path, pictures: Sequence[av.VideoFrame], rate: Fraction) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(CRF), "preset": PRESET})
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, "yuv420p"
        for index, picture in enumerate(pictures):
            picture.pts, picture.time_base, picture.pict_type = index, 1 / rate, 0
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _peer(path: Path, film: Path, target: Path, our_fps: float) -> dict[str, Any]:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare exceptions of many kinds
        raise InputError(f"{path}: onnxruntime cannot load it ({str(error).splitlines()[0]})") from error
    times = []
    with FilmReader(film) as reader, av.open(str(target), "w") as container:
        size = Size(*(side // 4 * 4 for side in reader.size))
        stream = container.add_stream("libx264", rate=reader.rate, options={"crf": str(CRF), "preset": PRESET})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        tag(stream.codec_context, reader.matrix)
        frames: Iterator[Frame] = islice(reader, WARM_UP + PEER_FRAMES)
        began = time.perf_counter()
        for index, frame in enumerate(frames):
            image = _run_peer(session, path, frame.image[: size.height, : size.width])
            picture = to_yuv(image, size, reader.matrix)
            picture.pts, picture.time_base = index, 1 / reader.rate
            container.mux(stream.encode(picture))
            times.append(time.perf_counter() - began)
            began = time.perf_counter()
        container.mux(stream.encode(None))
    fps = float(1 / np.median(times[min(WARM_UP, len(times) // 2) :]))  # a film may be short
    return {"name": path.stem, "fps": fps, "we_are_times_faster": our_fps / fps}


def _run_peer(session: onnxruntime.InferenceSession, path: Path, image: Image) -> Image:
    """Raises InputError for a network that makes no picture of that size of it."""
    try:
        styled: Image = session.run(None, {session.get_inputs()[0].name: image[None]})[0]
    except Exception as error:  # onnxruntime raises bare exceptions of many kinds
        raise InputError(f"{path}: fails on {image.shape} ({str(error).splitlines()[0]})") from error
    if styled.dtype != np.uint8 or styled.shape != (1, *image.shape):
        raise InputError(f"{path}: makes {styled.shape}, {styled.dtype} of {image.shape}; give a uint8 NHWC network")
    picture: Image = styled[0]
    return picture


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(times, 50)), "p95": float(np.percentile(times, 95))}


def _machine() -> str:
    import onnxruntime

    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"onnxruntime {onnxruntime.__version__}, PyAV {av.__version__}"
    )
