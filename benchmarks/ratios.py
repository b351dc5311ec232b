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


@dataclass(frozen=True)
class Seen:
    """A ratio and its median over the rounds."""

    ratio: Ratio
    median: float

    @property
    def is_met(self) -> bool:
        """Whether the ratio reaches its target."""
        return not self.ratio.is_missed(self.median)


def print_ratios(ratios: Iterable[Ratio], costs: Costs) -> list[Seen]:
    """Each ratio, computed within each round."""
    print(f"\n{'ratio':<54}{'median':>8}{'middle half':>16}{'of mins':>9}")
    found = []
    for ratio in ratios:
        of, to = costs[ratio.of], costs[ratio.to]
        rounds = sorted(one / other for one, other in zip(of, to, strict=True))
        low, median, high = statistics.quantiles(rounds, n=4)
        spread = f"{low:.2f} - {high:.2f}"
        print(f"{ratio.name:<54}{median:>8.2f}{spread:>16}{min(of) / min(to):>9.2f}")
        found.append(Seen(ratio, median))
    return found


def print_targets(found: Iterable[Seen]) -> bool:
    """The table of targets, and whether each is met. Returns whether all are."""
    with_target = [seen for seen in found if seen.ratio.target]
    print(f"\n{'target':<54}{'wanted':>10}{'seen':>8}  met")
    for seen in with_target:
        wanted = f"{'<=' if seen.ratio.at_most else '>='} {seen.ratio.target:.2f}"
        print(f"{seen.ratio.name:<54}{wanted:>10}{seen.median:>8.2f}  {'yes' if seen.is_met else 'NO'}")
    met = sum(seen.is_met for seen in with_target)
    print(f"{met} of {len(with_target)} targets are met.")
    return met == len(with_target)
