"""Ships, steers, rehearses, explains. Reaches the supervisor only through its control socket."""
