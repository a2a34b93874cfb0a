"""What services are composed of: verbs, roles, events. No module here knows a resource."""
