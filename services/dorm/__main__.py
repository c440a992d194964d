"""The dormitories' service and operator commands."""

from services.kit.department.commands import run_department

from .operations import RULES

if __name__ == "__main__":
    run_department(RULES)
