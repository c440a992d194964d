"""A department's part in confirmation rounds: its attestation, and the hold that it relies on."""
