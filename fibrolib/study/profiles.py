"""Profiles: how large the study is, as TOML files that a user can copy and change."""

from __future__ import annotations

import difflib
import inspect
import math
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from itertools import product
from pathlib import Path

from sklearn.model_selection import ParameterGrid

from fibrolib.cohort.columns import NUMBERS, OPTIONAL, REQUIRED, numbers_of
from fibrolib.diagnostics import INDICES, ColumnSpec, Diagnostic, DiagnosticError, load_diagnostic
from fibrolib.errors import FibrolibError
from fibrolib.learning import VIEWS, NetClassifier, pick_device
from fibrolib.nets import ARCHITECTURES, build_net, check_options, net_options
from fibrolib.own_files import OwnFile
from fibrolib.phantom.render import _FEWEST_FRAMES
from fibrolib.video import QUALITY_LIMITS, STEADY_LIMITS

BUILT_IN = ("smoke", "quick", "paper")
_INSTALLATION_TEST = "A test of the installation: its numbers mean nothing."
"""What a run says whose profile is made to test the installation."""

_MODELS = ("cnn2d", "cnn2d_lstm", "cnn3d")  # the nets that the numbered notebooks are about

_SECTIONS = {
    "cohort": {"patients": 1},
    "population": {"patients": 1},
    "clips": {"size": 1, "fps": 1, "max_frames": 1},
    "stills": {"size": 1},
    "folds": {"n": 2},
}
"""Sections of numbers: each number with its least value."""

_OPTIONAL_NUMBERS = {"folds": {"repeats": 1}}
"""Numbers that may be left out: each with its least value, which is also its default."""

_THRESHOLD_SPLITS = {"validation": "validation", "out_of_fold": "train"}
"""Where operating points come from, and the split of those scores in the predictions table."""

_STAGES = 5  # METAVIR
_NOT_SETTABLE = {"self", "cutoff", "n_stages", "seed", "memory"}


@dataclass(frozen=True)
class _ClipSettings:
    """Size of prepared clips: pixels of a side, frames per second, most frames."""

    size: int
    fps: float
    max_frames: int


@dataclass(frozen=True)
class _ModelSettings:
    """A net of the study: arguments of `NetClassifier`, and the grids that are searched one after the other.

    `own` holds hashes of the user's files that define its networks, by the name of the network; `own_cohort` arguments
    and grids that replace these for a cohort of real patients.
    """

    name: str
    arguments: dict = field(default_factory=dict)
    grid: list[dict] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)
    own_cohort: dict = field(default_factory=dict)

    @property
    def is_probe(self) -> bool:
        """Whether nothing is trained behind the frozen features but a linear probe."""
        return self.arguments.get("epochs") == 0

    def for_own_cohort(self) -> _ModelSettings:
        """The settings for a cohort of real patients."""
        changed = dict(self.own_cohort)
        grid = changed.pop("grid", self.grid)
        return replace(self, arguments=self.arguments | changed, grid=grid, own_cohort={})

    @property
    def n_settings(self) -> int:
        """Number of settings in the grids."""
        return len(ParameterGrid(self.grid or {}))


