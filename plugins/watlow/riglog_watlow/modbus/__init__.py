"""Watlow controllers as Modbus slaves: where parameters sit, how words become values, and parameters over it."""
