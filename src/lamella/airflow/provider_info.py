"""What Airflow asks of a provider: its name and its options. Imported by every Airflow process, so it imports little.

Source: docs/airflow.md, "Options".
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from lamella.airflow.options import OPTIONS, SECTION, SINCE

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Describe the provider, as the entry point `apache_airflow_provider` asks for."""
    return {
        "package-name": "lamella",
        "name": "Lamella",
        "description": "Encryption and compression layers around Airflow's task and asset state.",
        "versions": [version("lamella")],
        "config": {
            SECTION: {
                "description": "Layers around the task and asset state store. Without `chain` or `store` here, the "
                "LAMELLA__ variables and lamella.toml say what they are.",
                "options": {
                    name: {
                        "description": option.description,
                        "version_added": SINCE,
                        "type": option.type,
                        "example": option.example,
                        "default": option.default,
                        "sensitive": option.sensitive,
                    }
                    for name, option in OPTIONS.items()
                },
            }
        },
    }
