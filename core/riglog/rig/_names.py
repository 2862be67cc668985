"""The public names of ``riglog.rig``, each with its home. See ``riglog._lazy``."""

from riglog.rig.alarms import check_commands as check_commands
from riglog.rig.devices import open_device as open_device
from riglog.rig.devices import open_rig as open_rig
from riglog.rig.identities import check_accepted as check_accepted
from riglog.rig.outcome import LongestGap as LongestGap
from riglog.rig.outcome import Outcome as Outcome
from riglog.rig.piping import pipe as pipe
from riglog.rig.reading import read as read
from riglog.rig.record import record_rig as record_rig
from riglog.rig.resume import ResumePlan as ResumePlan
from riglog.rig.resume import plan_resume as plan_resume
