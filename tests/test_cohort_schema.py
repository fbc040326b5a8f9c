"""Which files a table may name: in its folder, or elsewhere where asked for; folders of pictures as videos."""

import pytest
import test_cohort_table
from test_cohort_table import clean, only, problems, save

from fibrolib.cohort import read_cohort
from fibrolib.errors import CohortError

folder = test_cohort_table.folder


def test_files_outside_the_folder_only_where_asked_for(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("elsewhere") / "v.mp4"
    outside.write_bytes(b"not opened")
    table = clean()
    table.loc[3, "video"] = str(outside)
    table.loc[4, "video"] = f"../{outside.parent.name}/none.mp4"
    path = save(table, folder)
    assert [row for row, _, _ in problems(path)] == [5, 6]
    with pytest.raises(CohortError) as caught:
        read_cohort(path, outside=True)
    (problem,) = caught.value.problems
    assert (problem.row, "there is no file" in problem.message) == (6, True)
    table.loc[4, "video"] = "videos/v4.mp4"
    assert read_cohort(save(table, folder), outside=True).patients().loc["P3", "videos"] == (outside,)


def test_a_folder_of_pictures_is_a_video_and_no_mask(folder):
    (folder / "frames").mkdir()
    table = clean().assign(roi=None)
    table.loc[3, "video"] = "frames"
    assert read_cohort(save(table, folder)).patients().loc["P3", "videos"] == (folder / "frames",)
    table.loc[3, "roi"] = "frames"
    assert only(save(table, folder))[:2] == (5, "roi")
