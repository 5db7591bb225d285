"""Dialogs and engines of other packages: found by name, their settings checked.

Used by the registries (`ingress.dialogs.registry`, `actors.engines.registry`) and where settings are read.
"""
