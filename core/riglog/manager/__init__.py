"""The rig: devices by name, shared ports, reconnecting, and leaving silent devices alone."""

from riglog.manager.budget import LineUse, line_use
from riglog.manager.manager import Manager
from riglog.manager.opening import Plan, plan, refuse_conflict

__all__ = ["LineUse", "Manager", "Plan", "line_use", "plan", "refuse_conflict"]
