"""Alarms: conditions on channels, evaluated as rows are recorded, and the actions that they start."""

from riglog.alarms.actions import Action, EmailAction, ProgramAction, WebhookAction
from riglog.alarms.definition import Alarm
from riglog.alarms.dispatch import Dispatcher
from riglog.alarms.evaluation import ChannelAlarm, Condition, Turn
from riglog.alarms.monitor import AlarmMonitor

__all__ = [
    "Action",
    "Alarm",
    "AlarmMonitor",
    "ChannelAlarm",
    "Condition",
    "Dispatcher",
    "EmailAction",
    "ProgramAction",
    "Turn",
    "WebhookAction",
]
