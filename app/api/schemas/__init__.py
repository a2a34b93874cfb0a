"""The schemas of requests and responses, one module per resource."""
