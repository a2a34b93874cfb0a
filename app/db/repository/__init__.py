"""The generic repository: reads, writes and deletion, over Core and over the ORM."""
