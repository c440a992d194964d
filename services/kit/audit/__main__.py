"""Every service's audit: `python -m services.kit.audit of-student | of-actor`."""

from services.kit.audit.commands import audit_commands, databases_of_all

app = audit_commands(databases_of_all)

if __name__ == "__main__":
    app()
