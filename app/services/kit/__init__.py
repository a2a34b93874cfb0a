"""The parts that services are composed of: verbs, roles, events. They know no resource."""
