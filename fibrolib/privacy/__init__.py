"""Keep patients' names, ids, dates and paths out of everything that a run leaves behind."""

from fibrolib.privacy.pseudonyms import (
    MEDIA_SUFFIXES,
    VARIABLE,
    find_table,
    is_reference,
    open_cohort,
    private_folder,
    pseudonym,
    read_key,
    register,
    revealed,
    who_is_who,
    write_private,
)

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
