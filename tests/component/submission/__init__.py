"""The single submission across the clearance and the departments: rounds, holds, commands, receipts."""
