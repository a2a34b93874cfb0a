"""What goes over the wire, one schema per resource."""
