"""Let torchvision (and with it timm) import next to a CPU-only torch.

A torchvision from the package registry is compiled against the CUDA build of torch. Next to a CPU-only torch
its compiled operators cannot be loaded, and the import stops at the first place that describes one of them:
``operator torchvision::nms does not exist``. The study needs none of those operators (box suppression for
object detectors), only the network definitions. Declaring the missing operators' *schemas*, without any
implementation, is enough for the import to go through; calling one still fails, as it must.

Where torchvision is whole, this module does nothing.
"""

from __future__ import annotations

import importlib
import warnings

import torch

__all__ = ["import_torchvision"]

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# A torch library lives as long as the object that declared it.
_declared: list[torch.library.Library] = []


def _is_declared(operator: str) -> bool:
    return hasattr(torch.ops.torchvision, operator)


def _is_whole() -> bool:
    """Whether torchvision's compiled operators load; that is known only by trying."""
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, ImportError):
        return False
    return True


def import_torchvision() -> bool:
    """Import torchvision, declaring the schemas of its compiled operators where they are missing.

    Returns
    -------
    bool
        True where schemas had to be declared, False where torchvision was whole.

    Raises
    ------
    ImportError
        If torchvision is not installed, or does not import for another reason.
    """
    with warnings.catch_warnings():
        # A broken image extension is announced on import; images are read with Pillow here.
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        if _is_whole():
            return bool(_declared)
        missing = [schema for operator, schema in _SCHEMAS.items() if not _is_declared(operator)]
        if missing:
            library = torch.library.Library("torchvision", "DEF")
            for schema in missing:
                library.define(schema)
            _declared.append(library)
        importlib.import_module("torchvision")
    return bool(_declared)
