"""rig.toml as typed configuration."""

from riglog.config.duration import seconds
from riglog.config.rig import Rig, load_rig

__all__ = ["Rig", "load_rig", "seconds"]
