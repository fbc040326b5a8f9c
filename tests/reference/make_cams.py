"""Class activation maps of a small 2-D net by the package grad-cam (jacobgil), for tests/test_attribution_cams.py.

Run in an environment of its own with grad-cam 1.5.7, ttach and opencv-python-headless beside what fibrolib needs:

    python make_cams.py
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from fibrolib.nets import import_torchvision

import_torchvision()

from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, LayerCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

METHODS = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "layercam": LayerCAM}
HERE = Path(__file__).parent


def main() -> None:
    random = np.random.default_rng(11)
    # The head is large so that the constant 1e-6, which grad-cam adds to a denominator of squared gradients, vanishes.
    weights = {
        "0.weight": random.normal(0, 0.5, (6, 1, 3, 3)),
        "2.weight": random.normal(0, 0.3, (8, 6, 3, 3)),
        "6.weight": random.normal(0, 3e4, (3, 8)),
    }
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    image = random.integers(0, 256, (24, 24)).astype(np.uint8)
    image[6:14, 8:18] //= 4
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2, padding=1, bias=False),
        nn.Tanh(),
        nn.Conv2d(6, 8, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3, bias=False),
    )
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    batch = torch.from_numpy(image.astype(np.float32) / 255)[None, None]
    maps = {}
    for name, method in METHODS.items():
        with method(model=net, target_layers=[net[3]]) as cam:
            for target in range(3):
                maps[f"{name}/{target}"] = cam(batch, [ClassifierOutputTarget(target)])[0]
    np.savez_compressed(HERE / "cams.npz", image=image, **weights, **maps)


if __name__ == "__main__":
    main()
