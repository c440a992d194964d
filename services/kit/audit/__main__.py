"""Every service's audit: `python -m services.kit.audit of-student | of-actor | unasked`."""

from services.kit.audit.commands import audit_commands, databases_of_all, unasked_commands

app = audit_commands(databases_of_all)
app.command("unasked")(unasked_commands)

if __name__ == "__main__":
    app()
