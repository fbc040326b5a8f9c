"""Pseudonyms: the same for the same name and key, and not to be turned back without the key."""

from __future__ import annotations

import base64
import hashlib
import hmac

__all__ = ["pseudonym"]

_LENGTH = 10
"""Letters: 50 bits, by which two of 10,000 patients get the same with a probability of 4 in 10⁸."""


def pseudonym(key: bytes, kind: str, name: str) -> str:
    """A keyed hash of a name (HMAC with SHA-256, RFC 2104), short and fit for a file name.

    A plain hash would not do: who has a list of all patients of a hospital hashes the list, and looks.

    Parameters
    ----------
    key : bytes
        From `read_key`.
    kind : str
        What is named: stands in front. The same name of another kind gives another pseudonym.
    name : str
        The name, taken as it is: two spellings are two names.

    Returns
    -------
    str
        For instance ``p-k3v7q2mtza``; ten lower-case letters and digits 2 to 7 after the kind.
    """
    code = hmac.new(key, f"{kind}\0{name}".encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return f"{kind}-{base64.b32encode(code).decode().lower()[:_LENGTH]}"
