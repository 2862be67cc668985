"""The rig file: rig.toml as typed configuration."""

from riglog.config.duration import seconds
from riglog.config.rig import RigConfig, load_rig, parse_rig

__all__ = ["RigConfig", "load_rig", "parse_rig", "seconds"]
