"""Sartorius balances: xBPI, and SBI asked or printing of itself. Source: Sartorius wire specification."""
