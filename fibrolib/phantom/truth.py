"""The truth of one video as it lies on disk beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrolib.atomic import replacing
from fibrolib.errors import FibrolibError
from fibrolib.phantom.anatomy import LABELS
from fibrolib.phantom.render import Rendering
from fibrolib.video import open_arrays

__all__ = ["Truth", "read_truth", "write_truth"]

_IMAGE = "image_"  # stands before the names of the still image's masks


@dataclass(frozen=True)
class Truth:
    """What was there when a video was taken.

    Parameters
    ----------
    masks : dict of str to ndarray of bool, shape (frames, height, width)
        ``liver, vessels, capsule, gallbladder, kidney``, each pixel where the tissue is in that frame.
    image_masks : dict of str to ndarray of bool, shape (height, width)
        The same for the patient's still image; empty for a patient's further videos.
    displacement : ndarray of float32, shape (frames, rows, columns, 2)
        Displacement `(right, down)` in mm of the tissue that rests at each node; not a number outside the fan.
    nodes : ndarray of int, shape (2, rows, columns)
        Row and column of the nodes on the screen.
    mm_per_pixel : float
        Scale of the video.
    """

    masks: dict[str, NDArray[np.bool_]]
    image_masks: dict[str, NDArray[np.bool_]]
    displacement: NDArray[np.float32]
    nodes: NDArray[np.intp]
    mm_per_pixel: float


def write_truth(path: Path, clip: Rendering, still: Rendering | None = None) -> None:
    """Write the truth of a video, and of the patient's still image, as ``.npz``; the file is there whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    clip : Rendering
        The video.
    still : Rendering, optional
        The still image: the first frame of a view.
    """
    images = {} if still is None else {_IMAGE + name: mask[0] for name, mask in still.masks.items()}
    with replacing(path) as unfinished:
        np.savez_compressed(
            unfinished,
            **clip.masks,
            **images,
            displacement=clip.displacement,
            displacement_rows=clip.nodes[0],
            displacement_columns=clip.nodes[1],
            mm_per_pixel=clip.scale,
        )


def read_truth(path: str | Path) -> Truth:
    """Read the truth of a video of a virtual cohort.

    Parameters
    ----------
    path : str or Path
        A file that the table's column ``roi`` names.

    Returns
    -------
    Truth

    Raises
    ------
    FibrolibError
        There is no such file, or it is not the truth of a virtual video.
    """
    path = Path(path)
    if not path.is_file():
        raise FibrolibError(
            f"{path}: no such file. The column 'roi' of a virtual cohort's table names its truth files."
        )
    with open_arrays(path, "the truth of a virtual video", "Expected a file that simulate_cohort wrote.") as arrays:
        return Truth(
            masks={name: arrays[name] for name in LABELS},
            image_masks={name: arrays[_IMAGE + name] for name in LABELS if _IMAGE + name in arrays},
            displacement=arrays["displacement"],
            nodes=np.stack([arrays["displacement_rows"], arrays["displacement_columns"]]),
            mm_per_pixel=float(arrays["mm_per_pixel"]),
        )
