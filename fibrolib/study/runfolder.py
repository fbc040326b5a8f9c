"""The run folder: everything of one run, each file whole or absent, and one run at a time in it."""

from __future__ import annotations

import errno
import json
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import isfinite
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pandas.io.formats.style import Styler

from fibrolib.atomic import write_atomically
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.plots import Picture, save_figure
from fibrolib.study.cache import ResultCache
from fibrolib.study.plates import PLATES, Plates, write_plates
from fibrolib.study.request import _STAMP
from fibrolib.video import write_video

_LOCK = ".lock"
_CARD = ".running.json"  # who holds the lock: for the message alone, the lock does not depend on it

_CACHE = "cache"
_NOT_CONTENT = {_LOCK, _CARD, _CACHE}
"""What a folder may hold before it belongs to a request; results are kept by content, and serve any."""


class RunFolder:
    """Paths and writers of one run. Its folder belongs to one request, which a stamp tells, and is never emptied."""

    def __init__(self, path: Path, key: str = "", asked: dict | None = None) -> None:
        self.path, self.key = path, key
        self._asked = asked or {}
        self.cache = ResultCache(path / _CACHE / "results")

    @property
    def clips(self) -> Path:
        """Prepared clips."""
        return self.path / _CACHE / "clips"

    @property
    def fits(self) -> Path:
        """Fits of nets: of evaluations, finished or not, and of planted scenarios."""
        return self.path / _CACHE / "fits"

    @property
    def cohorts(self) -> Path:
        """Virtual cohorts, which lie beside the run folders, so that runs share them."""
        return self.path.parent / "cohorts"

    @property
    def notebooks(self) -> Path:
        """Executed notebooks."""
        return self.path / "notebooks"

    def refuse_other_content(self) -> None:
        """Stop before any work where the folder holds something else than this run."""
        if self.path.exists() and not self.path.is_dir():
            raise FibrolibError(f"{self.path}: this is a file. Name a folder (--out; in a notebook: out).")
        stamp = self._stamp()
        if stamp is None and not any(path.name not in _NOT_CONTENT for path in _entries(self.path)):
            return
        if stamp is None:
            raise FibrolibError(
                f"{self.path}: this folder holds files that no run has written, and a run does not mix with them. "
                "Choose a folder that is new or empty (--out; in a notebook: out)."
            )
        if stamp.get("key") != self.key:
            raise FibrolibError(
                f"{self.path}: this folder holds another study ({_in_words(stamp)}); asked for is "
                f"{_in_words(self._asked)}. Nothing was changed. Leave 'out' empty (then each study has a folder of "
                "its own), name a new folder, or give 'fibrolib run' the option --overwrite, which moves the old "
                "study aside and deletes nothing."
            )

    def claim(self) -> None:
        """Make the folder this request's, unless it is already."""
        if (stamp := self._stamp()) is not None and stamp.get("key") == self.key:
            return
        with self.hold():
            self.refuse_other_content()
            text = json.dumps({"key": self.key, **self._asked}, indent=2, ensure_ascii=False)
            write_atomically(self.path / _STAMP, lambda path: path.write_text(text + "\n", "utf-8"))

    def move_other_study_aside(self) -> Path | None:
        """Give a folder that holds another study a dated name."""
        stamp = self._stamp()
        if stamp is None or stamp.get("key") == self.key:
            return None
        with self.hold():
            aside = self.path.with_name(f"{self.path.name}-until-{datetime.now():%Y-%m-%d-%H%M%S}")
        self.path.rename(aside)
        return aside

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for this process, which may take it again; another process raises `FibrolibError`.

        The lock is the operating system's, on an open file: it goes with the process, however that ends. The folder is
        made, and removed at the end where nothing was written into it.
        """
        _make(self.path)
        # A singleton: one lock per folder and process, which counts how often it was taken.
        lock = FileLock(self.path / _LOCK, timeout=0, thread_local=False, is_singleton=True)
        outermost = not lock.is_locked
        try:
            lock.acquire()
        except Timeout as error:
            raise FibrolibError(_occupied(self.path)) from error
        try:
            if outermost:
                write_atomically(self.path / _CARD, lambda file: file.write_text(json.dumps(_myself()), "utf-8"))
            yield
        finally:
            if outermost:
                _leave(self.path)
            lock.release()

    def _stamp(self) -> dict | None:
        """What the folder was made for; None where it is no run folder."""
        try:
            text = (self.path / _STAMP).read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            stamp = json.loads(text)
        except ValueError:
            stamp = None
        return stamp if isinstance(stamp, dict) else {"key": text}  # earlier versions wrote the key alone

    def remove_features(self) -> None:
        """Remove features that fits were made from (`fibrolib.learning.features`): finished fits need them no more."""
        for features in self.fits.glob("**/features"):
            shutil.rmtree(features)

    def _write(self, name: str, write: Callable[[Path], object]) -> Path:
        self.claim()
        return write_atomically(self.path / name, write)

    def save_profile(self, source: Path, files: Sequence[str] = ()) -> Path:
        """Keep a profile's file as ``profile/<name>.toml``, so that executed copies need no path to find it.

        The files that it names lie beside it, here as there.
        """
        for name in files:
            self._write(f"profile/{name}", lambda path, name=name: shutil.copyfile(source.parent / name, path))
        return self._write(f"profile/{source.name}", lambda path: shutil.copyfile(source, path))

    def get_or_compute_tables(
        self, name: str, cache_key: dict, compute: Callable[[], dict[str, pd.DataFrame]], *, made_by: Sequence
    ) -> dict[str, pd.DataFrame]:
        """`ResultCache.get_or_compute_tables`; all of them are written to ``tables/``, too."""
        tables = self.cache.get_or_compute_tables(name, cache_key, compute, made_by=made_by)
        for each, table in tables.items():
            self.save_table(each, table)
        return tables

    def save_table(self, name: str, table: pd.DataFrame) -> Path:
        """Write ``tables/<name>.csv`` and return its path; the index is left out."""
        return self.save_csv(f"tables/{name}", table)

    def save_csv(self, name: str, table: pd.DataFrame) -> Path:
        """Write ``<name>.csv``; the index is left out."""
        return self._write(f"{name}.csv", lambda path: table.to_csv(path, index=False))

    def save_figure(self, name: str, figure) -> Path:
        """Write ``figures/<name>.svg`` and ``.png`` and return the path of the PNG."""
        self._write(f"figures/{name}.svg", lambda path: save_figure(figure, path))
        return self._write(f"figures/{name}.png", lambda path: save_figure(figure, path))

    def show_table(self, name: str, table: pd.DataFrame, readable: pd.DataFrame | None = None) -> Styler:
        """`save_table`, and return it, or its form for readers, as a cell shows it."""
        self.save_table(name, table)
        shown = table if readable is None else readable
        return shown.reset_index(drop=True).style.hide().format(precision=3, thousands=",", na_rep="–")

    def show_figure(self, name: str, figure) -> Picture:
        """`save_figure`, and return the picture, which a cell shows that ends with this call."""
        return Picture(self.save_figure(name, figure))

    def save_clip(self, name: str, frames: NDArray[np.uint8], fps: float) -> Path:
        """Write ``figures/<name>.mp4`` and return its path."""
        return self._write(f"figures/{name}.mp4", lambda path: write_video(path, frames, fps))

    def save_plates(self, plates: Plates) -> Path:
        """Write the pictures that a manuscript shows."""
        return self._write(PLATES, lambda path: write_plates(plates, path))

    def save_model(self, name: str, classifier: NetClassifier, settings: dict) -> Path:
        """Write ``models/<name>.safetensors``, and its settings as ``.json`` for `preprocessing.score_video`."""
        self.save_json(f"models/{name}", settings)
        return self._write(f"models/{name}.safetensors", classifier.save)

    def save_predictions(self, predictions: pd.DataFrame) -> Path:
        """Write ``predictions.csv``."""
        return self.save_csv("predictions", predictions)

    def save_json(self, name: str, content: dict) -> Path:
        """Write ``<name>.json``; NaN and infinity become null."""
        text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False, allow_nan=False)
        return self._write(f"{name}.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))

    def save_report(self, text: str) -> Path:
        """Write ``report.html``."""
        return self._write("report.html", lambda path: path.write_text(text, encoding="utf-8"))


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _in_words(asked: dict) -> str:
    """A request as a reader would tell it."""
    if "validation" in asked:
        return f"validation of {asked['validation']} on {asked['cohort']}, fibrolib {asked['version']}"
    if "profile" not in asked:
        return "made by an earlier version of fibrolib"
    cohort = asked.get("cohort") or "virtual cohort"
    version = f", fibrolib {asked['version']}" if asked.get("version") else ""
    return f"{cohort}, profile {asked['profile']}, cut-off {asked.get('cutoff')}, seed {asked.get('seed')}{version}"


def _without_nan(value):
    """JSON has neither NaN nor infinity: write null."""
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise FibrolibError(
            f"{folder}: this run folder cannot be made ({error.strerror}). Name another one (--out; in a notebook: the "
            "parameter out)."
        ) from error


def _leave(folder: Path) -> None:
    (folder / _CARD).unlink(missing_ok=True)
    if [path.name for path in folder.iterdir()] == [_LOCK]:
        (folder / _LOCK).unlink()
        folder.rmdir()


def _occupied(folder: Path) -> str:
    try:
        who = json.loads((folder / _CARD).read_text("utf-8"))
        by = f"process {who['pid']} of {who['user']} on {who['host']}, since {who['since']}"
    except (OSError, ValueError, KeyError):  # it is just beginning, or just ending
        by = "begun a moment ago"
    return (
        f"{folder}: another run is at work in this folder ({by}). Two runs in one folder would mix their files: wait "
        "until it has ended, stop it, or choose another folder (--out; in a notebook: the parameter out)."
    )


def _myself() -> dict:
    me = psutil.Process()
    since = datetime.fromtimestamp(me.create_time()).astimezone().isoformat(" ", "seconds")
    return {"pid": me.pid, "user": me.username(), "host": platform.node(), "since": since}
