"""What a channel and a sample are, and what their times mean."""

from datetime import UTC, datetime

import pytest

from riglog.model import NS, Channel, Sample, Stamp, Status, iso, missing_sample, utc

CHANNEL = Channel(device="oven", driver="watlow", protocol="stdbus", address=3, parameter="setpoint", unit="degC")
STAMP = Stamp(received_ns=1_700_000_000 * NS + 250_000_000, latency_ns=100_000_000, monotonic_ns=5)


def test_a_channel_is_named_by_device_parameter_and_instance() -> None:
    second = Channel(device="oven", driver="watlow", protocol="stdbus", address=3, parameter="setpoint", instance=2)
    assert [str(CHANNEL), str(second)] == ["oven.setpoint", "oven.setpoint[2]"]


@pytest.mark.parametrize("made", [Channel, Sample])
def test_fields_are_given_by_name_so_that_a_new_one_breaks_no_plugin(made: type) -> None:
    with pytest.raises(TypeError):
        made("oven", "watlow", "stdbus", 3, "setpoint")


def test_equal_channels_are_one_key() -> None:
    again = Channel(device="oven", driver="watlow", protocol="stdbus", address=3, parameter="setpoint", unit="degC")
    assert {CHANNEL: 1}[again] == 1
    assert Channel(device="kiln", driver="watlow", protocol="stdbus", address=3, parameter="setpoint") != CHANNEL


def test_a_sample_tells_whose_it_is() -> None:
    sample = Sample(channel=CHANNEL, stamp=STAMP, value=75.0, unit="degC")
    assert (sample.device, sample.parameter, sample.instance, sample.address, sample.protocol) == (
        "oven",
        "setpoint",
        1,
        3,
        "stdbus",
    )
    assert (sample.status, sample.flags, sample.error, sample.responded) == (Status.OK, (), None, True)


def test_what_stands_in_for_a_value_has_the_reason_and_the_unit_of_the_channel() -> None:
    sample = missing_sample(CHANNEL, STAMP, Status.MISSING, "no reply within 0.5 s", responded=False)
    assert (sample.value, sample.unit, sample.status) == (None, "degC", Status.MISSING)
    assert (sample.error, sample.responded) == ("no reply within 0.5 s", False)


def test_the_times_of_a_transaction_follow_from_its_end_and_its_latency() -> None:
    assert STAMP.requested_ns == STAMP.received_ns - 100_000_000
    assert STAMP.midpoint_ns == STAMP.received_ns - 50_000_000
    assert STAMP.received_at == datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC)
    assert STAMP.requested_at == datetime(2023, 11, 14, 22, 13, 20, 150_000, UTC)
    assert STAMP.midpoint_at == datetime(2023, 11, 14, 22, 13, 20, 200_000, UTC)
    assert STAMP.latency_s == 0.1


def test_what_an_instrument_sends_without_a_request_has_only_the_time_of_arrival() -> None:
    stamp = Stamp(received_ns=NS, latency_ns=None, monotonic_ns=5)
    assert (stamp.requested_ns, stamp.requested_at, stamp.latency_s) == (None, None, None)
    assert stamp.midpoint_ns == NS


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (NS - 1, "1970-01-01T00:00:00.999999Z"),
        (1_700_000_000 * NS + 1_000, "2023-11-14T22:13:20.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_cut_to_microseconds_and_never_rounded_up(ns: int, text: str) -> None:
    assert iso(ns) == text
    assert utc(ns).isoformat(timespec="microseconds").replace("+00:00", "Z") == text
