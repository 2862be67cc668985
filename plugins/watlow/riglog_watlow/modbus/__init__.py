"""Watlow controllers as Modbus servers: registers, detected layout, and parameters over them."""
