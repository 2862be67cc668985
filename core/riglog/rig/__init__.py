"""Recording a whole rig from its configuration: open the devices, record them, store the rows."""

from riglog.rig.outcome import LongestGap, Outcome
from riglog.rig.record import record_rig
from riglog.rig.resume import ResumePlan, plan_resume

__all__ = ["LongestGap", "Outcome", "ResumePlan", "plan_resume", "record_rig"]
