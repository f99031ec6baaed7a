"""Makes `independent`, the folder of the reader, importable."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = []

sys.path.append(str(Path(__file__).parents[1]))
