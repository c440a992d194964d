"""How far a group has read, and of which incarnation of a topic that is."""
