"""Nets as scikit-learn classifiers of patients."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fibrolib.errors import FibrolibError
from fibrolib.learning.augment import NO_CHANGE, Augment
from fibrolib.learning.checkpoints import fit_digest, fit_folder, load_fit, save_fit
from fibrolib.learning.clips import ClipDataset, average_by_patient
from fibrolib.learning.perturbations import Change
from fibrolib.learning.probe import initialise_linear_probe
from fibrolib.learning.training import channels_last, history_table, make_net, pick_device, torch_threads
from fibrolib.nets import build_net, give_back_memory, import_torchvision, stage_probabilities
from fibrolib.own_files import know_files, known_files

__all__ = ["NetClassifier"]

_OF_THE_MACHINE = ("device", "memory")
"""Parameters that say where a fit runs and where it is kept, not what is learned."""


class NetClassifier(ClassifierMixin, BaseEstimator):
    """A net that diagnoses patients from their prepared clips or still images.

    Parameters
    ----------
    architecture : str
        A name of `fibrolib.nets.build_net`.
    options : dict or None
        Further arguments of the net, such as ``{"backbone": "resnet18"}``.
    weights : str or None
        The net's option of that name (where its first weights come from), so that a search can choose it together with
        the rates that suit it; None leaves it to `options`.
    view : {'clips', 'stills'}
        Column of the patient table to look at.
    cutoff : int
        Stage at or above which a patient counts as diseased.
    n_stages : int or None
        Number of ordered stages; None takes one more than the highest of the training set. Give it where a fold might
        miss the highest stage.
    clip_length, frame_stride, n_clips : int
        Frames per window, their distance, and windows averaged per video when scoring.
    learning_rate, weight_decay : float
        Of AdamW.
    backbone_lr_scale : float
        Factor on the learning rate of layers that start from weights (see ``weights`` of the nets).
    epochs, patience, batch_size : int
        Longest training, epochs without a better validation loss before it ends, windows per step.
    augment : bool
        Random gain, grey map, shift and mirror during training.
    seed : int
        Seed of weights, order, windows and changes.
    device : str
        ``auto``, ``cpu``, ``cuda``.
    n_threads : int or None
        Torch threads during fit and scoring; None leaves torch's choice.
    memory : Path, str or None
        Folder in which finished fits are kept by content (settings, files, stages, code), as scikit-learn's
        pipelines do with theirs: fitting again loads them. None keeps nothing.

    Attributes
    ----------
    classes_ : ndarray
        ``[0, 1]``: below the cut-off, at or above it.
    module_ : torch.nn.Module
        The trained net.
    history_ : DataFrame
        Training curves, one row per epoch.
    n_stages_ : int
        Number of stages the net was trained for.
    """

    def __init__(
        self,
        architecture: str = "motion_resnet3d",
        options: dict | None = None,
        *,
        weights: str | None = None,
        view: str = "clips",
        cutoff: int = 2,
        n_stages: int | None = None,
        clip_length: int = 16,
        frame_stride: int = 1,
        n_clips: int = 3,
        learning_rate: float = 1e-3,
        backbone_lr_scale: float = 0.1,
        weight_decay: float = 1e-2,
        epochs: int = 20,
        patience: int = 6,
        batch_size: int = 8,
        augment: bool = True,
        seed: int = 0,
        device: str = "auto",
        n_threads: int | None = None,
        memory: Path | str | None = None,
    ) -> None:
        self.architecture = architecture
        self.options = options
        self.weights = weights
        self.view = view
        self.cutoff = cutoff
        self.n_stages = n_stages
        self.clip_length = clip_length
        self.frame_stride = frame_stride
        self.n_clips = n_clips
        self.learning_rate = learning_rate
        self.backbone_lr_scale = backbone_lr_scale
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.augment = augment
        self.seed = seed
        self.device = device
        self.n_threads = n_threads
        self.memory = memory

    @property
    def columns(self) -> tuple[str]:
        """Columns of the patient table that the net reads: its view."""
        return (self.view,)

    def fit(self, X: pd.DataFrame, y: ArrayLike, validation: tuple[pd.DataFrame, ArrayLike] | None = None):
        """Train on patients.

        Parameters
        ----------
        X : DataFrame
            One row per patient with the column ``view``.
        y : array_like of int, shape (n_patients,)
            Stages (not yes/no labels: the net learns the order of all stages).
        validation : tuple of (DataFrame, array_like) or None
            Patients that stop the training; their weights are never learned from.

        Returns
        -------
        NetClassifier
            Itself.
        """
        stages = np.asarray(y, dtype=np.int64)
        self.classes_ = np.array([0, 1])
        self.n_stages_ = self.n_stages or int(stages.max()) + 1
        if not 1 <= self.cutoff < self.n_stages_:
            raise ValueError(f"cutoff {self.cutoff} lies outside the {self.n_stages_} stages 0..{self.n_stages_ - 1}")
        kept = self._kept_file(X, stages, validation)
        if kept is not None and kept.exists():
            return self._restore(kept)
        self._train(X, stages, validation)
        give_back_memory()
        if kept is not None:
            self.save(kept)
        return self

    def save(self, path: Path | str) -> None:
        """Write weights, settings and training curve to a safetensors file, whole or not at all."""
        check_is_fitted(self, "module_")
        settings = {name: value for name, value in self.get_params().items() if name not in _OF_THE_MACHINE}
        save_fit(Path(path), self.module_, self.history_, {**settings, "n_stages": self.n_stages_})

    @classmethod
    def load(cls, path: Path | str) -> NetClassifier:
        """Read a classifier that `save` wrote; nothing in the file is executed.

        Raises
        ------
        FibrolibError
            If the file is not one of ours, or of a version whose nets had other shapes.
        """
        settings = load_fit(Path(path))[2]
        classifier = cls(**settings)
        classifier.classes_, classifier.n_stages_ = np.array([0, 1]), settings["n_stages"]
        return classifier._restore(Path(path))

    def _restore(self, path: Path) -> NetClassifier:
        state, self.history_, _ = load_fit(path)
        self.module_ = self._built_for(path)
        try:
            self.module_.load_state_dict(state)
        except RuntimeError as error:
            raise FibrolibError(
                f"{path} holds a {self.architecture} of another shape than this version of fibrolib makes with its "
                "settings. Score with the version that made it, or fit the model again."
            ) from error
        self.module_.eval()
        return self

    def _built_for(self, path: Path) -> torch.nn.Module:
        try:
            return self._build()
        except ValueError as error:
            raise FibrolibError(
                f"{path}: this net cannot be built here ({error}). A net of your own needs the profile that names its "
                "file: give --profile."
            ) from error

    # A net with layers of timm can be unpickled in a fresh process only when timm can be imported there; so it travels
    # packed, and is unpacked when that has been seen to. Files of the user's own travel by their names: a fresh process
    # has to load them before it can build or unpack a net of theirs.

    def __getstate__(self) -> dict:
        state = {**super().__getstate__(), "own_files": known_files()}
        if "module_" in state:
            state["module_"] = pickle.dumps(state["module_"])
        return state

    def __setstate__(self, state: dict) -> None:
        know_files(state["own_files"])
        super().__setstate__({name: value for name, value in state.items() if name != "own_files"})
        if "module_" in state:
            import_torchvision()
            self.module_ = pickle.loads(state["module_"])

    def _build(self) -> torch.nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            options = {**(self.options or {}), **({"weights": self.weights} if self.weights else {})}
            return channels_last(build_net(self.architecture, self.n_stages_, **options))

    def _dataset(self, X: pd.DataFrame, stages=None, *, training: bool = False, perturbation=None) -> ClipDataset:
        return ClipDataset(
            X,
            stages,
            view=self.view,
            clip_length=self.clip_length,
            frame_stride=self.frame_stride,
            n_clips=self.n_clips,
            augment=(Augment() if self.augment else NO_CHANGE) if training else None,
            perturbation=perturbation,
            seed=self.seed,
        )

    def _train(self, X: pd.DataFrame, stages: NDArray[np.int64], validation) -> None:
        training = self._dataset(X, stages, training=True)
        module = self._build()
        module.head.start_at_prevalence(torch.tensor(stages))
        net = make_net(
            module,
            cutoff=self.cutoff,
            validation=None if validation is None else self._dataset(*validation),
            learning_rate=self.learning_rate,
            backbone_lr_scale=self.backbone_lr_scale,
            weight_decay=self.weight_decay,
            epochs=self.epochs,
            patience=self.patience,
            batch_size=self.batch_size,
            n_training=len(training),
            device=pick_device(self.device),
        )
        with torch_threads(self.n_threads), torch.random.fork_rng():
            torch.manual_seed(self.seed)
            if module.uses_linear_probe:
                initialise_linear_probe(module, self._dataset(X, stages), batch_size=self.batch_size, device=net.device)
            net.fit(training)
        self.module_, self.history_ = net.module_.eval(), history_table(net)

    def _kept_file(self, X, stages, validation) -> Path | None:
        if self.memory is None:
            return None
        files = [X[self.view].tolist()] + ([] if validation is None else [validation[0][self.view].tolist()])
        known = [stages.tolist()] + ([] if validation is None else [np.asarray(validation[1]).tolist()])
        settings = {name: value for name, value in self.get_params().items() if name not in _OF_THE_MACHINE}
        settings["own_files"] = [own.digest for own in known_files() if own.name == self.architecture]
        return fit_folder(self.memory, type(self)) / f"{fit_digest(settings, files, known)}.safetensors"

    def predict_cumulative(self, X: pd.DataFrame, perturbation: Change | None = None) -> NDArray[np.float64]:
        """P(stage >= 1), P(stage >= 2), ..., averaged over a patient's windows and videos.

        Parameters
        ----------
        X : DataFrame
            One row per patient.
        perturbation : callable or None
            A change of every window (see `fibrolib.learning.perturbations`), to ask what the net needs.

        Returns
        -------
        ndarray, shape (n_patients, n_stages - 1)
        """
        stage = self.predict_stage_proba(X, perturbation)
        return stage[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    def predict_stage_proba(self, X: pd.DataFrame, perturbation: Change | None = None) -> NDArray[np.float64]:
        """Probability of each stage, averaged over a patient's windows and videos.

        Parameters
        ----------
        X, change
            As for `predict_cumulative`.

        Returns
        -------
        ndarray, shape (n_patients, n_stages)
        """
        check_is_fitted(self, "module_")
        dataset = self._dataset(X, perturbation=perturbation)
        device = pick_device(self.device)
        module = self.module_.to(device).eval()
        loader = torch.utils.data.DataLoader(dataset, batch_size=self.batch_size)
        with torch_threads(self.n_threads), torch.inference_mode():
            logits = torch.cat([module(clips.to(device)).float().cpu() for clips, _ in loader])
        give_back_memory()
        return average_by_patient(stage_probabilities(logits).numpy(), dataset.owner, len(X))

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """P(stage < cutoff) and P(stage >= cutoff), shape ``(n_patients, 2)``."""
        cumulative_probs = np.clip(self.predict_cumulative(X)[:, self.cutoff - 1], 0.0, 1.0)
        return np.column_stack([1.0 - cumulative_probs, cumulative_probs])

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        """1 where the stage is more likely than not at or above the cut-off."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)
