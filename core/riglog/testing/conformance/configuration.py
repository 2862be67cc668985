"""Checks of the configuration: keys obeyed, wrong values refused by name. Nothing is opened."""

from typing import Any

import pytest

from riglog.errors import ConfigError
from riglog.testing.conformance.bench import PORT
from riglog.testing.conformance.subject import Subject
from riglog.transport import Link

WRONG: dict[str, Any] = {
    "timeout": -1.0,
    "rate_hz": 0,
    "identity_check": -5,
    "parameters": "pressure",
    "protocol": 3,
    "baudrate": "fast",
    "bytesize": 9,
    "parity": "Q",
    "stopbits": 3,
    "echo": "yes",
    "late_reply_limit": 0,
}
"""A wrong value of each common key."""
SERIAL: dict[str, tuple[Any, ...]] = {
    "baudrate": (19200, 9600, 4800, 2400),
    "parity": ("E", "O", "N"),
    "stopbits": (2, 1),
    "bytesize": (7, 8),
}
"""Values of the serial settings; a driver may refuse some of them."""
NO_VALUE: object = {"not": ["a", "value"]}


class ConfigurationChecks(Subject):
    def test_the_configuration_of_the_kit_is_valid(self) -> None:
        """The keys in `options` are accepted. All other checks need it."""
        self.config()

    def test_an_unknown_key_is_refused_by_name(self) -> None:
        """A key that is spelt wrong is an error, not ignored: the user believes that it has an effect."""
        refused(self, "baud_rat", 9600)

    @pytest.mark.parametrize("key", [*WRONG])
    def test_a_wrong_value_of_a_common_key_is_refused_by_name(self, key: str) -> None:
        """The keys that every device has keep their types and limits in the config of the driver."""
        if key not in self.driver.config.__struct_fields__:
            pytest.skip("a device without a port does not have this key")
        refused(self, key, WRONG[key])

    def test_a_wrong_value_of_each_own_key_is_refused_by_name(self) -> None:
        """Every key of the driver has a type, and the message names the key."""
        for key in self.own_keys():
            refused(self, key, NO_VALUE)

    def test_an_unknown_protocol_is_refused_by_name(self) -> None:
        """A protocol that the driver does not know is not replaced by the default one."""
        self.port_driver()
        refused(self, "protocol", "no-such-protocol")

    def test_an_impossible_address_is_refused_by_name(self) -> None:
        """An address that no instrument can have is an error before the port is opened."""
        if "address" not in self.driver.config.__struct_fields__:
            pytest.skip("the driver has no key 'address'")
        refused(self, "address", -1)

    def test_the_protocol_of_the_table_is_the_one_of_the_link(self) -> None:
        """The key `protocol` chooses what is spoken on the port."""
        driver = self.port_driver()
        for protocol in driver.protocols:
            try:
                config = self.config(protocol=protocol)
            except ConfigError:  # another key does not go with it
                continue
            assert driver.link(config).protocol == protocol

    @pytest.mark.parametrize("key", [*SERIAL])
    def test_a_serial_setting_of_the_table_is_the_one_of_the_link(self, key: str) -> None:
        """`link` uses `config.link_over(…)`: serial settings of the rig file replace the usual ones."""
        driver = self.port_driver()
        accepted = 0
        for value in SERIAL[key]:
            if (message := refusal(self, key, value)) is not None:
                assert key in message or str(value) in message, f"the message does not name {key}: {message}"
                continue
            accepted += 1
            assert getattr(driver.link(self.config(**{key: value})), key) == value
        assert accepted, f"no value of {key} is accepted"

    def test_the_link_depends_on_the_settings_of_the_port_only(self) -> None:
        """Devices share a port if their links are equal: name, port, address and rate are not part of it."""
        driver = self.port_driver()
        more: dict[str, Any] = {"name": "other", "port": PORT + "-2", "rate_hz": 0.5, "timeout": None}
        if isinstance(address := driver.address(self.config()), int):
            more["address"] = address + 1
        try:
            other = self.config(**more)
        except ConfigError:
            other = self.config(**{key: value for key, value in more.items() if key != "address"})
        assert driver.link(self.config()) == driver.link(other)

    def test_devices_of_one_port_have_one_client_factory(self) -> None:
        """`client_factory` returns the same function each time: otherwise no two devices share a port."""
        driver = self.port_driver()
        link: Link = driver.link(self.config())
        assert driver.client_factory(link) == driver.client_factory(link)

    def test_the_stated_load_is_one_of_transactions(self) -> None:
        """Each `TransactionCost` has bytes sent and received; `riglog check` computes the load of a port with it."""
        driver = self.port_driver()
        costs = driver.transactions(self.config())
        if not costs:
            pytest.skip("the load is not stated")
        assert all(cost.sent >= 0 and cost.received >= 0 and cost.sent + cost.received > 0 for cost in costs)


def refused(subject: Subject, key: str, value: object) -> None:
    """Assert that a key with this value is a ConfigError that names it."""
    message = refusal(subject, key, value)
    assert message is not None, f"{key} = {value!r} is accepted"
    assert key in message, f"the message does not name {key}: {message}"


def refusal(subject: Subject, key: str, value: object) -> str | None:
    """Return the message and the hint with which a key is refused; None if it is accepted."""
    try:
        subject.config(**{key: value})
    except ConfigError as error:
        return f"{error} {error.hint or ''}"
    return None
