"""Keep patients' names, ids, dates and paths out of everything that a run leaves behind."""

from fibrolib.privacy.cohorts import find_table, is_reference, open_cohort, register, who_is_who
from fibrolib.privacy.links import MEDIA_SUFFIXES, revealed
from fibrolib.privacy.private import VARIABLE, private_folder, read_key, write_private
from fibrolib.privacy.pseudonyms import pseudonym

__all__ = [
    "MEDIA_SUFFIXES",
    "VARIABLE",
    "find_table",
    "is_reference",
    "open_cohort",
    "private_folder",
    "pseudonym",
    "read_key",
    "register",
    "revealed",
    "who_is_who",
    "write_private",
]
