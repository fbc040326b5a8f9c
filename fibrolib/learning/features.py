"""Windows as a net's pretrained layers see them: computed once per prepared file, whatever fold or notebook asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from fibrolib.atomic import write_atomically
from fibrolib.learning.clips import ClipDataset
from fibrolib.nets import ClipNetwork


class FrozenFeatures(Dataset):
    """The items of a `ClipDataset` as ``pretrained_part`` of a net, whose pretrained layers must keep their weights.

    Files in `folder` are named by weights, the net's `options`, windows and the prepared file's name, which stands for
    its content.
    """

    def __init__(
        self, windows: ClipDataset, module: ClipNetwork, folder: Path, device: str = "cpu", options: dict | None = None
    ) -> None:
        self.owner, self.targets = windows.owner, windows.targets
        self._windows, self._module, self._folder, self._device = windows, module.to(device).eval(), folder, device
        self._options = options or {}
        self._weights = _digest_of_weights([module.get_submodule(child) for child in module.pretrained_modules])
        self._places: list[tuple[Path, int]] = []  # file, and row in it
        for (_, path), items in groupby(range(len(windows)), key=lambda item: windows.items[item][:2]):
            self._places += self._of_file(path, list(items))

    def _of_file(self, path: str, items: list[int]) -> list[tuple[Path, int]]:
        """Where what a file's windows become is kept, an array with a row for each window."""
        form = [self._windows.clip_length, self._windows.frame_stride, [self._windows.items[item][2] for item in items]]
        described = json.dumps([self._weights, self._options, Path(path).name, form])
        kept = self._folder / f"{hashlib.sha256(described.encode()).hexdigest()[:32]}.npy"
        if not kept.exists():
            with torch.inference_mode():
                clips = torch.stack([self._windows[item][0] for item in items]).to(self._device)
                seen = self._module.pretrained_part(clips).float().cpu()
            write_atomically(kept, lambda file: np.save(file, seen.numpy()))
        return [(kept, row) for row in range(len(items))]

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, index: int) -> tuple[Tensor, NDArray]:
        kept, row = self._places[index]
        return torch.from_numpy(np.array(np.load(kept, mmap_mode="r")[row])), self.targets[self.owner[index]]


def _digest_of_weights(modules: Sequence[torch.nn.Module]) -> str:
    """Hash of weights and batch statistics."""
    digest = hashlib.sha256()
    for name, tensor in (named for module in modules for named in sorted(module.state_dict().items())):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
