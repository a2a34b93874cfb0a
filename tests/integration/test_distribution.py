"""The data layer can be built, installed and used by itself, as the distribution `unitwork`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app import db
from tests.server import create_beside, drop

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LAYER, EXAMPLE = ROOT / "app/db", ROOT / "examples/library"

# Caseload is not installed, and what is for extras alone is not imported.
_ALONE = """
import sys
import unitwork
loaded = {name.partition(".")[0] for name in sys.modules}
assert not {"alembic", "cryptography", "rapidfuzz", "flask", "app"} & loaded
for module in ("app", "caseload"):
    try:
        __import__(module)
    except ImportError:
        continue
    raise AssertionError(module)
print(unitwork.__file__, *unitwork.__all__)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the locked packages and the installed `unitwork`, and without Caseload."""
    folder = tmp_path_factory.mktemp("unitwork")
    source, environment = folder / "source", folder / "environment"
    shutil.copytree(LAYER, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index"]
    run([*pip, "wheel", "-q", *alone, "--no-build-isolation", "-w", str(folder), str(source)])
    run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    python = environment / "bin" / "python"
    paths = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    packages = Path(paths.strip())
    (wheel,) = folder.glob("unitwork-*.whl")
    run([*pip, "install", "-q", *alone, "--target", str(packages), str(wheel)])
    # A path in a .pth file does not run the .pth files there: Caseload's is one of them.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.fixture
def url(template_url: str, worker_id: str) -> Iterator[str]:
    """An empty database."""
    url = create_beside(template_url, f"unitwork_{worker_id}")
    yield url
    drop(url)


def run(command: list[str], **environment: str) -> str:
    """Run outside the repository; fails with the output of a command that fails."""
    cleared = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(  # noqa: S603 - of this test
        command,
        cwd="/",
        env={**cleared, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def settings(folder: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project


def test_the_distribution_is_the_layer_alone(python: Path) -> None:
    """It has every file of the folder, its public names, its types and its licence."""
    file, *names = run([str(python), "-c", _ALONE]).split()
    assert names == db.__all__
    installed = Path(file).parent
    modules = {path.relative_to(LAYER) for path in LAYER.rglob("*.py")}
    assert {path.relative_to(installed) for path in installed.rglob("*.py")} == modules
    assert (installed / "py.typed").exists()
    (metadata,) = installed.parent.glob("unitwork-*.dist-info")
    assert (metadata / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_its_requirements_are_those_of_caseload() -> None:
    """Both are tested with the same versions, and have the same licence."""
    layer, caseload = settings(LAYER), settings(ROOT)
    required = {*layer["dependencies"]}.union(*layer["optional-dependencies"].values())
    assert required <= {*caseload["dependencies"]}
    for name in ("license", "license-files", "authors", "requires-python"):
        assert layer[name] == caseload[name]


def test_its_readme_runs(python: Path, url: str) -> None:
    """The example prints what its last line says."""
    (example,) = re.findall(r"```python\n(.*?)```", (LAYER / "README.md").read_text(), re.DOTALL)
    said = example.rstrip().rpartition("# ")[2]
    assert run([str(python), "-c", example], DATABASE_URL=url).strip() == said


def test_the_example_runs_on_it(python: Path, url: str, tmp_path: Path) -> None:
    """The library's own tests pass, with the installed `unitwork` and without this repository."""
    shutil.copytree(EXAMPLE, tmp_path / "library", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["-q", "-p", "no:cacheprovider", "-W", "error", "--import-mode=importlib"]
    command = [str(python), "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)]
    output = run(command, DATABASE_URL=url, PYTHONPATH=str(tmp_path))
    assert re.search(r"\d+ passed", output)
