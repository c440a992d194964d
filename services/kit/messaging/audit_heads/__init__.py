"""Heads of the audit outside its database: in the service's audit topic, and in a file of the operator."""
