"""FIB-4 and APRI from laboratory values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.errors import FibrolibError

__all__ = ["AST_UPPER_LIMIT", "IndexInputError", "apri", "fib4", "positive_values"]

AST_UPPER_LIMIT = 40.0
"""Upper limit of normal of AST in U/L, the customary value; laboratories differ (assumption where none is given)."""


class IndexInputError(FibrolibError, ValueError):
    """Laboratory values an index cannot be computed from; the message names the column."""


def positive_values(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Measured values as floats.

    Parameters
    ----------
    name : str
        What to call them in a message: the column.
    values : array_like
        Numbers; None or NaN where missing.

    Returns
    -------
    ndarray of float64
        Same shape.

    Raises
    ------
    IndexInputError
        A value is no number, zero, negative or infinite.
    """
    try:
        numbers = pd.to_numeric(pd.Series(np.ravel(values)))
    except (TypeError, ValueError) as error:
        raise IndexInputError(f"{name} must hold numbers: {error}") from error
    array = numbers.to_numpy(dtype=float, na_value=np.nan).reshape(np.shape(values))
    wrong = ~(np.isnan(array) | ((array > 0) & np.isfinite(array)))
    if wrong.any():
        raise IndexInputError(f"{name} must be positive and finite (or missing), found {array[wrong].flat[0]:g}")
    return array


def fib4(age: ArrayLike, ast: ArrayLike, alt: ArrayLike, platelets: ArrayLike) -> NDArray[np.float64]:
    """FIB-4 index (Sterling 2006): ``age * AST / (platelets * sqrt(ALT))``.

    Parameters
    ----------
    age : array_like
        Years.
    ast, alt : array_like
        U/L.
    platelets : array_like
        10^9/L.

    Returns
    -------
    ndarray of float64
        Broadcast shape of the inputs; NaN where one of them is missing.

    Raises
    ------
    IndexInputError
        A value is zero, negative or infinite.

    Examples
    --------
    >>> float(fib4(age=60, ast=80, alt=64, platelets=150))
    4.0
    """
    age, ast, alt, platelets = map(positive_values, ("age", "ast", "alt", "platelets"), (age, ast, alt, platelets))
    return age * ast / (platelets * np.sqrt(alt))


def apri(ast: ArrayLike, platelets: ArrayLike, *, upper_limit: float = AST_UPPER_LIMIT) -> NDArray[np.float64]:
    """AST to platelet ratio index (Wai 2003): ``100 * (AST / upper_limit) / platelets``.

    Parameters
    ----------
    ast : array_like
        U/L.
    platelets : array_like
        10^9/L.
    upper_limit : float
        Upper limit of normal of AST in the laboratory at hand, U/L.

    Returns
    -------
    ndarray of float64
        Broadcast shape of the inputs; NaN where one of them is missing.

    Raises
    ------
    IndexInputError
        A value is zero, negative or infinite.

    Examples
    --------
    >>> float(apri(ast=80, platelets=100))
    2.0
    """
    ast, platelets = positive_values("ast", ast), positive_values("platelets", platelets)
    return 100 * (ast / positive_values("upper_limit", upper_limit)) / platelets
