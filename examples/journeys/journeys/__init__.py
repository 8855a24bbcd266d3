"""A service that sends contacts on journeys: the first version of its queries, and the mended one."""
