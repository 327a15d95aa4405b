"""Who looks through segments: nobody but the run itself, processes beside it, or a cluster."""

from __future__ import annotations

from facegrab.settings import RAY
from facegrab.task import Engine, Orders


def engine_of(orders: Orders) -> Engine | None:
    """The engine that settings ask for; None where the run looks through segments itself.

    Args:
        orders: what those of the engine have to know.
    """
    process = orders.process
    if process.engine == RAY:
        from facegrab.cluster import Cluster  # Ray is loaded where it is asked for

        return Cluster(orders)
    if process.jobs > 1:
        from facegrab.crew import Crew  # nor is what starts processes loaded for nothing

        return Crew(process.jobs, orders)
    return None
