"""Tables of which only a part is measured: which blocks, and what the others cost.

`--max-blocks` measures the blocks that tell most and predicts the rest from them. `--transfer-from`
measures even fewer and predicts from tables of other devices, settings or runtimes; which of them,
leaving out one measured block at a time decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias, final

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.codec import rounded
from sgnas_deploy.tables.format import Estimate, Estimation, LatencyTable, Source
from sgnas_deploy.tables.predictor import block_times_s
from sgnas_deploy.tables.surrogate import Features, Kernel, Surrogate, design, surrogate

LEAST_BLOCKS: Final = 5
"""Fewer measured blocks say nothing about the others."""

Costs: TypeAlias = Mapping[str, float]


@final
@dataclass(frozen=True)
class Known:
    """A table of the same space from elsewhere.

    Attributes:
        source: its name and hash.
        form: its graph form.
        costs_s: of all blocks, by key.
    """

    source: Source
    form: str
    costs_s: Costs

    @staticmethod
    def of(table: LatencyTable, sha256: str) -> Known:
        """What a table says of its blocks."""
        source = Source(table=table.name, sha256=sha256)
        return Known(source, table.form, block_times_s(table))


@final
class Partial:
    """The blocks of a space whose measurement tells most.

    Attributes:
        order: their keys, that which tells most first.
        count: how many of them, from the first, are measured; may be changed.
        known: tables of other devices; empty to predict from the measured blocks alone.
    """

    def __init__(self, space: Space, count: int, known: Sequence[Known] = ()) -> None:
        blocks = spaces.all_blocks(space)
        self._features = Features.of(blocks)
        self.known = tuple(known)
        self.count = count
        shape = self._features.shape
        # A block without any other of its shape (stem, head) is in every network: elsewhere its
        # cost is known up to what the offset of g takes in, here nothing else would tell it.
        alone = [i for i in range(len(blocks)) if int((shape == shape[i]).sum()) == 1]
        first = [] if known or count < len(alone) else alone
        order = design(self._features, count, first)
        self.order: Final = tuple(self._features.keys[i] for i in order)

    @staticmethod
    def least(space: Space) -> int:
        """Fewest measured blocks without other tables: one of each shape, five at least."""
        features = Features.of(spaces.all_blocks(space))
        return max(LEAST_BLOCKS, len(np.unique(features.shape)))

    @property
    def keys(self) -> tuple[str, ...]:
        """What is measured."""
        return self.order[: self.count]

    def complete(self, measured_s: Costs) -> dict[str, float]:
        """Costs of all blocks: the measured ones as they are, the others predicted."""
        if len(measured_s) == len(self._features.keys):
            return dict(measured_s)
        found, _ = self._predict(measured_s)
        predicted = dict(zip(self._features.keys, (float(c) for c in found.costs_s), strict=True))
        return {**predicted, **measured_s}

    def estimates(self, measured_s: Costs) -> tuple[dict[str, Estimate], Estimation | None]:
        """What a table says of the blocks that were not measured; empty and None without such."""
        if len(measured_s) == len(self._features.keys):
            return {}, None
        found, sources = self._predict(measured_s)
        return (
            {
                key: Estimate(cost_s=rounded(float(cost_s)), error=round(float(error), 6))
                for key, cost_s, error in zip(
                    self._features.keys, found.costs_s, found.errors, strict=True
                )
                if key not in measured_s
            },
            Estimation(
                method="transfer" if self.known else "features",
                sources=sources,
                measured=len(measured_s),
                error=round(found.error, 6),
                largest=round(float(np.abs(found.residuals).max()), 6),
            ),
        )

    def hiding(self, table: LatencyTable) -> LatencyTable:
        """A fully measured table as if only `keys` of it had been measured."""
        times_s = block_times_s(table)
        estimates, estimation = self.estimates({key: times_s[key] for key in self.keys})
        kept = set(self.keys)
        return table.model_copy(
            update={
                "blocks": {key: entry for key, entry in table.blocks.items() if key in kept},
                "estimates": estimates,
                "estimation": estimation,
            }
        )

    def _predict(self, measured_s: Costs) -> tuple[Surrogate, tuple[Source, ...]]:
        """The best of the predictions that there are, by their leave-one-out error."""
        candidates = [
            (surrogate(self._features, measured_s, prior_s, self._kernel), sources)
            for prior_s, sources in self._priors(measured_s)
        ]
        # Absolute, not squared: one disturbed measurement must not choose.
        return min(candidates, key=lambda found: float(np.abs(found[0].residuals).mean()))

    def _priors(self, measured_s: Costs) -> Iterator[tuple[Costs | None, tuple[Source, ...]]]:
        """Each known table, the geometric mean of all, and none where there is enough without."""
        if not self.known or len(measured_s) >= self._shapes:
            yield None, ()
        for known in self.known:
            yield known.costs_s, (known.source,)
        if len(self.known) > 1:
            yield self.elsewhere_s, tuple(known.source for known in self.known)

    @cached_property
    def elsewhere_s(self) -> Costs:
        """Geometric mean of what the other devices' tables say of each block, seconds, by key."""
        tables = [known.costs_s for known in self.known]
        return {
            key: float(np.exp(np.mean([np.log(table[key]) for table in tables])))
            for key in self._features.keys
        }

    @cached_property
    def _shapes(self) -> int:
        return len(np.unique(self._features.shape))

    @cached_property
    def _kernel(self) -> Kernel:
        return Kernel(self._features)
