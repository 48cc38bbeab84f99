"""The dashboard over real sockets and real databases."""
