"""Inner stores."""
