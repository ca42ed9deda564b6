"""Builds the release and tries it as users will have it: python tools/release.py [--keep FOLDER]

Two builds have to be equal bit by bit; the wheel is installed from a package index made in a folder, under
every supported Python found here, and `tools/smoke.py` runs in each. Nothing is published.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
OLDEST_NUMPY = {
    "3.11": "2.0.0",
    "3.12": "2.0.0",
    "3.13": "2.1.0",
}  # 2.1 is the first that has wheels for 3.13
LARGEST = 2_000_000  # bytes of the wheel


def run(*command: object, **options: object) -> str:
    """Run a command and return what it prints; an error ends the script with all that was said."""
    ended = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if ended.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{ended.stdout}{ended.stderr}")
    return str(ended.stdout)


def version() -> str:
    """Return the version, which stands in three places; they have to agree."""
    found = {
        "pyproject.toml": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
        "src/clearprop/__init__.py": _matched("src/clearprop/__init__.py", r'__version__ = "(.*)"'),
        "CITATION.cff": _matched("CITATION.cff", r"(?m)^version: (.*)$"),
    }
    if len({*found.values()}) > 1:
        raise SystemExit(f"the version differs: {found}")
    return str(found["pyproject.toml"])


def _matched(path: str, pattern: str) -> str:
    match = re.search(pattern, (ROOT / path).read_text())
    return match[1] if match else "none"


def environment(python: object, folder: Path, *packages: str) -> Path:
    """Make a virtual environment with these packages and return its Python."""
    run(python, "-m", "venv", folder)
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    return inside


def built(python: Path, sources: Path, target: Path) -> dict[str, Path]:
    """Build both files from a copy of the commit; return them by ending."""
    run(python, "-m", "build", "--no-isolation", "--outdir", target, sources)
    return {
        "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix: path
        for path in target.iterdir()
    }


def look(wheel: Path) -> None:
    """Look at the wheel's size and at what is in it."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    strange = [name for name in names if not name.startswith(("clearprop/", "clearprop-"))]
    if strange or "clearprop/py.typed" not in names or "clearprop/__init__.pyi" not in names:
        raise SystemExit(f"the wheel holds {strange[:5] or 'no types'}")
    if wheel.stat().st_size > LARGEST:
        raise SystemExit(f"the wheel has {wheel.stat().st_size:,} bytes, more than {LARGEST:,}")
    print(f"wheel: {wheel.stat().st_size:,} bytes, {len(names)} files")


def index(wheel: Path, folder: Path) -> str:
    """Make a package index of one package; return its address."""
    place = folder / "simple" / "clearprop"
    place.mkdir(parents=True)
    shutil.copy(wheel, place)
    (place / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    return (folder / "simple").as_uri()


def found_python(wanted: str) -> str | None:
    """Return a Python of this version, if there is one here."""
    homes = Path.home() / ".pyenv" / "versions"
    for candidate in (f"python{wanted}", *sorted(homes.glob(f"{wanted}.*/bin/python"))):
        try:
            said = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
        except OSError:
            continue
        if said.startswith(f"Python {wanted}."):
            return str(candidate)
    return None


def try_out(python: Path, work: Path) -> None:
    """Run the smoke test as it is, with -OO, from a zip file and from read-only folders, without a home."""
    smoke = shutil.copy(ROOT / "tools" / "smoke.py", work / "smoke.py")
    homeless = {name: value for name, value in os.environ.items() if name not in ("HOME", "PYTHONPATH")}
    print("  " + run(python, smoke, cwd=work, env=homeless).strip())
    run(python, "-OO", smoke, cwd=work, env=homeless)
    package = Path(run(python, "-c", "import clearprop; print(clearprop.__path__[0])", cwd=work).strip())
    bundle = work / "bundle"
    shutil.copytree(package, bundle / "clearprop", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(smoke, bundle / "__main__.py")
    run(python, "-m", "zipapp", bundle, "-o", work / "bundle.pyz")
    run(python, work / "bundle.pyz", cwd=work, env=homeless)
    for path in (package, *package.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    run(python, "-B", smoke, cwd=work, env=homeless)
    for path in (package, *package.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help="the folder that the two files are copied to")
    args = parser.parse_args()
    print(f"clearprop {version()}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        builder = environment(
            sys.executable, work / "builder", "build", "hatchling", "hatch-fancy-pypi-readme"
        )
        (work / "sources").mkdir()
        run("git", "archive", "-o", work / "sources.tar", "HEAD", cwd=ROOT)
        run("tar", "xf", work / "sources.tar", "-C", work / "sources")
        first, second = (built(builder, work / "sources", work / place) for place in ("first", "second"))
        for ending, path in first.items():
            hashes = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, second[ending])}
            if len(hashes) > 1:
                raise SystemExit(f"two builds of {path.name} differ")
            print(f"{path.name}: sha256 {hashes.pop()}, the same twice")
        look(first[".whl"])
        address = index(first[".whl"], work / "index")
        untested = []
        for wanted in PYTHONS:
            python = found_python(wanted)
            if python is None:
                untested.append(wanted)
                continue
            for numpy in (f"numpy=={OLDEST_NUMPY[wanted]}", "numpy"):
                inside = environment(python, work / f"python{wanted}-{numpy}", numpy)
                run(
                    inside,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-deps",
                    "--index-url",
                    address,
                    "clearprop",
                )
                place = work / f"try{wanted}-{numpy}"
                place.mkdir()
                try_out(inside, place)
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            for path in first.values():
                shutil.copy(path, args.keep)
    print(f"untested here: Python {', '.join(untested)}" if untested else "every supported Python was tried")
    print("To publish: python -m twine upload FOLDER/* (made with --keep FOLDER)")


if __name__ == "__main__":
    main()
