"""Collecting occasions into notices, and sending these by mail and robots."""
