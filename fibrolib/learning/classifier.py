"""Nets as scikit-learn classifiers of patients, and fitted nets on disk: safetensors, never a pickle."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import safe_open
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fibrolib.errors import FibrolibError
from fibrolib.learning.clips import (
    _NO_CHANGE,
    Augment,
    ClipDataset,
    Perturbation,
    _spread_windows,
    _take_window,
    average_by_patient,
)
from fibrolib.learning.features import FrozenFeatures
from fibrolib.learning.training import _initialise_linear_probe, _make_net, pick_device, torch_threads
from fibrolib.nets import build_net, equal_frames_once, import_torchvision, stage_probabilities, write_tensors
from fibrolib.own_files import known_files
from fibrolib.provenance import code_digest
from fibrolib.system import give_back_memory


@dataclass(eq=False, repr=False)  # scikit-learn's own are kept
class NetClassifier(ClassifierMixin, BaseEstimator):
    """A net that diagnoses patients from their prepared clips or still images.

    Parameters
    ----------
    architecture : str
        A name of `fibrolib.nets.build_net`.
    options, weights : dict, str or None
        Further arguments of the net, such as ``{"backbone": "resnet18"}``; one of them, the initial weights, as a
        parameter of its own so that a grid search can choose it.
    view : {'clips', 'stills'}
        Column of the patient table that the net reads.
    cutoff, n_stages : int
        Stage at or above which a patient counts as diseased; number of ordered stages, None takes one more than the
        highest of the training set: give it where a fold might miss the highest stage.
    clip_length, frame_stride, n_clips : int
        Frames per window, their distance, and windows averaged per video when scoring.
    learning_rate, backbone_lr_scale, weight_decay, epochs, patience, batch_size
        Of AdamW (the scale is a factor on the learning rate of pretrained layers); longest training, epochs without a
        better validation loss before it ends, windows per step. 0 epochs: the linear probe on frozen features alone,
        for weights that begin with one.
    tuned_share : float
        Share of what training changes that is kept, 0 to 1: the weights are interpolated between those before and after
        it (Wortsman et al. 2022). For a net that begins as a linear probe, this shrinks it towards the probe.
    augment, seed : bool, int
        Random changes during training (`Augment`); seed of weights, order, windows and augmentation.
    device, n_threads : str, int or None
        ``auto``, ``cpu``, ``cuda``; torch threads during fit and scoring, None leaves torch's choice.
    memory : Path, str or None
        Folder of finished fits by content (settings, files, stages, code), and of frozen features: an equal fit is
        loaded. None stores nothing.

    Attributes
    ----------
    module_, history_, n_stages_ : torch.nn.Module, DataFrame, int
        The trained net, its training curves (one row per epoch), and the number of stages it was trained for.
    """

    architecture: str = "motion_resnet3d"
    options: dict | None = None
    _: KW_ONLY
    weights: str | None = None
    view: str = "clips"
    cutoff: int = 2
    n_stages: int | None = None
    clip_length: int = 16
    frame_stride: int = 1
    n_clips: int = 3
    learning_rate: float = 1e-3
    backbone_lr_scale: float = 0.1
    weight_decay: float = 1e-2
    epochs: int = 20
    tuned_share: float = 1.0
    patience: int = 6
    batch_size: int = 8
    augment: bool = True
    seed: int = 0
    device: str = "auto"
    n_threads: int | None = None
    memory: Path | str | None = None

    @property
    def columns(self) -> tuple[str]:
        """Columns of the patient table that the net reads: its view."""
        return (self.view,)

    @property
    def settings(self) -> dict:
        """Parameters without ``device`` and ``memory``, which do not change what is learned."""
        return {name: value for name, value in self.get_params().items() if name not in ("device", "memory")}

    def fit(self, X: pd.DataFrame, y: ArrayLike, validation: tuple[pd.DataFrame, ArrayLike] | None = None):
        """Train on patients.

        `X` has the column ``view``, `y` holds stages (not yes/no labels); `validation` has both for early stopping.
        """
        for of_another_fit in ("module_", "_saved"):
            vars(self).pop(of_another_fit, None)
        stages = np.asarray(y, dtype=np.int64)
        self.classes_ = np.array([0, 1])
        self.n_stages_ = self.n_stages or int(stages.max()) + 1
        if not 1 <= self.cutoff < self.n_stages_:
            raise ValueError(f"cutoff {self.cutoff} lies outside the {self.n_stages_} stages 0..{self.n_stages_ - 1}")
        path = None if self.memory is None else self._path_in_memory(X, stages, validation)
        if path is not None and path.exists():
            return self._take(path, *_read_fit(path)[:2])
        self._train(X, stages, validation)
        give_back_memory()
        if path is not None:
            self.save(path)
        return self

    def save(self, path: Path | str) -> None:
        """Write weights, settings and training curve to a safetensors file, whole or not at all."""
        not_built = "module_" not in vars(self) and hasattr(self, "_saved")
        state = self._saved[1] if not_built else self._fitted_module().state_dict()
        # json writes floats so that they read back to the last bit; pandas' own writer does not.
        history, settings = self.history_.to_dict("list"), {**self.settings, "n_stages": self.n_stages_}
        metadata = {"history": json.dumps(history), "settings": json.dumps(settings)}
        write_tensors(Path(path), state, metadata)

    @classmethod
    def load(cls, path: Path | str, *, build: bool = True) -> NetClassifier:
        """Read a classifier that `save` wrote; nothing in the file is executed.

        Without `build`, its network is built when it is first needed.
        """
        path = Path(path)
        state, history, settings = _read_fit(path)
        classifier = cls(**settings)
        classifier.classes_, classifier.n_stages_ = np.array([0, 1]), settings["n_stages"]
        classifier._take(path, state, history)
        if build:
            classifier._fitted_module()
        return classifier

    def _take(self, path: Path, state: dict[str, torch.Tensor], history: pd.DataFrame) -> NetClassifier:
        """Take a saved fit for one's own."""
        self._saved, self.history_ = (path, state), history
        return self

    @cached_property
    def module_(self) -> torch.nn.Module:
        """The fitted network; that of a saved fit is built when it is first asked for."""
        if not hasattr(self, "_saved"):
            raise AttributeError("module_")  # by which scikit-learn knows that there is no fit
        path, state = self._saved
        try:
            module = self._build()
            module.load_state_dict(state)
        except ValueError as error:
            raise FibrolibError(
                f"{path}: this net cannot be built here ({error}). A net of your own needs the profile that names its "
                "file: give --profile."
            ) from error
        except RuntimeError as error:
            raise FibrolibError(
                f"{path} holds a {self.architecture} of another shape than this version of fibrolib makes with its "
                "settings. Score with the version that made it, or fit the model again."
            ) from error
        return module.eval()

    def _fitted_module(self) -> torch.nn.Module:
        """The network; sklearn's `NotFittedError` before `fit`."""
        check_is_fitted(self, "module_")
        return self.module_

    # Unpickling timm's layers in a fresh process needs `import_torchvision` first, so the net is pickled separately.
    # A fresh process also needs the user's own files before it can build or unpickle their nets.

    def __getstate__(self) -> dict:
        state = {**super().__getstate__(), "own_files": known_files()}
        if "module_" in state:
            state["module_"] = pickle.dumps(state["module_"])
            state.pop("_saved", None)
        return state

    def __setstate__(self, state: dict) -> None:
        for file in state["own_files"]:
            file.load()
        super().__setstate__({name: value for name, value in state.items() if name != "own_files"})
        if "module_" in state:
            import_torchvision()
            self.module_ = pickle.loads(state["module_"])

    def _build(self) -> torch.nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            options = {**(self.options or {}), **({"weights": self.weights} if self.weights else {})}
            return build_net(self.architecture, self.n_stages_, **options)

    def _dataset(self, X: pd.DataFrame, stages=None, *, training: bool = False, perturbation=None) -> ClipDataset:
        own = {name: getattr(self, name) for name in ("view", "clip_length", "frame_stride", "n_clips", "seed")}
        augment = (Augment() if self.augment else _NO_CHANGE) if training else None
        return ClipDataset(X, stages, augment=augment, perturbation=perturbation, **own)

    def _train(self, X: pd.DataFrame, stages: NDArray[np.int64], validation) -> None:
        training = self._dataset(X, stages, training=True)
        module = self._build()
        module.head.start_at_prevalence(torch.tensor(stages))
        net = _make_net(module, self, len(training), None if validation is None else self._dataset(*validation))
        with torch_threads(self.n_threads), torch.random.fork_rng():
            torch.manual_seed(self.seed)
            if module.uses_linear_probe:
                windows = self._frozen(self._dataset(X, stages), module)
                _initialise_linear_probe(module, windows, self.batch_size, net.device)
            elif self.epochs == 0:
                raise ValueError("epochs = 0 is a linear probe alone: it needs weights = 'imagenet' or 'interpolated'")
            curves = pd.DataFrame({"epoch": []}, dtype=int)
            if self.epochs:
                before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
                module, curves = net.fit(training).module_, net.curves
                if self.tuned_share < 1:
                    _shrink_change(module, before, self.tuned_share)
        self.module_, self.history_ = module.eval(), curves

    def _frozen(self, windows: ClipDataset, module: torch.nn.Module) -> ClipDataset | FrozenFeatures:
        """Windows as the net's pretrained part sees them, where it has one, and a folder to keep them in."""
        if self.memory is None or module.pretrained_part is None:
            return windows
        folder = self.fit_folder(self.memory) / "features"
        return FrozenFeatures(windows, module, folder, pick_device(self.device), self.options)

    def _path_in_memory(self, X, stages, validation) -> Path:
        """File of a fit; names of prepared files stand for their contents (`fibrolib.video._clip_digest`)."""
        parts = [(X, stages)] + ([] if validation is None else [validation])
        cache_key = {
            "settings": self.settings | {"own_files": [f.digest for f in known_files() if f.name == self.architecture]},
            "files": [[[Path(path).name for path in paths] for paths in patients[self.view]] for patients, _ in parts],
            "stages": [np.asarray(part_stages).tolist() for _, part_stages in parts],
        }
        digest = hashlib.sha256(json.dumps(cache_key, sort_keys=True, default=str).encode()).hexdigest()[:32]
        return self.fit_folder(self.memory) / f"{digest}.safetensors"

    @classmethod
    def fit_folder(cls, memory: Path | str) -> Path:
        """Folder of the fits of the present code: other code makes other fits."""
        return Path(memory) / code_digest(cls)

    def middle_window(self, values: NDArray) -> NDArray:
        """Window in the middle of a clip's frames, or of one value per frame, cut as for scoring."""
        starts = _spread_windows(len(values), self.clip_length, self.frame_stride, 3)
        return _take_window(values, starts[len(starts) // 2], self.clip_length, self.frame_stride)

    def predict_cumulative(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """P(stage >= 1), P(stage >= 2), ..., shape ``(n_patients, n_stages - 1)``."""
        return _cumulative(self.predict_stage_proba(X))

    def predict_perturbed(
        self, X: pd.DataFrame, perturbations: Mapping[str, Perturbation]
    ) -> dict[str, NDArray[np.float64]]:
        """`predict_cumulative` with every window changed, by the names of the perturbations.

        All changes of a window are scored together, and the backbone sees a frame that stands in several of them once.
        """
        dataset = self._dataset(X, perturbation=partial(_perturbed, changes=list(perturbations.values())))
        size, n = max(1, self.batch_size // len(perturbations)), len(perturbations)
        with equal_frames_once():
            stages = self._stage_proba(dataset, self._module_on_device(), size, n)
        return {name: _cumulative(each) for name, each in zip(perturbations, stages, strict=True)}

    def predict_stage_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of each stage, shape ``(n_patients, n_stages)``."""
        dataset, module = self._dataset(X), self._module_on_device()
        if self.epochs == 0:
            dataset = self._frozen(dataset, module)
        return self._stage_proba(dataset, module, self.batch_size)[0]

    def _module_on_device(self) -> torch.nn.Module:
        return self._fitted_module().to(pick_device(self.device)).eval()

    def _stage_proba(
        self, dataset: ClipDataset | FrozenFeatures, module: torch.nn.Module, batch_size: int, n_changes: int = 1
    ) -> list[NDArray[np.float64]]:
        """Probability of each stage from windows that hold so many changes of one, end to end; one array for each."""
        device, rows = pick_device(self.device), []
        with torch_threads(self.n_threads), torch.inference_mode():
            for clips, _ in torch.utils.data.DataLoader(dataset, batch_size=batch_size):
                changed = torch.cat(clips.chunk(n_changes, dim=2))
                logits = module(changed.to(device)).float().cpu()
                rows.append(logits.unflatten(0, (n_changes, -1)))
        give_back_memory()
        return [
            average_by_patient(stage_probabilities(logits).numpy(), dataset.owner, len(dataset.targets))
            for logits in torch.cat(rows, dim=1)
        ]

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """P(stage < cutoff) and P(stage >= cutoff), shape ``(n_patients, 2)``."""
        cumulative_probs = np.clip(self.predict_cumulative(X)[:, self.cutoff - 1], 0.0, 1.0)
        return np.column_stack([1.0 - cumulative_probs, cumulative_probs])

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        """1 where the stage is more likely than not at or above the cut-off."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)


def _perturbed(window: NDArray[np.uint8], changes: Sequence[Perturbation]) -> NDArray[np.uint8]:
    """All changes of a window, one after the other in time."""
    return np.concatenate([change(window) for change in changes])


def _cumulative(stages: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(stage >= 1), ... of probabilities of stages 0, 1, ... in columns."""
    return stages[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


@torch.no_grad()
def _shrink_change(module: torch.nn.Module, before: dict[str, torch.Tensor], share: float) -> None:
    """Interpolate weights and batch statistics between those before and after training, in place."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(before[name].to(tensor.device).lerp(tensor, share))


def _read_fit(path: Path) -> tuple[dict[str, torch.Tensor], pd.DataFrame, dict]:
    """State, history and settings that `NetClassifier.save` wrote."""
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            metadata = file.metadata()
        return state, pd.DataFrame(json.loads(metadata["history"])), json.loads(metadata["settings"])
    except Exception as error:  # safetensors raises its own kinds, KeyError and ValueError
        if "torch.storage.UntypedStorage" in str(error):  # torch's words where Ctrl-C meets it within a tensor
            raise KeyboardInterrupt from error
        raise FibrolibError(f"{path} is not a model saved by fibrolib ({error}). Delete it and run again.") from error
