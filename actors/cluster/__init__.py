"""The pools on a Ray cluster. The only package of the speech side that imports ray."""

from actors.cluster.connection import connect
from actors.cluster.inspection import fleet_status
from actors.cluster.pool import ClusterPool, stop_fleet

__all__ = ["ClusterPool", "connect", "fleet_status", "stop_fleet"]
