"""Costs and their ratios, as tables on stdout."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Costs = Mapping[str, Sequence[float]]
"""The cost in each round, by the name of what was measured."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of two costs: `of / to`.

    Attributes:
        target: the ratio must be at least that, or with `at_most` at most that; 0 for a ratio that is only shown.
    """

    name: str
    of: str
    to: str
    target: float = 0
    at_most: bool = False

    def is_missed(self, median: float) -> bool:
        """Whether the ratio misses its target."""
        return self.target > 0 and (median > self.target if self.at_most else median < self.target)


def print_costs(title: str, costs: Costs) -> None:
    """Median, minimum and maximum of each cost."""
    print(f"\n{title:<54}{'median':>8}{'min':>8}{'max':>8}")
    for name, rounds in costs.items():
        values = (statistics.median(rounds), min(rounds), max(rounds))
        print(f"{name:<54}" + "".join(f"{value:>8.0f}" for value in values))


def print_ratios(ratios: Iterable[Ratio], costs: Costs) -> bool:
    """Each ratio, computed within each round. Returns whether all of them reach their targets."""
    print(f"\n{'ratio':<54}{'median':>8}{'middle half':>16}{'of mins':>9}{'target':>10}")
    reached = True
    for ratio in ratios:
        of, to = costs[ratio.of], costs[ratio.to]
        rounds = sorted(one / other for one, other in zip(of, to, strict=True))
        median = statistics.median(rounds)
        low, _, high = statistics.quantiles(rounds, n=4)
        missed = ratio.is_missed(median)
        reached = reached and not missed
        target = f"{'<=' if ratio.at_most else '>='} {ratio.target:.2f}" if ratio.target else ""
        verdict = "" if not ratio.target else " MISSED" if missed else " ok"
        spread = f"{low:.2f} - {high:.2f}"
        print(f"{ratio.name:<54}{median:>8.2f}{spread:>16}{min(of) / min(to):>9.2f}{target:>10}{verdict}")
    return reached