@dataclass(frozen=True)
class Profile:
    """How large the study is. `own` holds the diagnostics of the user's own, and the files they come from."""

    name: str  # of a built-in profile, or of the file
    patients: int  # of the virtual cohort, where one is simulated
    population: int  # patients of the simulated test set
    clips: _ClipSettings
    still_size: int  # pixels of a side
    n_folds: int
    models: tuple[_ModelSettings, ...]
    installation_test: bool = False  # a run only shows that everything works: its numbers mean nothing
    threshold_source: str = "validation"  # or "out_of_fold": what operating points are chosen on
    own: tuple[tuple[Diagnostic, OwnFile], ...] = ()
    covariates: tuple[str, ...] = ()  # columns of numbers that are checked and kept, and that no model reads
    n_repeats: int = 1  # divisions into folds that the setting is chosen on
    quality: dict[str, float] = field(default_factory=dict)  # limits of `clip_quality`; `for_cohort` adds the defaults

    @property
    def declared(self) -> tuple[Diagnostic, ...]:
        """Indices and covariates: what `fibrolib.cohort.read_cohort` is told of columns."""
        own = {record.name: record for record, _ in self.own if record.kind == "covariate"}
        named = [own.get(name) or _covariate(name) for name in self.covariates if name not in numbers_of()]
        return (*self.indices.values(), *named)

    @property
    def indices(self) -> dict[str, Diagnostic]:
        """Diagnostics that read numbers, by name, in the order of tables."""
        own = [record for record, _ in self.own if record.kind == "index"]
        return {record.name: record for record in (*INDICES, *own)}

    @property
    def threshold_split(self) -> str:
        """Split of the predictions table that operating points are chosen on."""
        return _THRESHOLD_SPLITS[self.threshold_source]

    @property
    def caveat(self) -> str:
        """What must be said wherever a number of such a run is shown; empty where nothing must."""
        return _INSTALLATION_TEST if self.installation_test else ""

    @property
    def nets(self) -> list[str]:
        """Names of the nets that are trained."""
        return [model.name for model in self.models if not model.is_probe]

    @property
    def probes(self) -> list[str]:
        """Names of the nets that are linear probes on frozen features."""
        return [model.name for model in self.models if model.is_probe]

    @property
    def in_table_order(self) -> list[str]:
        """Names of the nets, then of the probes, in the order of tables."""
        return [*reversed(self.nets), *self.probes]

    def for_cohort(self, virtual: bool) -> Profile:
        """The profile with the settings for virtual or for real patients."""
        if virtual:
            return replace(self, quality=STEADY_LIMITS | self.quality)
        models = tuple(model.for_own_cohort() for model in self.models)
        return replace(self, models=models, quality=QUALITY_LIMITS | self.quality)

    def model(self, name: str) -> _ModelSettings:
        """Settings of one net."""
        for settings in self.models:
            if settings.name == name:
                return settings
        known = ", ".join(settings.name for settings in self.models)
        raise FibrolibError(f"The profile '{self.name}' has no model '{name}'; it has {known}.")

    def check_devices(self) -> None:
        """Raise where a model is meant for a device that this computer has not."""
        for settings in self.models:
            with _located(f"Profile '{self.name}', model '{settings.name}'"):
                pick_device(settings.arguments.get("device", "auto"))

    @property
    def virtual_video(self) -> dict[str, float]:
        """Frames and rate of virtual videos where clips are so short that most of a video would be thrown away."""
        short = self.clips.max_frames < _FEWEST_FRAMES
        return {"frames": self.clips.max_frames, "fps": self.clips.fps} if short else {}

    @property
    def clip_frames(self) -> int:
        """Frames of the longest clip that one of the nets takes."""
        usual = NetClassifier().clip_length
        return max(settings.arguments.get("clip_length", usual) for settings in self.models)

    @classmethod
    def from_dict(cls, values: dict, own: tuple[tuple[Diagnostic, OwnFile], ...] = ()) -> Profile:
        """Inverse of `as_dict`; diagnostics of the user's own are given, as nothing is run here."""
        models = tuple(_ModelSettings(**model) for model in values["models"])
        parts = {"clips": _ClipSettings(**values["clips"]), "models": models, "covariates": tuple(values["covariates"])}
        return cls(**{**values, **parts, "own": own})

    def as_dict(self) -> dict:
        """Everything, as plain values; of a file of the user's own, what the profile calls it and its hash."""
        return {**asdict(replace(self, own=())), "own": {file.text: file.digest for _, file in self.own}}


def _read(name: str) -> tuple[str, str]:
    """Return the profile's name and its text."""
    if name in BUILT_IN:
        return name, (resources.files("fibrolib.study") / "profiles" / f"{name}.toml").read_text("utf-8")
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path.stem, path.read_text("utf-8")
    near = difflib.get_close_matches(name, BUILT_IN, n=1)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    raise FibrolibError(
        f"Unknown profile '{name}'.{meant} Choose one of {', '.join(BUILT_IN)}, or give the path of an "
        "existing .toml file."
    )


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Put the place before the message of an error."""
    try:
        yield
    except FibrolibError as error:
        raise FibrolibError(f"{where}: {error}") from error


def _own_diagnostics(profile: str, tables: object) -> tuple[tuple[Diagnostic, OwnFile], ...]:
    """Load the diagnostics of the user's own; this runs their files."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise FibrolibError(f"Profile '{profile}': write each diagnostic as [[diagnostics]], in double brackets.")
    loaded = []
    for table in tables:
        if set(table) != {"import"} or not isinstance(table["import"], str):
            raise FibrolibError(
                f"Profile '{profile}': [[diagnostics]] takes import = \"elf.py:ELF\" and nothing else; it has "
                f"{', '.join(table) or 'nothing'}."
            )
        with _located(f"Profile '{profile}', [[diagnostics]]"):
            record, file = load_diagnostic(table["import"], Path(profile).parent)
            _check_against([other for other, _ in loaded], record)
        loaded.append((record, file))
    return tuple(loaded)


