"""What every process must agree on. Imports nothing of the other rooms."""
