"""Average linkage where some may not come together, without a matrix of all distances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facegrab.types import FloatArray, IntArray

_BLOCK = 1 << 24
"""Distances computed at a time: 64 MB of float32."""
_FAR = np.float32(np.inf)


def average_linkage(
    mean: FloatArray, square: FloatArray, apart: IntArray, limit: float
) -> IntArray:
    """Joins the two nearest of some bundles of points again and again, up to a limit.

    Two clusters are as far apart as the mean of the squared distances between points of one and
    points of the other, every bundle counting the same; if two of their bundles may not come
    together, infinitely. A cluster's mean point and mean square say all about it, so that the
    memory grows with the bundles and not with their pairs.

    Joining two clusters brings neither nearer to a third than the nearer of the two was. So all
    pairs that are each other's nearest may be joined at once, with the result of one at a time; and
    a cluster that has nobody within the limit never will.

    Args:
        mean: float32 (N, D), mean point of each bundle.
        square: float32 (N,), mean square of the lengths of its points.
        apart: int64 (P, 2), pairs of different bundles that shall not be in one cluster.
        limit: the largest mean squared distance of two clusters that are joined.

    Returns:
        int64 (N,), the lowest bundle of each bundle's cluster.
    """
    work = _Linkage.of(mean, square, apart, limit)
    while len(work.stale):
        work.seek()
        work.join()
    return work.label


@dataclass(slots=True, eq=False)
class _Linkage:
    """Clusters, each in the row of its lowest bundle.

    Rows that can join no other, or are joined to one, have an infinite square.

    Attributes:
        label: int64 (N,), the row of each bundle's cluster.
        mean: float32 (N, D), of a cluster's points.
        square: float32 (N,), mean square of their lengths.
        count: float32 (N,), bundles.
        nearest: int64 (N,), another row; -1 where there is none within the limit.
        distance: float32 (N,), its mean squared distance.
        others: float32 (N,), at most the distance of any other.
        apart: for each row, bundles that may not join it.
        stale: int64, rows whose nearest is not known.
        limit: the largest distance of clusters that are joined.
    """

    label: IntArray
    mean: FloatArray
    square: FloatArray
    count: FloatArray
    nearest: IntArray
    distance: FloatArray
    others: FloatArray
    apart: list[IntArray]
    stale: IntArray
    limit: float

    @classmethod
    def of(cls, mean: FloatArray, square: FloatArray, apart: IntArray, limit: float) -> _Linkage:
        count = len(mean)
        both = np.concatenate([apart, apart[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        ends = np.searchsorted(both[:, 0], np.arange(1, count))
        return cls(
            label=np.arange(count),
            mean=mean.copy(),
            square=square.copy(),
            count=np.ones(count, np.float32),
            nearest=np.full(count, -1, np.int64),
            distance=np.full(count, _FAR, np.float32),
            others=np.full(count, _FAR, np.float32),
            apart=np.split(both[:, 1], ends) if count else [],
            stale=np.arange(count),
            limit=limit,
        )

    def seek(self) -> None:
        """Finds the nearest of the stale rows; those that have none within the limit are done."""
        while len(self.stale):
            self._find_nearest(self.stale)
            done = self.stale[~(self.distance[self.stale] <= self.limit)]
            self.nearest[done] = -1
            self.square[done] = _FAR
            # Nobody's nearest is done, but for one at the limit itself and the last bit.
            rows = np.flatnonzero(self.nearest >= 0)
            self.stale = rows[np.isinf(self.square[self.nearest[rows]])]

    def _find_nearest(self, stale: IntArray) -> None:
        live = np.flatnonzero(np.isfinite(self.square))
        place = np.full(len(self.label), -1, np.int64)
        place[live] = np.arange(len(live))
        mean, square = self.mean[live], self.square[live]
        for rows in _blocks(stale, len(live)):
            found = (-2 * self.mean[rows]) @ mean.T
            found += square
            every = np.arange(len(rows))
            found[every, place[rows]] = _FAR
            for number, row in enumerate(rows.tolist()):
                if len(self.apart[row]):
                    kept_out = place[self.label[self.apart[row]]]
                    found[number, kept_out[kept_out >= 0]] = _FAR
            best = found.argmin(axis=1)
            self.nearest[rows] = live[best]
            self.distance[rows] = found[every, best] + self.square[rows]
            found[every, best] = _FAR
            self.others[rows] = found.min(axis=1) + self.square[rows]

    def join(self) -> None:
        """Joins those that are each other's nearest, and the nearest two in any case."""
        rows = np.flatnonzero(self.nearest >= 0)
        if not len(rows):
            return
        mutual = rows[(self.nearest[self.nearest[rows]] == rows) & (rows < self.nearest[rows])]
        if not len(mutual):  # rounding: the same distance may differ in its last bit
            mutual = rows[[int(self.distance[rows].argmin())]]
        kept = np.minimum(mutual, self.nearest[mutual])
        gone = np.maximum(mutual, self.nearest[mutual])
        share = (self.count[gone] / (self.count[kept] + self.count[gone])).astype(np.float32)
        self.mean[kept] += share[:, None] * (self.mean[gone] - self.mean[kept])
        self.square[kept] += share * (self.square[gone] - self.square[kept])
        self.count[kept] += self.count[gone]
        self.square[gone] = _FAR
        self.nearest[gone] = -1
        renamed = np.arange(len(self.label))
        renamed[gone] = kept
        self.label = renamed[self.label]
        for row, other in zip(kept.tolist(), gone.tolist(), strict=True):
            self.apart[row] = np.union1d(self.apart[row], self.apart[other])
            self.apart[other] = np.empty(0, np.int64)
        self._follow(kept, renamed)

    def _follow(self, kept: IntArray, renamed: IntArray) -> None:
        """Those whose nearest was joined keep it, if it is still nearer than any other."""
        joined = np.zeros(len(self.label), np.bool_)
        joined[kept] = True
        rows = np.flatnonzero((self.nearest >= 0) & ~joined)
        rows = rows[joined[renamed[self.nearest[rows]]]]
        nearest = renamed[self.nearest[rows]]
        products = np.einsum("ij,ij->i", self.mean[rows], self.mean[nearest])
        distance = self.square[rows] + self.square[nearest] - 2 * products
        for row in np.unique(nearest).tolist():
            if len(self.apart[row]):
                distance[(nearest == row) & np.isin(rows, self.label[self.apart[row]])] = _FAR
        still = distance <= np.minimum(self.others[rows], self.limit)
        self.nearest[rows[still]] = nearest[still]
        self.distance[rows[still]] = distance[still]
        self.stale = np.concatenate([kept, rows[~still]])


def _blocks(rows: IntArray, columns: int) -> Iterator[IntArray]:
    """Rows in groups whose distances from so many others have room."""
    step = max(_BLOCK // max(columns, 1), 1)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
