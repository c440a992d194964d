"""The student's page and its JSON twin, beside a constant answer and what others would write."""