def _covariate(name: str) -> Diagnostic:
    """A column of any finite numbers."""
    columns = {name: ColumnSpec("", -math.inf, math.inf, name, "normal")}
    return Diagnostic(name, name, "covariate", columns=columns)


def _covariates(profile: str, names: object, own: tuple[tuple[Diagnostic, OwnFile], ...]) -> tuple[str, ...]:
    """Names of the covariates of a profile, checked."""
    records = [record for record, _ in own]
    with _located(f"Profile '{profile}', covariates"):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FibrolibError('write a list of columns, such as covariates = ["waist_cm"].')
        for name in names:
            if name not in numbers_of(records):
                _check_against(records, _covariate(name))
    declared = [record.name for record in records if record.kind == "covariate"]
    return tuple(dict.fromkeys([*names, *declared]))


def _quality_limits(profile: str, given: object) -> dict[str, float]:
    """Limits of the quality of clips that the section ``[quality]`` gives."""
    if not isinstance(given, dict) or not set(given) <= set(QUALITY_LIMITS):
        raise FibrolibError(f"Profile '{profile}': [quality] has the settings {', '.join(QUALITY_LIMITS)}.")
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FibrolibError(f"Profile '{profile}': {key} in [quality] must be a number, not {value!r}.")
    return {key: float(value) for key, value in given.items()}


def _check_against(others: list[Diagnostic], record: Diagnostic) -> None:
    """Raise where a record clashes with the package or with another of the user's own."""
    if record.name in {other.name for other in others}:
        raise DiagnosticError(f"two diagnostics are called '{record.name}'.")
    if record.kind == "net" and record.name in ARCHITECTURES:
        raise DiagnosticError(f"the package has a network '{record.name}' already. Choose another name.")
    known = {name: spec for other in others for name, spec in other.columns.items()} | NUMBERS
    for name, spec in record.columns.items():
        if name not in NUMBERS and name in (*REQUIRED, *OPTIONAL):
            raise DiagnosticError(f"'{record.name}' cannot read the column '{name}': it holds no numbers of its own.")
        if known.get(name, spec) != spec:
            raise DiagnosticError(
                f"'{record.name}' says of the column '{name}' what another diagnostic does not. Give both the same "
                f"ColumnSpec; those of the package are fibrolib.cohort.columns.NUMBERS['{name}']."
            )


def _check_nets(profile: str, own: tuple[tuple[Diagnostic, OwnFile], ...], models: list[_ModelSettings]) -> None:
    """Raise where a net of the user's own is not used, or a model bears the name of an index."""
    indices = {record.name for record in (*INDICES, *(record for record, _ in own)) if record.kind == "index"}
    for settings in models:
        if settings.name in indices:
            raise FibrolibError(f"Profile '{profile}': [models.{settings.name}] has the name of an index. Rename it.")
    used = {name for settings in models for name in settings.own}
    for record, file in own:
        if record.kind == "net" and record.name not in used:
            raise FibrolibError(
                f"Profile '{profile}': no model uses the net of {file.text}. Add a section [models.{record.name}] with "
                f'architecture = "{record.name}".'
            )


def _model_settings(name: str, table: dict, own: dict[str, str]) -> _ModelSettings:
    arguments = {key: value for key, value in table.items() if key not in ("grid", "own_cohort")}
    grids, own_cohort = table.get("grid", []), table.get("own_cohort", {})
    grids = [grids] if isinstance(grids, dict) else grids
    settable = set(inspect.signature(NetClassifier.__init__).parameters) - _NOT_SETTABLE
    for key in [*arguments, *(key for grid in grids for key in grid)]:
        if key not in settable:
            raise FibrolibError(f"unknown setting '{key}'. Known: {', '.join(sorted(settable))}.")
    for key, values in ((key, values) for grid in grids for key, values in grid.items()):
        if not isinstance(values, list) or not values:
            raise FibrolibError(f"grid setting '{key}' must be a list of values.")
    usual = {"architecture": NetClassifier().architecture, "options": {}, **arguments}
    for grid in [{}, *grids]:
        for architecture, options in product(*(grid.get(key, [usual[key]]) for key in ("architecture", "options"))):
            _check_options(architecture, options)
    for settings in [{key: [value] for key, value in arguments.items()}, *grids]:
        for weights in settings.get("weights", []):
            check_options({"weights": weights})
    if arguments.get("view", "clips") not in VIEWS:
        raise FibrolibError(f"view must be one of {', '.join(VIEWS)}.")
    used = {each for grid in [{}, *grids] for each in grid.get("architecture", [usual["architecture"]])}
    if own_cohort:
        changed = _model_settings(name, {**arguments, "grid": grids, **own_cohort}, own)
        own_cohort = {**{key: changed.arguments[key] for key in own_cohort if key != "grid"}, "grid": changed.grid}
        used |= set(changed.own)
    own = {each: digest for each, digest in own.items() if each in used}
    return _ModelSettings(name, arguments, grids, own, own_cohort)


