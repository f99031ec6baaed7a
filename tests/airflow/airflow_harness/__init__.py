"""What the Airflow tests run on: a home with a database and a keyring, runs in one process, and whole installations."""

__all__ = []
