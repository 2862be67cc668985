"""Recording a whole rig from its configuration: open the devices, record them, store the rows."""

from riglog.rig.devices import open_device, open_rig
from riglog.rig.outcome import LongestGap, Outcome
from riglog.rig.piping import pipe
from riglog.rig.record import record_rig
from riglog.rig.resume import ResumePlan, plan_resume

__all__ = ["LongestGap", "Outcome", "ResumePlan", "open_device", "open_rig", "pipe", "plan_resume", "record_rig"]
