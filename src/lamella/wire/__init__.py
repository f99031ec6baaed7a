"""Every byte that outlives the process; pure functions, no I/O."""
