"""The notice service: writes to students when something has changed on their page."""
