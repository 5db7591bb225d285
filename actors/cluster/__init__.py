"""The pools on a Ray cluster. The only package of the speech side, beside `actors.api`, that imports ray.

Importing the package alone loads no Ray; `ray_head`, which the supervisor uses, loads none either.
"""
