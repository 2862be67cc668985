"""``riglog alarms``: the alarms of a recording, their acknowledgement, and those of a rig file."""

import click

from riglog.cli.console import add_row, format_value, messages, plain, print_json, results, table
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.local_time import format_local
from riglog.cli.options import json_option, reason_option


@click.group("alarms", short_help="List, acknowledge and test alarms.")
def command() -> None:
    """Alarms: conditions on channels in a rig file, and what happened to them in a recording."""


@command.command("list", short_help="List the alarms of a recording.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--run", help="The run with this id, or the latest run with this name. Default: the latest run.")
@json_option
def list_alarms(file: str, run: str | None, as_json: bool) -> None:
    """List the alarms of the latest run of the recording FILE, with the newest state of each. Times are local."""
    from riglog.recordings import read_alarms

    found = read_alarms(file, run=run)
    if as_json:
        print_json(found)
        return
    if not found:
        messages().print("[dim]no alarm: the rig file of this run has none[/]")
        return
    alarms = table("alarm", "channel", "state", "since", "reason", "acknowledged")
    for alarm in found:
        seen = alarm.by or ("-" if alarm.acknowledged else "no")
        if alarm.why:
            seen += f": {alarm.why}"
        add_row(alarms, alarm.name, alarm.channel, alarm.state, format_local(alarm.at), alarm.text or "", seen)
    results().print(alarms)


@command.command("ack", short_help="Acknowledge an alarm.")
@click.argument("file", type=click.Path(readable=False))
@click.argument("name")
@click.option("--by", help="Who acknowledges it. Default: the user of the operating system.")
@reason_option
@json_option
def acknowledge(file: str, name: str, by: str | None, reason: str | None, as_json: bool) -> None:
    """Acknowledge the alarm NAME in the latest run of the recording FILE, also while it is recorded."""
    from riglog.recordings import Delivery, acknowledge_alarm

    delivery = acknowledge_alarm(file, name, program="riglog alarms ack", author=by, reason=reason)
    if as_json:
        print_json({"state": delivery.value})
    elif delivery is Delivery.STORED:
        messages().print(f"[dim]acknowledged in {plain(file)}[/]", soft_wrap=True)
    else:
        messages().print(f"[dim]waits in {plain(file)}.inbox; the recorder stores it with its next flush[/]")


@command.command("test", short_help="Try the alarms of a rig file.")
@click.argument("rig", type=click.Path(readable=False))
@click.option("--value", "values", multiple=True, metavar="CHANNEL=VALUE", help="A value to evaluate; may be repeated.")
@click.option("--fire", is_flag=True, help="Also start every action once, with the state test.")
@click.option("--allow-commands", is_flag=True, help="With --fire: also the actions that start a program.")
@json_option
def test(rig: str, values: tuple[str, ...], fire: bool, allow_commands: bool, as_json: bool) -> int:
    """Evaluate the alarms of the rig file RIG: with the values given, and with those of simulated instruments.

    No port is opened. The exit code is 1 if an alarm names a channel that its device does not have, or an action fails.
    """
    from riglog.cli.alarm_trial import fire_actions, given_values, try_alarms
    from riglog.config import load_rig

    config = load_rig(rig)
    tried = try_alarms(config, given_values(values))
    fired = fire_actions(config, allow_commands=allow_commands) if fire else []
    failed = any(each.problem for each in tried) or any(each.problem for each in fired)
    if as_json:
        print_json({"alarms": tried, "actions": fired})
        return INCOMPLETE if failed else DONE
    alarms = table("alarm", "channel", "raised if", "value", "result")
    for each in tried:
        shown = " ".join([format_value(each.value, each.text), *([each.unit] if each.unit else [])])
        add_row(alarms, each.alarm, each.channel, each.conditions, shown, each.problem or each.result)
    results().print(alarms)
    if fired:
        results().print()
        actions = table("action", "result")
        for action in fired:
            add_row(actions, action.name, action.problem or "done")
        results().print(actions)
    return INCOMPLETE if failed else DONE
