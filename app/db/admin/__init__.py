"""What administrates a database: migrations, roles, and what each role may do."""
