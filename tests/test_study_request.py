import pytest

from fibrolib.errors import FibrolibError
from fibrolib.study import Request, open_study


@pytest.mark.parametrize("cutoff", [0, 5, 9, "2", None])
def test_a_cutoff_that_is_no_stage_is_refused_before_any_file_is_looked_for(tmp_path, cutoff):
    with pytest.raises(FibrolibError, match=f"cutoff must be 1, 2, 3 or 4, .*; not {cutoff!r}"):
        open_study(cohort=str(tmp_path / "none.csv"), cutoff=cutoff, out=str(tmp_path / "run"))


@pytest.mark.parametrize("cutoff", [1, 2, 3, 4])
def test_every_stage_but_the_lowest_is_a_cutoff(cutoff):
    assert Request(cutoff=cutoff).cutoff == cutoff
