"""Which workers run where: the plan per node, and the life of every worker. Pure; used by the manager."""