def _check_options(architecture: str, options: object) -> None:
    """Raise unless a network has these options, before anything is prepared for it."""
    try:
        known = net_options(architecture)
    except ValueError as error:
        raise FibrolibError(f"{error}.") from error
    if not isinstance(options, dict):
        raise FibrolibError(f"options must be a table such as {{ freeze_to_stride = 0 }}, not {options!r}.")
    for option in options:
        if option not in known:
            raise FibrolibError(f"{architecture} has no option '{option}'; it has {', '.join(sorted(known))}.")
    check_options(options)
    if architecture not in ARCHITECTURES:
        _try_to_build(architecture, options)


def _try_to_build(architecture: str, options: dict) -> None:
    """Raise unless a network of the user's own can be built: its code is not ours, and may fail in any way."""
    try:
        build_net(architecture, _STAGES, **options)
    except FibrolibError:
        raise
    except Exception as error:
        raise FibrolibError(
            f"the network '{architecture}' cannot be built ({type(error).__name__}: {error})."
        ) from error


def _check_top_level(name: str, table: dict) -> None:
    """Raise where a name at the top is unknown: ``instalation_test`` must not go unnoticed."""
    known = ["installation_test", "threshold_source", "covariates", "diagnostics", *_SECTIONS, "quality", "models"]
    for key in table:
        if key not in known:
            raise FibrolibError(f"Profile '{name}': unknown setting or section '{key}'. Known: {', '.join(known)}.")
    if not isinstance(table.get("installation_test", False), bool):
        raise FibrolibError(f"Profile '{name}': installation_test must be true or false.")
    if table.get("threshold_source", "validation") not in _THRESHOLD_SPLITS:
        raise FibrolibError(f"Profile '{name}': threshold_source must be one of {', '.join(_THRESHOLD_SPLITS)}.")


def load_profile(name: str) -> Profile:
    """Read a profile: ``smoke``, ``quick``, ``paper``, or a TOML file, whose ``[[diagnostics]]`` files are run.

    Raises `FibrolibError` where there is no such profile, it is not TOML, a setting is missing or unknown, or a
    diagnostic cannot be used.
    """
    title, text = _read(name)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FibrolibError(f"Profile '{name}' is not valid TOML: {error}.") from error
    _check_top_level(name, table)
    for section, keys in _SECTIONS.items():
        missing = set(keys) - set(table.get(section, {}))
        if missing:
            raise FibrolibError(f"Profile '{name}': section [{section}] lacks {', '.join(sorted(missing))}.")
        optional = _OPTIONAL_NUMBERS.get(section, {})
        for key, least in {**keys, **optional}.items():
            value = table[section].get(key, least)
            if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
                raise FibrolibError(f"Profile '{name}': {key} in [{section}] must be a number of at least {least}.")
    absent = [model for model in _MODELS if model not in table.get("models", {})]
    if absent:
        raise FibrolibError(f"Profile '{name}' lacks the section [models.{absent[0]}]; the notebooks need it.")
    own = _own_diagnostics(name, table.get("diagnostics", []))
    networks = {record.name: file.digest for record, file in own if record.kind == "net"}
    models = []
    for model, settings in table["models"].items():
        with _located(f"Profile '{name}', model '{model}'"):
            models.append(_model_settings(model, settings, networks))
    _check_nets(name, own, models)
    return Profile(
        name=title,
        patients=table["cohort"]["patients"],
        population=table["population"]["patients"],
        clips=_ClipSettings(**{key: table["clips"][key] for key in _SECTIONS["clips"]}),
        still_size=table["stills"]["size"],
        n_folds=table["folds"]["n"],
        n_repeats=table["folds"].get("repeats", 1),
        models=tuple(models),
        installation_test=table.get("installation_test", False),
        threshold_source=table.get("threshold_source", "validation"),
        own=own,
        quality=_quality_limits(name, table.get("quality", {})),
        covariates=_covariates(name, table.get("covariates", []), own),
    )
