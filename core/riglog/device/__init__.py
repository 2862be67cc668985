"""Devices: what they report, what sets their pace, how they are checked, and what may change them."""

from riglog.device.burst import burst_samples
from riglog.device.context import DeviceContext
from riglog.device.device import Device, PortDevice, label_or_number
from riglog.device.facts import StatedFacts
from riglog.device.faults import DRIVER_ERROR, is_plugin_fault
from riglog.device.poll_check import MAX_REPORTED_PROBLEMS, Began, CheckedPoll, check_channels, check_poll
from riglog.device.polling import missing, poll_reads
from riglog.device.safety import Safety, require_confirmation
from riglog.device.source import (
    AwaitingGroup,
    IdentifiedGroup,
    MaintainedSource,
    NamingGroup,
    Pace,
    PollSource,
    SourceGroup,
    SteadySource,
)
from riglog.device.threads import in_thread

__all__ = [
    "DRIVER_ERROR",
    "MAX_REPORTED_PROBLEMS",
    "AwaitingGroup",
    "Began",
    "CheckedPoll",
    "Device",
    "DeviceContext",
    "IdentifiedGroup",
    "MaintainedSource",
    "NamingGroup",
    "Pace",
    "PollSource",
    "PortDevice",
    "Safety",
    "SourceGroup",
    "StatedFacts",
    "SteadySource",
    "burst_samples",
    "check_channels",
    "check_poll",
    "in_thread",
    "is_plugin_fault",
    "label_or_number",
    "missing",
    "poll_reads",
    "require_confirmation",
]
