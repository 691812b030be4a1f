"""`/status`: the service and the platform on one page that needs no other server."""
