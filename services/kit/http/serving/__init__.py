"""The server: uvicorn with limits of size, number and time, TLS, and an operators' port."""
