"""A finished run, as a manuscript quotes it: results, circumstances, predictions and tables; nothing is computed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from fibrolib.diagnostics import INDICES
from fibrolib.errors import FibrolibError
from fibrolib.inference import count_results
from fibrolib.report import describe_folds
from fibrolib.stages import cutoff_name, stage_name
from fibrolib.study import load_profile
from fibrolib.study.plates import PLATES, Plates, read_plates

VIRTUAL = "Virtual cohort: simulated patients, not clinical evidence."
"""What every figure, table and page of a virtual run says; no option removes it."""
AUTHOR = "[AUTHOR: {}]"
"""How a place is marked that only an author can fill."""

_SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Record:
    """Folder of a finished run, the content of its results.json (`found`) and run.json (`run`), and `predictions`."""

    folder: Path
    found: dict
    run: dict
    predictions: pd.DataFrame

    def table(self, name: str, **options: object) -> pd.DataFrame | None:
        """A table of the run (`options` of ``read_csv``); None where it has none of that name."""
        path = self.folder / "tables" / f"{name}.csv"
        return pd.read_csv(path, **options) if path.exists() else None

    @cached_property
    def plates(self) -> Plates | None:
        """Pictures of the run; None where it has none."""
        path = self.folder / PLATES
        return read_plates(path, self.cutoff) if path.exists() else None

    @property
    def characteristics(self) -> pd.DataFrame | None:
        """Table 1 as text; None where the run has none."""
        return self.table("table1", dtype=str, keep_default_na=False)

    @property
    def named_characteristics(self) -> pd.DataFrame:
        """`characteristics` without their units; empty where the run has none."""
        table = self.characteristics
        if table is None:
            return pd.DataFrame(columns=["Characteristic", "Level", "Overall"])
        return table.assign(Characteristic=table["Characteristic"].str.partition(",")[0])

    @property
    def lacking(self) -> str:
        """Which of age and sex Table 1 does not have: ``age and sex``."""
        names = set(self.named_characteristics["Characteristic"])
        return " and ".join(name.lower() for name in ("Age", "Sex") if name not in names)

    @property
    def groups(self) -> pd.DataFrame | None:
        """Accuracy in groups of patients; None where the patients form none."""
        table = self.table("subgroups")
        return None if table is None or set(table["column"]) <= {"all"} else table

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Estimates on the test patients, a row per model."""
        return self.table("metrics")

    @property
    def virtual(self) -> bool:
        """Whether the patients are simulated."""
        return self.found["cohort"]["virtual"]

    @property
    def region(self) -> str:
        """What masks of the run mark."""
        return "capsule" if self.virtual else "marked region"

    @property
    def warning(self) -> str:
        """What every caption must say; empty where nothing must."""
        parts = [VIRTUAL if self.virtual else "", self.found["caveat"] or ""]
        return " ".join(part for part in parts if part)

    @property
    def cutoff(self) -> int:
        """Lowest stage that counts as diseased."""
        return self.found["cutoff"]

    @property
    def metavir(self) -> bool:
        """Whether stages are METAVIR's."""
        return self.run["metavir"]

    @property
    def reached(self) -> str:
        """Name of the patients with the condition: ``≥ F2``."""
        return cutoff_name(self.cutoff, self.metavir)

    @property
    def below(self) -> str:
        """Name of the patients without it: ``below F2``."""
        return f"below {stage_name(self.cutoff, self.metavir)}"

    @property
    def n_stages(self) -> int:
        """How many stages there are."""
        return int(self.predictions["stage"].max()) + 1

    @property
    def folds(self) -> str:
        """How settings were chosen: ``5-fold cross-validation``."""
        return describe_folds(self.run["profile"])

    @property
    def nets(self) -> list[str]:
        """Nets that were trained, in the order of tables."""
        return [name for name in self.found["models"] if name in self.run["nets"]]

    @property
    def video(self) -> str:
        """The network that notebook 12 judges: the first of the tables."""
        return next(iter(self.found["models"]))

    @property
    def best(self) -> pd.Series:
        """The diagnostic with the highest area, which was not known beforehand."""
        return self.metrics.loc[self.metrics["auc"].idxmax()]

    @cached_property
    def patients(self) -> pd.DataFrame:
        """Patients with their ``split``, ``stage`` and ``y_true``; the nets score all of them."""
        return self.predictions[self.predictions["model"] == self.nets[0]].drop_duplicates("patient_id")

    @cached_property
    def sides(self) -> pd.DataFrame:
        """Patients by part of the split: ``n, diseased``."""
        counts = self.patients.groupby("split")["y_true"].agg(["size", "sum"]).reindex(_SIDES).astype(int)
        return counts.set_axis(["n", "diseased"], axis=1)

    @cached_property
    def index_tests(self) -> pd.DataFrame:
        """Results of each diagnostic in the test patients, as `count_results` gives them."""
        return count_results(self.predictions, self.metrics.set_index("model")["threshold"])

    @property
    def citations(self) -> dict[str, str]:
        """Where the indices of the run were published, by label."""
        return {record.label: record.citation for record in INDICES if record.name in self.run["indices"]}


def read_record(folder: Path) -> Record:
    """Read a run folder; raises `FibrolibError` where it holds no finished run."""
    contents = {}
    for name in ("results", "run"):
        try:
            contents[name] = json.loads((folder / f"{name}.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise FibrolibError(
                f"{folder / name}.json is missing or damaged, so this is no finished run. Give the folder that "
                "'fibrolib run' wrote (it holds results.json, run.json and report.html), or run it again to the end."
            ) from error
    for profile in (folder / "profile").glob("*.toml"):
        load_profile(str(profile))  # which makes the labels of the user's own diagnostics known
    predictions = pd.read_csv(folder / "predictions.csv", dtype={"patient_id": str, "fold": "Int64"})
    return Record(folder, contents["results"], contents["run"], predictions)
