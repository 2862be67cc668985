"""The far end of the wire: what lies on the pan, and how a balance says so over xBPI and SBI."""
