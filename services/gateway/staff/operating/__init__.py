"""What an operator sees and does at the services."""
