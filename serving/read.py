"""How what only tells something is asked for."""

from litestar import HttpMethod

READ = [HttpMethod.GET, HttpMethod.HEAD]
"""HEAD too, which load balancers ask with; the server leaves the body out."""
