"""The OpenAPI document, built from the routes, their contracts and the schemas."""
