"""The pools on a Ray cluster. The only room of the speech side that imports ray.

Importing the package alone loads no Ray; `ray_head`, which the supervisor uses, loads none either.
"""
