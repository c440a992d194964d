"""What an operators' port serves besides the service itself."""
