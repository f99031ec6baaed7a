"""A secrets backend that knows one secret: the text of a file."""

from __future__ import annotations

from pathlib import Path

from airflow.secrets import BaseSecretsBackend

__all__ = ["FileSecret"]


class FileSecret(BaseSecretsBackend):
    """Takes the key of a setting for a path."""

    def get_config(self, key: str) -> str:
        """Give what the file holds."""
        return Path(key).read_text()
