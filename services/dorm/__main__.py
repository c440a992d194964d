"""The dormitories' service and its operator commands: `python -m services.dorm`."""

from services.dorm.operations import RULES
from services.kit.department.service import run_department

if __name__ == "__main__":
    run_department(RULES)
