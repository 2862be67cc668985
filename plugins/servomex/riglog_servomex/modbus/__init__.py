"""An analyzer over Modbus RTU or ASCII."""
