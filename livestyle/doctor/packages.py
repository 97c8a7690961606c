"""Python, the packages and the extras, by what livestyle's own metadata asks for."""

from __future__ import annotations

import re
from typing import NamedTuple

from .finding import Finding
from .system import System

OLDEST_PYTHON = (3, 11)
IMPORT_SECONDS = 20.0  # torch's, on a slow disk
_ENGINES = ("cpu", "gpu")  # extras that hold the same module: one of them, never both
_NOT_OURS = ("dev",)  # nothing a user misses
_FOR = {"live": "the virtual camera", "mask": "the network of --mask person", "train": "learning a style"}


class Requirement(NamedTuple):
    """`onnxruntime>=1.20; extra == 'cpu'`, taken apart."""

    package: str
    wanted: str  # `>=1.20`
    extra: str


def python(system: System) -> list[Finding]:
    """The Python that runs this, and the system around it."""
    version = ".".join(map(str, system.python()))
    names = re.findall(r'^PRETTY_NAME="?([^"\n]*)', system.read("/etc/os-release"), re.MULTILINE)
    place = ", ".join([*names, system.describe()])
    if system.python() < OLDEST_PYTHON:
        fix = "install Python 3.11 or newer and make the environment again: python3.11 -m venv .venv"
        return [Finding("python", "problem", f"{version} is too old, {place}", fix)]
    return [Finding("python", "ok", f"{version}, {place}")]


def packages(system: System) -> list[Finding]:
    """What livestyle cannot do without, and a line on each extra."""
    installed = system.packages()
    wanted = [one for text in system.requirements() if (one := parse(text))]
    if not wanted:
        return [Finding("packages", "unknown", "livestyle runs without being installed", "pip install -e .")]
    findings = [_base(installed, [one for one in wanted if not one.extra])]
    for extra in dict.fromkeys(one.extra for one in wanted if one.extra and one.extra not in _ENGINES + _NOT_OURS):
        elsewhere = {one.package for one in wanted if one.extra != extra}
        findings.append(_extra(installed, extra, [one for one in wanted if one.extra == extra], elsewhere))
    return findings


def _base(installed: dict[str, str], wanted: list[Requirement]) -> Finding:
    bad = [one for one in wanted if not _fits(installed.get(one.package), one.wanted)]
    if bad:
        said = [f"{one.package} {installed.get(one.package, 'is missing')} (needs {one.wanted})" for one in bad]
        quoted = " ".join(f'"{one.package}{one.wanted}"' for one in bad)
        return Finding("packages", "problem", ", ".join(said), f"pip install {quoted}")
    return Finding("packages", "ok", ", ".join(f"{one.package} {installed[one.package]}" for one in wanted))


def _extra(installed: dict[str, str], extra: str, wanted: list[Requirement], elsewhere: set[str]) -> Finding:
    """`elsewhere`: the packages that others want too, which do not say that this one was asked for."""
    name, purpose = f"extra {extra}", _FOR.get(extra, "")
    bad = [one for one in wanted if not _fits(installed.get(one.package), one.wanted)]
    if not bad:
        return Finding(name, "ok", ", ".join(f"{one.package} {installed[one.package]}" for one in wanted))
    said = ", ".join(f"{one.package} {installed.get(one.package, 'missing')}" for one in bad)
    only = f"; only for {purpose}" if purpose else ""
    if any(one.package in installed for one in wanted if one.package not in elsewhere):
        return Finding(name, "warning", f"not complete: {said}{only}", pip(extra))
    return Finding(name, "ok", f"not installed{only}", pip(extra))


def torchvision(system: System) -> list[Finding]:
    """Whether torchvision, where it is, fits the torch that is there; one built for another cannot be imported."""
    version = system.packages().get("torchvision")
    if version is None:
        return []
    error = system.probe("torchvision", timeout=IMPORT_SECONDS).get("error")
    if error:
        detail = f"{version} cannot be imported ({error}); only --loss-network vgg16 and vgg19 need it"
        return [Finding("torchvision", "warning", detail, "pip install --force-reinstall torch torchvision")]
    return [Finding("torchvision", "ok", version)]


def onnxruntime(system: System) -> list[Finding]:
    """One onnxruntime, and no second one that writes over it."""
    wheels = {name: version for name, version in system.packages().items() if _is_engine(name)}
    extra = "gpu" if "onnxruntime-gpu" in wheels else "cpu"
    said = " and ".join(f"{name} {version}" for name, version in wheels.items())
    if not wheels:
        return [Finding("onnxruntime", "problem", "not installed: no style can run", pip("cpu"))]
    if len(wheels) > 1:
        fix = f"pip uninstall -y {' '.join(wheels)} && {pip(extra)}"
        return [Finding("onnxruntime", "problem", f"{said} are the same module and overwrite each other", fix)]
    return [Finding("onnxruntime", "ok", said)]


def _is_engine(name: str) -> bool:
    return re.fullmatch(r"onnxruntime(-(gpu|directml|openvino|rocm|migraphx|qnn|silicon|training))?", name) is not None


def pip(extra: str, *options: str) -> str:
    """The line that installs an extra; double quotes, for Windows too."""
    return " ".join(["pip install", *options, f'"livestyle[{extra}]"'])


def parse(text: str) -> Requirement | None:
    """A requirement as the metadata writes it; None for one of another system."""
    match = re.match(r"\s*([\w.-]+)(?:\[[^\]]*\])?\s*([^;]*)(?:;\s*extra == ['\"]([\w-]+)['\"])?\s*$", text)
    return Requirement(match[1].lower().replace("_", "-"), match[2].strip(), match[3] or "") if match else None


def _fits(version: str | None, wanted: str) -> bool:
    """Whether a version is in a range; only of >=, <=, >, <, == and !=, which is all we ask for."""
    if version is None:
        return False
    tests = re.findall(r"([<>=!]=?)\s*([\d.]+)", wanted)
    return all(_compare(numbers(version), sign, numbers(limit)) for sign, limit in tests)


def _compare(version: tuple[int, ...], sign: str, limit: tuple[int, ...]) -> bool:
    width = max(len(version), len(limit))
    a, b = (one + (0,) * (width - len(one)) for one in (version, limit))
    return {">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b, "==": a == b, "!=": a != b}[sign]


def numbers(version: str) -> tuple[int, ...]:
    """`0.12.7-2` as (0, 12, 7); empty for a text without a number in front."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()
