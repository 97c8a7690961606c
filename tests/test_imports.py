"""Who may import whom, and what starting and rendering load."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import MakeFilm

PACKAGE = Path(__file__).parents[1] / "livestyle"
LEARNING = {"nets", "losses", "data", "motion_pairs", "training", "reference", "exporters", "torch"}
LEARNING |= {"torchvision"}
RUNTIME = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in LEARNING
]
HEAVY = {"av", "cv2", "numpy", "onnxruntime", "torch"}


def imports(path: Path, *, lazy: bool) -> set[str]:
    """First names of what a module imports: livestyle's own without the package, and others."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        only_for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if (is_function and not lazy) or only_for_types:
            skipped |= set(ast.walk(node))
    found: set[str] = set()
    for node in set(ast.walk(tree)) - skipped:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return {name.removeprefix("livestyle.").split(".")[0] for name in found}


def modules_after(code: str, *arguments: str) -> set[str]:
    """The modules loaded once `code` has run in a fresh Python."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_rule_sees_every_part_of_the_runtime() -> None:
    names = {str(path.relative_to(PACKAGE)) for path in RUNTIME}
    assert {"cli.py", "pipeline.py", "stylizer.py", "film.py", "media/reader.py", "styles/__init__.py"} <= names


@pytest.mark.parametrize("path", RUNTIME, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_runtime_never_imports_learning(path: Path) -> None:
    """The command line may, inside its commands."""
    assert not imports(path, lazy=path.name not in ("cli.py", "cli_train.py")) & LEARNING


def test_only_media_imports_the_codecs() -> None:
    # `compare` is a witness against our own reader and writer, so it reads films by itself.
    outside = [path for path in RUNTIME if path.parent.name not in ("media", "compare")]
    offenders = {path.name: imports(path, lazy=False) & {"av", "cv2"} for path in outside if path.name != "bench.py"}
    assert {name: found for name, found in offenders.items() if found} == {}


@pytest.mark.parametrize("name", ["errors.py", "frame.py", "signals.py", "pipeline.py", "artifact.py"])
def test_the_foundations_import_nothing_above_them(name: str) -> None:
    above = {path.stem for path in PACKAGE.glob("*.py")} | {"media", "styles"}
    foundations = {"errors.py": set(), "signals.py": set(), "frame.py": {"errors"}}
    allowed = foundations.get(name, {"errors", "frame", "signals"})
    assert imports(PACKAGE / name, lazy=True) & above <= allowed


@pytest.mark.parametrize("module", ["livestyle", "livestyle.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert not modules_after(f"import {module}") & HEAVY


def test_rendering_a_film_loads_neither_cv2_nor_torch(make_film: MakeFilm, tmp_path: Path) -> None:
    film, target = make_film(pts=range(3)), tmp_path / "out.mp4"
    code = "from livestyle import cli\ncli.main()"
    loaded = modules_after(code, "video", str(film), str(target), "--style", "starry", "--threads", "1")
    assert {"av", "onnxruntime"} <= loaded
    assert not loaded & {"cv2", "torch", "matplotlib", "onnx"}
    assert target.exists()


def test_help_answers_within_half_a_second() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "livestyle.cli", "--help"], check=True, capture_output=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.5
