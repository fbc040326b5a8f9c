"""What is explained: a stage or higher, or one stage alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fibrolib.errors import FibrolibError

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """The question whose answer is explained.

    Parameters
    ----------
    stage : int
        A stage.
    exactly : bool
        Explain P(stage = this one) rather than P(stage >= this one).
    """

    stage: int
    exactly: bool = False

    def __str__(self) -> str:
        return f"stage {'=' if self.exactly else '>='} {self.stage}"

    def log_odds(self, logits: Tensor) -> Tensor:
        """Log-odds of the target.

        Parameters
        ----------
        logits : Tensor, shape (n, n_stages - 1)
            Logits of P(stage >= 1), P(stage >= 2), ...

        Returns
        -------
        Tensor, shape (n,)

        Raises
        ------
        FibrolibError
            If the net does not know that stage.
        """
        highest, lowest = logits.shape[1], 0 if self.exactly else 1
        if not lowest <= self.stage <= highest:
            raise FibrolibError(
                f"There is nothing to explain for {self}: this net tells stages 0 to {highest} apart. "
                f"Choose a stage from {lowest} to {highest}."
            )
        if not self.exactly:
            return logits[:, self.stage - 1]
        reached = torch.sigmoid(logits.double())
        here = reached[:, self.stage - 1] if self.stage > 0 else torch.ones_like(reached[:, 0])
        above = reached[:, self.stage] if self.stage < highest else torch.zeros_like(reached[:, 0])
        return torch.logit(here - above, eps=1e-9).to(logits.dtype)
