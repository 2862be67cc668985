"""Recording a whole rig from its configuration: open the devices, record them, store the rows."""

from riglog.rig.outcome import LongestGap, Outcome
from riglog.rig.record import record_rig, run_to_resume

__all__ = ["LongestGap", "Outcome", "record_rig", "run_to_resume"]
