"""The rig: devices by name, shared ports, reconnecting, and leaving silent devices alone."""

from riglog.manager.manager import Manager
from riglog.manager.opening import Plan, plan, refuse_conflict

__all__ = ["Manager", "Plan", "plan", "refuse_conflict"]
