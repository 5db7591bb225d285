"""A scripted engine that takes a share of a GPU where there is one, as a model would."""

from __future__ import annotations

from actors.settings import ScriptedSettings


class GpuScripted(ScriptedSettings):
    """In a module of its own, so that workers on other nodes can unpickle it."""

    device: str = "auto"
    gpu_memory_gb: float = 6.0
