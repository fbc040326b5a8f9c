"""Fitted nets on disk: safetensors with their settings beside them, never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fibrolib.atomic import write_atomically
from fibrolib.errors import FibrolibError
from fibrolib.provenance import code_digest

__all__ = ["fit_digest", "fit_folder", "load_fit", "save_fit", "write_tensors"]


def fit_folder(memory: Path | str, classifier: type) -> Path:
    """Folder of the fits that the code of a classifier has made: by other code, each would be another fit."""
    return Path(memory) / code_digest(classifier)


def fit_digest(settings: dict, files: Sequence, stages: Sequence) -> str:
    """Name of a fit in its `fit_folder`: with which settings, of which files, with which stages.

    Names of prepared files stand for their contents (`fibrolib.video.clip_digest`).
    """
    names = [[[Path(path).name for path in patient] for patient in part] for part in files]
    cache_key = {"settings": settings, "files": names, "stages": stages}
    return hashlib.sha256(json.dumps(cache_key, sort_keys=True, default=str).encode()).hexdigest()[:32]


def save_fit(path: Path, module: nn.Module, history: pd.DataFrame, settings: dict | None = None) -> None:
    """Write weights, training curve and settings to one safetensors file, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write; its folder is made.
    module : torch.nn.Module
        Trained net.
    history : DataFrame
        Training curve.
    settings : dict or None
        What is needed to build the net again; JSON values only.
    """
    state = dict(module.state_dict())
    # json writes floats so that they read back to the last bit; pandas' own writer does not.
    metadata = {"history": json.dumps(history.to_dict("list")), "settings": json.dumps(settings or {})}
    write_tensors(path, state, metadata)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all; its folder is made. The same content gives the same bytes."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = _in_order(save(plain, metadata))
    write_atomically(path, lambda file: file.write_bytes(content))


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its header in order; safetensors itself writes the metadata in a random one."""
    begin, size = 8, int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[begin : begin + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors are aligned
    return len(header).to_bytes(8, "little") + header + content[begin + size :]


def load_fit(path: Path) -> tuple[dict[str, Tensor], pd.DataFrame, dict]:
    """Read what `save_fit` wrote.

    Returns
    -------
    state : dict of str to Tensor
    history : DataFrame
    settings : dict

    Raises
    ------
    FibrolibError
        If the file is not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            metadata = file.metadata()
        return state, pd.DataFrame(json.loads(metadata["history"])), json.loads(metadata["settings"])
    except Exception as error:  # safetensors raises its own kinds, KeyError and ValueError
        raise FibrolibError(f"{path} is not a model saved by fibrolib ({error}). Delete it and run again.") from error
