"""Network definitions: grey clips ``(batch, 1, frames, height, width)`` in, cumulative stage logits out.

Every network has a ``head`` (`OrdinalHead`) and a ``cam_layer``; a still image is a clip of one frame.
"""

from fibrolib.nets.backbone import PACKAGED, Backbone, equal_frames_once, import_torchvision
from fibrolib.nets.build import ARCHITECTURES, build_net, count_weights, describe_layers, net_options, output_shapes
from fibrolib.nets.frame import FrameLSTM
from fibrolib.nets.initial_weights import WEIGHTS, ClipNetwork, check_options, write_tensors
from fibrolib.nets.ordinal import OrdinalHead, OrdinalLoss, stage_probabilities
from fibrolib.nets.topology import CLIP, follow_clip, layer_sources
from fibrolib.nets.volume import MotionStem

__all__ = [
    "ARCHITECTURES",
    "CLIP",
    "PACKAGED",
    "WEIGHTS",
    "Backbone",
    "ClipNetwork",
    "FrameLSTM",
    "MotionStem",
    "OrdinalHead",
    "OrdinalLoss",
    "build_net",
    "check_options",
    "count_weights",
    "describe_layers",
    "equal_frames_once",
    "follow_clip",
    "import_torchvision",
    "layer_sources",
    "net_options",
    "output_shapes",
    "stage_probabilities",
    "write_tensors",
]
