"""Faults in real processes, and the one checker that says whether anything of what must hold was broken."""
