"""Operator commands of the gateway."""
