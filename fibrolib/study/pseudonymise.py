"""What a run folder says of the cohort: a reference in the place of its path, and nothing that names a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fibrolib.cohort import Cohort
from fibrolib.diagnostics import Diagnostic
from fibrolib.errors import FibrolibError
from fibrolib.privacy import is_reference, open_cohort, private_folder, register
from fibrolib.study.paths import INSIDE, from_project
from fibrolib.study.profiles import BUILT_IN
from fibrolib.study.request import Request

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["open_own_cohort", "reference_of", "request_for_copies"]


def reference_of(request: Request) -> str:
    """What stands for the cohort's table in the run folder (`fibrolib.privacy.register`); empty for the virtual cohort.

    Raises
    ------
    FibrolibError
        If there is no such table, or the private folder lies in the run folder.
    """
    if not request.cohort:
        return ""
    if request.out and private_folder().is_relative_to(request.run_folder):
        raise FibrolibError(
            f"{private_folder()}: the private folder, which tells who is who, lies in the run folder "
            f"{request.run_folder}, which is made to be shared. Choose another for one of them."
        )
    return request.cohort if is_reference(request.cohort) else register(from_project(request.cohort))


def open_own_cohort(reference: str, request: Request, diagnostics: Sequence[Diagnostic]) -> Cohort:
    """A cohort behind pseudonyms (`open_cohort`).

    Raises
    ------
    FibrolibError
        If the table cannot be read. In an executed copy, whose traceback stays in the run folder, the message names
        nothing.
    """
    try:
        return open_cohort(reference, request.cutoff, diagnostics=diagnostics)
    except FibrolibError:
        if request.out != INSIDE:
            raise
    raise FibrolibError("The cohort table can no longer be read. 'fibrolib check' on it tells why.")


def request_for_copies(study: Study) -> Request:
    """The request as executed copies in the run folder carry it: without a path, which might name a patient.

    The cohort is told by its reference, which the private folder of this user resolves; a profile's file is copied into
    the run folder, with the files of the user's own diagnostics; and the run folder is the one that the copy lies in.
    So a copy still runs alone in JupyterLab, and says nothing to anybody else.
    """
    profile = study.request.profile
    if profile not in BUILT_IN:
        files = [file.path for _, file in study.profile.own]
        profile = f"{INSIDE}/profile/{study.folder.save_profile(Path(profile), files).name}"
    return replace(study.request, cohort=study.reference, profile=profile, out=INSIDE)
