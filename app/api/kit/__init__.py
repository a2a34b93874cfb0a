"""What routes are composed of: access, bodies, lists, OpenAPI. No module knows a resource."""
