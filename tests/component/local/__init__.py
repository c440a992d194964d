"""The parts that run natively on one machine, and what starts them."""
