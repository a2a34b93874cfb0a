"""The OpenAPI document, made from the routes, their contracts and the schemas."""
